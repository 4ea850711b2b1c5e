"""`manage.py upscale_file`: one file through the local engine, no database."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from tests.support import pictures

pytestmark = pytest.mark.engine


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jpg"
    path.write_bytes(pictures.jpeg((40, 30)))
    return path


@pytest.mark.parametrize(
    ("name", "format_name"), [("out.png", "PNG"), ("out.JPG", "JPEG"), ("out.webp", "WEBP"), ("out", "JPEG")]
)
def test_the_ending_chooses_the_format(source: Path, name: str, format_name: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    target = source.parent / name
    call_command("upscale_file", source, target, model="recraft", stdout=out, stderr=err)
    with Image.open(target) as result:
        assert (result.format, result.size) == (format_name, (160, 120))
    assert "40x30 -> 160x120" in out.getvalue().splitlines()[-1]
    assert "waifu2x-cunet" in out.getvalue()
    assert "100%" in err.getvalue()
    assert sorted(path.name for path in source.parent.iterdir()) == sorted(["in.jpg", name])


def test_it_works_as_the_environment_says(source: Path) -> None:
    command = [sys.executable, "manage.py", "upscale_file", source, source.parent / "out.png", "--model=recraft"]
    environment = os.environ | {"LOCAL_PRECISION": "f32", "LOCAL_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert ", f32, " in done.stdout


def test_settings_are_taken(source: Path) -> None:
    target = source.parent / "out.png"
    pairs = ["upscale_factor=6x", "face_enhancement=true", "face_enhancement_creativity=0.3"]
    call_command("upscale_file", source, target, model="topaz", set=pairs, stdout=io.StringIO(), stderr=io.StringIO())
    assert Image.open(target).size == (240, 180)


@pytest.mark.parametrize(
    ("model", "pair", "words"),
    [
        ("foo", None, "recraft, topaz"),
        ("recraft", "upscale_factor=2x", "accepts no generation_settings"),
        ("topaz", "size=2x", "upscale_factor"),
        ("topaz", "upscale_factor=3x", "2x, 4x, 6x"),
        ("topaz", "upscale_factor", "2x, 4x, 6x"),
        ("topaz", "face_enhancement=maybe", "true or false"),
        ("topaz", "face_enhancement_creativity=2", "from 0.0 to 1.0"),
        ("topaz", "face_enhancement_creativity=nan", "from 0.0 to 1.0"),
    ],
)
def test_what_is_not_allowed_is_named(source: Path, model: str, pair: str | None, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("upscale_file", source, source.parent / "o.png", model=model, set=[pair] if pair else [])


def test_unusable_files_end_in_one_plain_sentence(source: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    animation = tmp_path / "moving.webp"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(animation, save_all=True, append_images=frames[1:])
    for source_path, target, words in (
        (text, tmp_path / "o.png", "not a picture that we can read"),
        (animation, tmp_path / "o.png", "holds 3 pictures"),
        (source, tmp_path, "is a folder"),
        (tmp_path / "none.png", tmp_path / "o.png", "There is no file"),
        (source, tmp_path / "none" / "o.png", "There is no folder"),
        (source, tmp_path / "o.tiff", "not as .tiff"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("upscale_file", source_path, target, model="recraft")


def test_it_runs_alone_and_fails_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    command = [sys.executable, "manage.py", "upscale_file", tmp_path / "bad.jpg", tmp_path / "o.png"]
    done = subprocess.run([*command, "--model=recraft"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: “bad.jpg” is not a picture that we can read.")
    assert "Traceback" not in done.stderr
