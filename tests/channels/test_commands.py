"""`manage.py channel_file` and `channel_check`: one JSON line, no database."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from tests.channels import grid
from tests.support import pictures


def run(command: str, *args: Any, **options: Any) -> list[dict[str, Any]]:
    out = io.StringIO()
    try:
        call_command(command, *args, stdout=out, **options)
    except SystemExit as ended:
        assert ended.code == 1
        assert any(not json.loads(line)["passed"] for line in out.getvalue().splitlines())
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jpg"
    path.write_bytes(grid.content("white, large"))
    return path


def test_a_picture_is_fitted(source: Path) -> None:
    target = source.parent / "out.jpg"
    [told] = run("channel_file", source, target, channel="zalando")
    assert told == {"width": 1801, "height": 2600, "bytes": target.stat().st_size, "format": "JPEG", "problems": []}
    with Image.open(target) as made:
        assert (made.size, made.format, made.mode) == ((1801, 2600), "JPEG", "RGB")
    [judged] = run("channel_check", target, channel="zalando")
    assert judged["passed"]
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.jpg", "out.jpg"]


@pytest.mark.parametrize(
    ("name", "channel", "said"),
    [
        ("out.webp", "amazon", "are written as JPEG (.jpg), PNG (.png), TIFF (.tif), not as WebP"),
        ("out.doc", "amazon", "ends in no picture format"),
        ("out.jpg", "amazn", "There is no channel “amazn”"),
        ("none/out.jpg", "amazon", "There is no folder"),
    ],
)
def test_what_can_not_be_done_is_said_and_nothing_is_written(source: Path, name: str, channel: str, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        run("channel_file", source, source.parent / name, channel=channel)
    assert said in str(refused.value)
    assert [path.name for path in source.parent.iterdir()] == ["in.jpg"]


def test_no_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(b"no picture")
    with pytest.raises(CommandError, match="not a picture"):
        run("channel_file", tmp_path / "in.jpg", tmp_path / "out.jpg", channel="zalando")
    [told] = run("channel_check", tmp_path / "in.jpg", channel="zalando")
    assert (told["passed"], told["rules"]) == (False, [])
    assert "not a picture" in told["problem"]


def test_files_are_checked_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.jpeg((600, 400)))
    (tmp_path / "b.jpg").write_bytes(pictures.jpeg((1500, 1500)))
    told = run("channel_check", tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "c.jpg", channel="google")
    assert [(Path(one["file"]).name, one["passed"]) for one in told] == [
        ("a.jpg", False),
        ("b.jpg", True),
        ("c.jpg", False),
    ]
    assert "can't be read: No such file" in told[2]["problem"]
