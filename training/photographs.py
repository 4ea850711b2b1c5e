"""The photographs of ``photographs.toml``: fetched from Debian's packages, checked, and made into truths."""

from __future__ import annotations

import hashlib
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]

MANIFEST = Path(__file__).parent / "photographs.toml"
OUT = Path(__file__).parent / "out"
LONGEST = (2000, 1400)
"""Longest sides to which photographs are shrunk before anything is cut out of them: as their files hold them, they are
soft pixel by pixel, and JPEGs themselves."""
HELD_OUT_LONGEST, HELD_OUT_SIDE = 1300, 384
"""The same for those that decide, and the side of the square that is cut out of their middle."""


@dataclass(frozen=True)
class Photograph:
    """One picture of the manifest."""

    package: str
    version: str
    path: str
    author: str
    licence: str
    sha256: str
    is_held_out: bool

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.path.removeprefix("usr/share/").removesuffix(".jpg")

    def read(self, longest: int) -> Bytes:
        """RGB, (height, width, 3), at most ``longest`` a side. Raises SystemExit where the file is another one."""
        file = OUT / "packages" / self.package / self.path
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise SystemExit(f"{file} is not the picture that {MANIFEST.name} names.")
        picture = Image.open(file).convert("RGB")
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=None)
        return np.asarray(picture)


def manifest() -> list[Photograph]:
    """All pictures, in the manifest's order."""
    packages = tomllib.loads(MANIFEST.read_text("utf-8"))["package"]
    return [
        Photograph(
            package["name"],
            package["version"],
            picture["path"],
            picture["author"],
            picture["licence"],
            picture["sha256"],
            picture["use"] == "held out",
        )
        for package in packages
        for picture in package["photograph"]
    ]


def fetch() -> None:
    """Unpack the packages into ``OUT``, installing nothing. Needs apt and dpkg, and a Debian 12 archive."""
    folder = OUT / "packages"
    for name, version in dict.fromkeys((picture.package, picture.version) for picture in manifest()):
        if (folder / name).is_dir():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", f"{name}={version}"], cwd=folder, check=True)
        package, unpacked = next(folder.glob(f"{name}_*.deb")), folder / f"{name}.new"
        subprocess.run(["dpkg", "-x", package, unpacked], check=True)
        unpacked.rename(folder / name)
        package.unlink()


def training() -> list[Bytes]:
    """The pictures to learn from, in each of the sizes of ``LONGEST``."""
    return [picture.read(longest) for picture in manifest() if not picture.is_held_out for longest in LONGEST]


def held_out() -> dict[str, Bytes]:
    """The truths that decide, by name: squares of ``HELD_OUT_SIDE``."""
    truths = {}
    for picture in manifest():
        if picture.is_held_out:
            whole = picture.read(HELD_OUT_LONGEST)
            top, left = ((side - HELD_OUT_SIDE) // 2 for side in whole.shape[:2])
            truths[picture.name] = whole[top : top + HELD_OUT_SIDE, left : left + HELD_OUT_SIDE]
    return truths
