"""Results are compared with their sources once they are done: what people see, and that no check is lost."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image, ImageDraw

from tests.conftest import Person
from tests.support.waiting import quick, single, worked
from upscaler import fidelity
from upscaler.models import FidelityCheck, Upscale, media_storage
from upscaler.processing import fidelity_checks
from upscaler.queue import sweep, tasks
from upscaler.storage import cleanup


@pytest.fixture(autouse=True)
def _on(settings: Any) -> None:
    settings.FIDELITY_CHECKS = True


def result_of(person: Person, *, altered: bool = False) -> Upscale:
    """A finished upscale whose result is its source twice as large, or with a part of another colour."""
    source = Image.effect_mandelbrot((96, 80), (-2, -1.5, 1, 1.5), 60).convert("RGB")
    with quick():
        upscale = single(person)
        worked(1)
    large = source.resize((192, 160), Image.Resampling.LANCZOS)
    if altered:
        ImageDraw.Draw(large).rectangle((40, 40, 140, 120), fill=(220, 30, 30))
    for field, picture in (("source_file", source), ("result_file", large)):
        file = io.BytesIO()
        picture.save(file, "PNG")
        path = media_storage().save(f"results/{timezone.now():%Y/%m}/{field}.png", ContentFile(file.getvalue()))
        Upscale.objects.filter(pk=upscale.pk).update(**{field: path})
    upscale.refresh_from_db()
    return upscale


def page(person: Person, upscale: Upscale) -> str:
    return str(person.client.get(f"/upscales/{upscale.pk}/").content.decode())


def test_a_faithful_result_is_called_so(owner: Person) -> None:
    upscale = result_of(owner)
    assert "is being compared" in page(owner, upscale), "it is promised with the result itself"
    tasks.check_fidelity.call()
    assert "Faithful" in page(owner, upscale)
    assert owner.client.get(f"/upscales/{upscale.pk}/heat-map/").status_code == 404


def test_an_altered_result_is_shown_with_what_and_where(owner: Person, outsider: Person) -> None:
    upscale = result_of(owner, altered=True)
    tasks.check_fidelity.call()
    html = page(owner, upscale)
    assert "Look" in html and "colour" in html and "pixels of the original" in html
    answer = owner.client.get(f"/upscales/{upscale.pk}/heat-map/")
    assert Image.open(io.BytesIO(b"".join(answer.streaming_content))).mode == "RGBA"
    assert outsider.client.get(f"/upscales/{upscale.pk}/heat-map/").status_code == 404
    assert outsider.client.get(f"/upscales/{upscale.pk}/fidelity/").status_code == 404


def test_pictures_that_wait_go_first_for_a_while(owner: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        upscale = result_of(owner)
        single(owner)
        tasks.check_fidelity.call()
        assert not FidelityCheck.objects.get(upscale=upscale).checked_at
        clock.shift(fidelity_checks.PATIENCE + timedelta(seconds=1))
        tasks.check_fidelity.call()
        assert FidelityCheck.objects.get(upscale=upscale).checked_at


def test_one_whose_worker_died_is_taken_up_again_and_given_up_in_the_end(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = result_of(owner)

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(fidelity, "check", die)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(fidelity_checks.MAX_ATTEMPTS):
            with pytest.raises(SystemExit):
                tasks.check_fidelity.call()
            assert not fidelity_checks.step(may_wait=False), "its lease runs"
            clock.shift(fidelity_checks.LEASE + timedelta(seconds=1))
        sweep.sweep()
        tasks.check_fidelity.call()
    assert "Compare the two by eye" in page(owner, upscale)


def test_one_from_before_is_checked_when_somebody_asks(owner: Person, settings: Any) -> None:
    settings.FIDELITY_CHECKS = False
    upscale = result_of(owner)
    assert "was not checked" in page(owner, upscale)
    owner.client.post(f"/upscales/{upscale.pk}/fidelity/")
    owner.client.post(f"/upscales/{upscale.pk}/fidelity/")
    tasks.check_fidelity.call()
    assert "Faithful" in page(owner, upscale)


def test_a_file_that_is_gone_is_said(owner: Person) -> None:
    upscale = result_of(owner)
    media_storage().delete(upscale.result_file.name)
    tasks.check_fidelity.call()
    assert "not kept any more" in page(owner, upscale)


def test_the_heat_map_goes_with_its_picture(owner: Person, head: Person, order: Callable[..., Upscale]) -> None:
    upscale = result_of(owner, altered=True)
    tasks.check_fidelity.call()
    path = FidelityCheck.objects.get().heat_map
    with time_machine.travel(timezone.now() + timedelta(days=3)):
        cleanup.remove_orphans()
    assert media_storage().exists(path), "a row names it"
    Upscale.objects.filter(pk=upscale.pk).update(deleted_at=timezone.now())
    cleanup.remove_deleted()
    assert not media_storage().exists(path) and not FidelityCheck.objects.exists()
