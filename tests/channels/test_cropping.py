"""Cropping photographs: as far as the subject's mask lets it, and said where that is not known."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.support import pictures
from upscaler.channels import files
from upscaler.channels.cropping import MAY_BE_CUT, UNKNOWN, Found
from upscaler.channels.fit import fit
from upscaler.channels.table import CHANNELS
from upscaler.engines.base import EngineError
from upscaler.engines.local import subject_finder
from upscaler.engines.local.subject_finder import Subject
from upscaler.models import Upscale

ANY_SIZE = dataclasses.replace(CHANNELS["johnlewis"], min_width=0, min_height=0)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A cup on a wooden table, 600 × 400: from 0.13 to 0.8 of its width."""
    (tmp_path / "in.jpg").write_bytes(pictures.jpeg((600, 400), "coffee"))
    return tmp_path / "in.jpg"


@pytest.mark.engine
@pytest.mark.processes
def test_a_photograph_is_cropped_to_its_subject_and_not_into_it(street: Path) -> None:
    out = io.StringIO()
    call_command("channel_file", street, street.parent / "out.jpg", channel="johnlewis", crop=True, stdout=out)
    told = json.loads(out.getvalue())
    # The cup has 404 pixels of it, and a little room.
    assert 404 <= told["width"] <= 450
    assert not [one for one in told["problems"] if "crop" in one]


def test_what_might_be_the_product_and_is_cut_is_warned_of(street: Path) -> None:
    target = street.parent / "out.jpg"
    sure = Found((0.4, 0.2, 0.6, 0.8), (0.35, 0.1, 0.65, 0.9))
    told = fit(street, target, ANY_SIZE, crop=True, subject=sure)
    assert (told.width, told.height, told.problems) == (300, 400, ())
    unsure = dataclasses.replace(sure, possible=(0.0, 0.1, 1.0, 0.9))
    told = fit(street, target, ANY_SIZE, crop=True, subject=unsure)
    assert (told.width, told.height, told.problems) == (300, 400, (MAY_BE_CUT,))
    wide = Found((0.1, 0.1, 0.9, 0.9), (0.1, 0.1, 0.9, 0.9))
    told = fit(street, target, ANY_SIZE, crop=True, subject=wide)
    assert told.width >= 0.8 * 600 and told.problems == ()


def test_without_the_network_nothing_is_cropped_and_it_is_said(street: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: Any) -> Subject:
        raise EngineError("The detector u2netp is not installed here.", code="engine_setup", permanent=True)

    out = io.StringIO()
    monkeypatch.setattr(subject_finder, "find", missing)
    call_command("channel_file", street, street.parent / "out.jpg", channel="johnlewis", crop=True, stdout=out)
    told = json.loads(out.getvalue())
    assert (told["width"], told["height"]) == (600, 800)
    assert told["problems"][-1] == "Nothing was cropped. The detector u2netp is not installed here."


def test_on_a_page_the_small_copy_is_asked_about_once_and_only_where_it_is_needed(
    done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int]] = []

    def find(pixels: bytes, width: int, height: int) -> Subject | None:
        asked.append((len(pixels), width, height))
        return None

    monkeypatch.setattr(subject_finder, "find", find)
    upscale = done()
    assert not [one for one in files.make(upscale, CHANNELS["etsy"], crop=True).problems if "crop" in one]
    assert asked == [], "no ratio, so nothing to crop to"
    assert UNKNOWN in files.make(upscale, CHANNELS["johnlewis"], crop=True).problems
    [(count, width, height)] = asked
    assert count == 3 * width * height and max(width, height) <= 1024
