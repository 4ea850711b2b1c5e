"""Pictures that wait, in any number, and the workers that take them up one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.support import pictures, quick_engine
from upscaler import credits
from upscaler.engines.local.engine import LocalEngine
from upscaler.models import Upscale
from upscaler.ordering import submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.new_batches import NewBatch
from upscaler.ordering.submission import NewUpscale
from upscaler.queue import tasks
from upscaler.storage.pictures import NewFiles

if TYPE_CHECKING:
    from tests.conftest import Person


def _an_order(person: Person, url: str) -> NewUpscale:
    data = {"model_name": "recraft", **({"image_url": url} if url else {})}
    files = {} if url else {"image": SimpleUploadedFile("shirt.jpg", pictures.jpeg((24, 20)))}
    form = UpscaleForm(data, files, team=person.team)
    assert form.is_valid() and form.order is not None, form.errors
    return form.order


def single(person: Person, url: str = "") -> Upscale:
    """One picture, as the API orders it."""
    [upscale] = submission.submit([_an_order(person, url)], team=person.team, user=person.user)
    return upscale


def batch(person: Person, size: int, url: str = "") -> list[Upscale]:
    """As many pictures, ordered and paid together. What is not fetched is one file, stored once."""
    credits.grant(team=person.team, amount=size, note="for the batch")
    order = _an_order(person, url)
    if order.upload is not None:
        with NewFiles(person.team.pk) as files:
            stored = files.store_source(order.upload.file, order.upload.examined)
            files.keep()
        order = replace(order, upload=None, stored=stored)
    return submission.submit(
        [order] * size, team=person.team, user=person.user, batch=NewBatch(order.model_name, order.settings)
    )


@contextmanager
def quick() -> Iterator[None]:
    """Enlarge without the networks: who is next is the same with them."""
    with patch.object(LocalEngine, "advance", quick_engine.advance):
        yield


def worked(times: int, queue: str = "cpu") -> list[Upscale]:
    """What a worker takes up when it is woken so many times, in this order."""
    found = []
    for _ in range(times):
        began = timezone.now()
        tasks.work.call(queue)
        # Only a claim counts the attempts up, and each ends with a write to the row.
        found += Upscale.objects.filter(attempt__gt=0, updated_at__gte=began)
    assert len(found) == times, "each wake-up takes up one"
    return found


def teams_of(upscales: list[Upscale]) -> str:
    """The teams' initials, in order."""
    return "".join(upscale.team.slug[0] for upscale in upscales)


def standing(queue: str = "cpu") -> int:
    """How many wake-ups stand in the queue, now or for later."""
    path = tasks.work.module_path
    return DBTaskResult.objects.filter(task_path=path, queue_name=queue, status="READY").count()
