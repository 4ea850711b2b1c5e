"""What the client's README tells people to do, as it stands there."""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from upscaler_client.cli import main

from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, ROOT, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

README = (ROOT / "clients/python/README.md").read_text()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, desk: Desk, token: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds `shirts`, with the desk's address and token in the environment."""
    (tmp_path / "shirts").mkdir()
    for number, name in enumerate(("48220_red_front.jpg", "48221_blue_front.jpg")):
        (tmp_path / "shirts" / name).write_bytes(pictures.jpeg((24 + number, 20)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UPSCALER_URL", desk.url)
    monkeypatch.setenv("UPSCALER_TOKEN", token)
    return tmp_path


def test_the_commands_give_a_zip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A terminal, and a person who says yes.
    monkeypatch.setattr(
        "sys.stdin", type("Terminal", (), {"isatty": lambda self: True, "readline": lambda self: "y\n"})()
    )
    lines = [shlex.split(line) for line in README.splitlines() if line.startswith("upscaler ")]
    assert [line[1] for line in lines] == ["balance", "push"]
    assert [main.main(line[1:]) for line in lines] == [0, 0]
    assert len(zipfile.ZipFile(folder / "results.zip").namelist()) == 3


def test_from_nothing_to_a_zip_in_an_environment_of_its_own(folder: Path, desk: Desk, token: str) -> None:
    """The first block, line by line, as it stands there, in a shell and a terminal."""
    shutil.copytree(ROOT / "clients/python", folder / "clients/python", ignore=shutil.ignore_patterns("__pycache__"))
    [block] = re.findall(r"```sh\n(python3 -m venv.*?)```", README, re.DOTALL)
    lines = block.replace("https://desk.example", desk.url).replace("ups_...", token)
    assert desk.url in lines and token in lines
    python3 = f'python3() {{ {shlex.quote(sys.executable)} "$@"; }}\n'
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UPSCALER_", "PYTHON"))}
    main_end, terminal = pty.openpty()
    # What asks, asks the terminal.
    os.write(main_end, b"y\n")
    done = subprocess.run(
        ["bash", "-e", "-c", python3 + lines],
        cwd=folder, env=clean, stdin=terminal, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    os.close(terminal)
    os.close(main_end)
    if "Could not find a version" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip("pip reaches no packages")
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(zipfile.ZipFile(folder / "results.zip").namelist()) == 3


def test_the_program_runs(folder: Path, capsys: Any) -> None:
    [program] = re.findall(r"```python\n(import os.*?)```", README, re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})
    with Image.open(folder / "large.jpg") as large:
        assert large.size == (48, 40)
    assert len(zipfile.ZipFile(folder / "autumn.zip").namelist()) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "2" and "2 of 2" in said and said[-1].endswith("Done 48220")
