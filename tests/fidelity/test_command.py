"""`manage.py compare_pictures`: one JSON line, no database."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from tests.support import pictures
from upscaler.fidelity import REASONS


def run(*args: Any, **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    call_command("compare_pictures", *args, stdout=out, **options)
    [line] = out.getvalue().splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jpg"
    path.write_bytes(pictures.jpeg((160, 120)))
    return path


def test_one_line_says_what_others_rely_on(source: Path) -> None:
    result, target = source.parent / "out.webp", source.parent / "map.png"
    with Image.open(source) as file:
        file.resize((640, 480), Image.Resampling.LANCZOS).save(result, quality=95)
        same = run(source, result)
        file.convert("L").resize((640, 480), Image.Resampling.LANCZOS).save(result)
    assert (same["verdict"], same["reasons"], same["regions"]) == ("faithful", [], [])
    grey = run(source, result, heat_map=target)
    assert grey["verdict"] == "look"
    assert "colour" in grey["reasons"]
    assert set(grey["reasons"]) <= set(REASONS)
    for name in ("delta_e_mean", "delta_e_worst", "ssim_mean", "ssim_worst"):
        assert isinstance(grey[name], float)
    assert grey["delta_e_worst"] >= grey["delta_e_mean"] > same["delta_e_mean"]
    assert grey["box_of"] == "source"
    for region in grey["regions"]:
        x, y, width, height = region["box"]
        assert region["reason"] in grey["reasons"]
        assert 0 <= x < x + width <= 160
        assert 0 <= y < y + height <= 120
        assert isinstance(region["value"], float)
    with Image.open(target) as drawn:
        assert (drawn.format, drawn.mode, drawn.size) == ("PNG", "RGB", (160, 120))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "“out.png” is empty."),
        (b"<svg>not a picture</svg>" * 10, "“out.png” is "),
        (pictures.jpeg((400, 300))[:5000], "“out.png” is damaged or incomplete"),
        (pictures.huge_header(), "“out.png” says that it is "),
        (pictures.animated_gif(3), "“out.png” holds 3 pictures"),
    ],
    ids=["empty", "no picture", "cut off", "a bomb", "an animation"],
)
def test_a_file_that_is_no_sound_picture_is_refused_in_words(source: Path, content: bytes, said: str) -> None:
    result, target = source.parent / "out.png", source.parent / "map.png"
    result.write_bytes(content)
    for pair in ((source, result), (result, source)):
        with pytest.raises(CommandError) as refused:
            run(*pair, heat_map=target)
        assert str(refused.value).startswith(said)
        assert not target.exists()


def test_files_that_are_not_there_are_named(source: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no file .*gone\.png\."):
        run(source, source.parent / "gone.png")
    with pytest.raises(CommandError, match=r"map\.png can't be written"):
        run(source, source, heat_map=source.parent / "no folder" / "map.png")
