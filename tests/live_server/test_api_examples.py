"""The examples of the docs page, as somebody copies them from there, against a live desk."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from PIL import Image

from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk
from upscaler.api import description

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]


def examples(desk: Desk) -> dict[str, str]:
    page = requests.get(f"{desk.url}/api/v1/docs", timeout=30).text
    found = re.findall(r'data-example="([^"]+)"><code>(.*?)</code>', page, re.DOTALL)
    return {name: html.unescape(code) for name, code in found}


@pytest.mark.parametrize("example", description.EXAMPLES_SHOWN, ids=lambda example: example.name)
def test_an_example_runs_as_it_stands(desk: Desk, example: description.Example, tmp_path: Path) -> None:
    token = desk.token_of_new_team()
    before = desk.balance(token)
    (tmp_path / "shirt.jpg").write_bytes(pictures.jpeg())
    command = [sys.executable, "-c"] if example.language == "python" else ["bash", "-euc"]
    ran = subprocess.run(
        [*command, examples(desk)[example.name]],
        cwd=tmp_path,
        # A python3 that has what the tests have.
        env={**os.environ, "TOKEN": token, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    if example.name == "steps.sh":
        [row] = json.loads(ran.stdout)["data"]
        assert row["reference"] == "PIM-4711/front"
        assert before - desk.balance(token) == 3
        return
    assert before - desk.balance(token) == 1
    found = tmp_path / "enlarged" / "shirt.jpg" if example.language == "python" else tmp_path / "enlarged.jpg"
    assert Image.open(found).size == (48 * 4, 40 * 4)
