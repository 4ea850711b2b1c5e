"""The key that a desk in development makes itself: its own, kept, and nobody else's to read."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.secret_key import MIN_LENGTH, kept_key
from tests.support.live_server import ROOT

SHOW = "from config import settings; print(settings.SECRET_KEY)"


def copy_of_the_tree(folder: Path) -> Path:
    for name in ("config", "upscaler"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", folder)
    return folder


def starting(folder: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    """A process with nothing in its environment but this, in that copy of the tree."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.strip()


@pytest.mark.processes
@pytest.mark.processes
def test_two_fresh_desks_make_a_key_each_and_all_their_processes_agree(tmp_path: Path) -> None:
    """And each an identity, with its tables."""
    keys, identities = [], set()
    for name in ("one", "other"):
        folder = copy_of_the_tree(tmp_path / name)
        at_once = [starting(folder, "-c", SHOW) for _ in range(6)]
        found = {output(process) for process in at_once}
        assert len(found) == 1
        # A start later takes it too.
        assert {output(starting(folder, "-c", SHOW))} == found
        file = folder / ".secret_key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert found == {file.read_text()}
        assert [path.name for path in folder.glob(".secret_key*")] == [".secret_key"], "no draft is left"
        keys += found
        output(starting(folder, "manage.py", "migrate", "--verbosity", "0"))
        with contextlib.closing(sqlite3.connect(folder / "db.sqlite3")) as database:
            identities |= set(database.execute("SELECT id, identity FROM upscaler_deskidentity"))
    assert len(set(keys)) == len(identities) == 2
    assert all(len(key) >= MIN_LENGTH for key in keys)


@pytest.mark.processes
@pytest.mark.processes
def test_a_key_in_the_environment_leaves_no_file(tmp_path: Path) -> None:
    folder = copy_of_the_tree(tmp_path / "desk")
    for environment in ({"SECRET_KEY": "my-own"}, {"SECRET_KEY": "my-own", "DEBUG": "false"}):
        assert output(starting(folder, "-c", SHOW, **environment)) == "my-own"
    process = starting(folder, "manage.py", "check", DEBUG="false")
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "SECRET_KEY is not set. Outside development" in errors
    assert not (folder / ".secret_key").exists()


def test_git_keeps_no_key() -> None:
    assert "/.secret_key*" in (ROOT / ".gitignore").read_text().splitlines()


def test_nobody_else_may_read_it_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first byte on, under either of its names."""
    modes = []
    really = os.link
    monkeypatch.setattr(os, "link", lambda draft, path: (modes.append(draft.stat().st_mode), really(draft, path)))
    before = os.umask(0)
    try:
        kept_key(tmp_path / "key")
    finally:
        os.umask(before)
    modes.append((tmp_path / "key").stat().st_mode)
    assert [stat.S_IMODE(mode) for mode in modes] == [0o600, 0o600]


def test_whoever_comes_second_takes_the_first_one_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process made the file between our look and our own attempt."""
    path, really = tmp_path / "key", os.link

    def too_late(draft: Path, target: Path) -> None:
        path.write_text("f" * MIN_LENGTH)
        really(draft, target)

    monkeypatch.setattr(os, "link", too_late)
    assert kept_key(path) == "f" * MIN_LENGTH
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "\n", "short", "x" * (MIN_LENGTH - 1)])
def test_a_key_that_is_too_short_stops_the_start(content: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(ImproperlyConfigured, match=r"is too short: .* Delete the file") as refused:
        kept_key(path)
    assert str(path) in str(refused.value)
    assert path.read_text() == content, "the desk throws no key away by itself"


@pytest.mark.parametrize("what", ["a folder", "no text", "a folder that is not there", "no hard links here"])
def test_a_key_that_can_t_be_kept_stops_the_start(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    if what == "a folder":
        path.mkdir()
    elif what == "no text":
        path.write_bytes(b"\xff" * 80)
    elif what == "a folder that is not there":
        path = tmp_path / "nowhere" / "key"
    else:

        def refuse(*paths: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ImproperlyConfigured, match=r"can't be kept in .* set SECRET_KEY") as refused:
        kept_key(path)
    assert str(path) in str(refused.value)
    assert "\\xff" not in str(refused.value)
