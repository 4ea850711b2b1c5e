"""What is installed: the locks fit the lists that people edit, and every file has a hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _pinned(name: str) -> dict[str, str]:
    """Packages and versions of a list, extras left out."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


@pytest.mark.parametrize(
    ("readable", "locked"),
    [
        ("requirements.txt", "requirements.lock"),
        ("requirements.txt", "requirements-dev.lock"),
        ("requirements-dev.txt", "requirements-dev.lock"),
        ("requirements.lock", "requirements-dev.lock"),
    ],
)
def test_a_lock_holds_what_its_list_says(readable: str, locked: str) -> None:
    lock = _pinned(locked)
    differing = {name: (version, lock.get(name)) for name, version in _pinned(readable).items()}
    assert {name: both for name, both in differing.items() if both[0] != both[1]} == {}, "run `make lock`"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-weights.txt"])
def test_every_package_has_hashes_and_comes_from_no_other_place(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert len(entries) >= 2
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[^\]]*\])?==\S+", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
    assert not re.search(r"--(extra-)?index-url|--find-links|file:|https?:", text)


def test_make_installs_from_nothing_but_the_locks() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("runtime", "development"):
        recipe = makefile.split(f"$(VENV)/.{target}:")[1].split("\n\n")[0]
        assert "--require-hashes -r requirements" in recipe and ".txt" not in recipe.split("\n", 1)[1]
