"""Deleting a team: all rows and files go, other teams lose nothing, and a record stays."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.conftest import Person
from tests.support import feed_pages
from tests.support.draft_page import DraftPage
from upscaler.keeping import teams
from upscaler.models import Batch, Erasure, Team, Upscale, WatchedFolder, WebhookEndpoint
from upscaler.ordering import submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import worker_step
from upscaler.sharing import links


def stored() -> set[str]:
    root = Path(settings.MEDIA_ROOT)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def rows_of(team_pk: int) -> list[str]:
    """Which tables still have rows of the team."""
    left = []
    for model in apps.get_app_config("upscaler").get_models():
        fields = {field.name for field in model._meta.fields if field.related_model is Team}
        left += [model.__name__ for name in fields if model._base_manager.filter(**{name: team_pk}).exists()]
    return left


def test_a_team_goes_whole_and_the_others_stay(
    owner: Person,
    outsider: Person,
    done: Callable[..., Upscale],
    order_batch: Callable[..., Batch],
    upload: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(teams, "SLICE", 2)
    outsider.client.post("/", {"model_name": "recraft", "image": upload("theirs.jpg")})
    theirs = Upscale.objects.get(team=outsider.team)
    worker_step.step(theirs.pk)
    before = stored()
    first = done()
    form = UpscaleForm({"model_name": "recraft", "generation_result_id": first.result_id}, team=owner.team)
    assert form.is_valid() and form.order is not None
    [further] = submission.submit([form.order], team=owner.team, user=owner.user)
    batch = order_batch("a.jpg", "b.jpg", "c.jpg")
    with pytest.raises(CommandError, match="has upscales under way, so nothing was deleted"):
        call_command("delete_team", "atelier", confirm=True)
    for row in [further, *batch.upscales.all()]:
        worker_step.step(row.pk)
    DraftPage(owner).item(upload())
    feed_pages.begun(owner)
    links.make(team=owner.team, user=owner.user, shows=first, label="Ours")
    WebhookEndpoint.objects.create(team=owner.team, url="https://shop.example/")
    WatchedFolder.objects.create(team=owner.team, name="DAM", kind="s3", bucket="b", model_name="recraft")
    number, out = owner.team.pk, StringIO()
    call_command("delete_team", "atelier", stdout=out)
    assert "5 upscales" in out.getvalue() and Team.objects.filter(pk=number).exists()
    call_command("delete_team", "atelier", confirm=True, stdout=out)
    assert rows_of(number) == []
    assert stored() == before
    assert outsider.client.get(f"/upscales/{theirs.pk}/result/").status_code == 200
    record = Erasure.objects.get()
    assert (record.kind, record.number, record.counts["upscales"]) == ("team", number, 5)
    assert record.counts["files"] > 20
    assert owner.client.get("/history/").status_code == 403
    with pytest.raises(CommandError, match="There is no team"):
        call_command("delete_team", "atelier", confirm=True)


def test_what_was_interrupted_goes_on(
    owner: Person, done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teams, "SLICE", 1)
    done()
    done()
    real, calls = teams._delete_upscales, []

    def cut(team: Team, part: list[Upscale]) -> int:
        calls.append(part)
        if len(calls) == 2:
            raise OSError("the machine went away")
        return real(team, part)

    monkeypatch.setattr(teams, "_delete_upscales", cut)
    with pytest.raises(OSError, match="went away"):
        teams.delete(owner.team, how="test")
    teams.delete(Team.objects.get(pk=owner.team.pk), how="test")
    assert rows_of(owner.team.pk) == []
