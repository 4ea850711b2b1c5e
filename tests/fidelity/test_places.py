"""The places that the check doubts, as pictures beside each other and in words."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image

from tests.conftest import Person
from tests.processing.test_fidelity_checks import page, result_of
from upscaler.models import FidelityCheck, Upscale
from upscaler.queue import tasks


@pytest.fixture
def altered(owner: Person, settings: Any, tmp_path: Path) -> Iterator[Upscale]:
    """One with a red patch in its upper middle, checked."""
    settings.FIDELITY_CHECKS, settings.TILE_CACHE_DIR = True, tmp_path
    upscale = result_of(owner, altered=True)
    Upscale.objects.filter(pk=upscale.pk).update(source_width=96, source_height=80)
    tasks.check_fidelity.call()
    yield upscale


def red(content: bytes) -> float:
    """How much redder than green the picture is, in levels."""
    with Image.open(io.BytesIO(content)) as image:
        mean = np.asarray(image.convert("RGB"), float).mean(axis=(0, 1))
    return float(mean[0] - mean[1])


def test_a_place_is_shown_before_and_after(owner: Person, outsider: Person, altered: Upscale) -> None:
    html = page(owner, altered)
    assert re.search(r"another colour, Delta E \d+\.\d, \d+ × \d+ pixels of the original", html)
    before, after = re.findall(rf'"(/upscales/{altered.pk}/places/0/\w+/)"', html)
    sides = [owner.client.get(url) for url in (before, after)]
    assert [answer["Content-Type"] for answer in sides] == ["image/jpeg"] * 2
    assert red(sides[0].content) + 40 < red(sides[1].content)
    assert outsider.client.get(after).status_code == 404
    for wrong in ("99/after", "0/elsewhere"):
        assert owner.client.get(f"/upscales/{altered.pk}/places/{wrong}/").status_code == 404
    Upscale.objects.filter(pk=altered.pk).update(withdrawn_at=timezone.now())
    assert owner.client.get(after).status_code == 404


def test_numbers_stand_under_technical(owner: Person, altered: Upscale) -> None:
    worst = FidelityCheck.objects.get(upscale=altered).report["delta_e_worst"]
    assert re.search(rf"Colour, Delta E</dt><dd>mean [\d.]+, worst place {worst:.1f}", page(owner, altered))


def test_what_cannot_be_shown_is_said_in_words(owner: Person, altered: Upscale, settings: Any) -> None:
    settings.TILE_CACHE_DIR = None
    html = page(owner, altered)
    assert "another colour, Delta E" in html and "/places/0/" not in html


def test_a_padded_result_shows_the_same_part(owner: Person, altered: Upscale) -> None:
    """Half as much again was added at the left."""
    check = FidelityCheck.objects.get(upscale=altered)
    FidelityCheck.objects.filter(pk=check.pk).update(
        report={
            **check.report,
            "lost": [-0.5, 0, 0, 0],
            "regions": [{**check.report["regions"][0], "box": [0, 0, 8, 8]}],
        }
    )
    answer = owner.client.get(f"/upscales/{altered.pk}/places/0/after/")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.width == pytest.approx(192 * 64 / 96 / 1.5, abs=1), "a share of a result that is wider by a half"
