"""A team's rule: whose files go when, what stays, and that everybody who asks is told so."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import Person, move_end
from upscaler import credits, usage
from upscaler.models import (
    AuditEvent,
    Batch,
    ChannelFile,
    DraftItem,
    FidelityCheck,
    Team,
    Upscale,
    WatchedFile,
    WatchedFolder,
    WatchedResult,
    media_storage,
)
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.ordering import retention, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.tasks import wake_retention
from upscaler.processing import worker_step
from upscaler.storage import cleanup

FIELDS = ("source_file", "source_thumbnail", "result_file", "result_thumbnail", "before_preview", "after_preview")


def aged(upscale: Upscale, days: float = 31) -> Upscale:
    move_end(upscale, timezone.now() - timedelta(days=days))
    return upscale


def keep(team: Team, days: int | None = 30) -> None:
    Team.objects.filter(pk=team.pk).update(keep_days=days)


def stored_files(upscale: Upscale) -> set[str]:
    return {name for field in FIELDS if (name := getattr(upscale, field).name) and media_storage().exists(name)}


def evidence_of(person: Person, upscale: Upscale) -> list[dict[str, object]]:
    answer: Any = person.client.post("/history/selected/", {"act": "evidence-json", "chosen": upscale.pk})
    found: list[dict[str, object]] = json.loads(b"".join(answer.streaming_content))["pictures"]
    return found


def run_rule() -> int:
    deleted = retention.step()
    cleanup.remove_deleted()
    return deleted


def test_files_over_age_go_and_the_history_says_so(owner: Person, done: Callable[..., Upscale]) -> None:
    old, young, balance = aged(done(name="old.jpg", sku="S1")), done(name="young.jpg"), owner.balance
    link = owner.api("get", f"generation/{old.pk}").json()["generation_results"][0]["image_url"]
    files = stored_files(old)
    assert len(files) == len(FIELDS)
    keep(owner.team)
    assert run_rule() == 1
    assert not [path for path in files if media_storage().exists(path)]
    assert len(stored_files(Upscale.objects.get(pk=young.pk))) == len(FIELDS)
    today = f"{timezone.localtime():%-d %B %Y}"
    sentence = f"The files of this picture were deleted on {today} by the team’s rule."
    shown = owner.client.get("/history/").content.decode()
    assert "old.jpg" in shown and sentence in shown
    page = owner.client.get(f"/upscales/{old.pk}/")
    assert page.status_code == 200
    assert sentence in page.content.decode() and "/download/" not in page.content.decode()
    for path in ("result/", "download/", "source/", "before/", "after/", "compare/"):
        answer = owner.client.get(f"/upscales/{old.pk}/{path}")
        assert answer.status_code == 410, path
        assert sentence in answer.content.decode(), path
    assert (owner.client.get(link).status_code, owner.client.get(link).json()) == (410, {"detail": sentence})
    told = owner.api("get", f"generation/{old.pk}").json()
    assert (told["status"], told["error"], told["generation_results"]) == ("Done", sentence, [])
    assert told["credits"] == old.credits
    answer = owner.api("get", f"generation-result/{old.result_id}")
    assert (answer.status_code, answer.json()["detail"]) == (404, sentence)
    refused = owner.api("post", "generation-upscale", {"model_name": "recraft", "generation_result_id": old.result_id})
    assert refused.json()["detail"][0]["type"] == "deleted"
    assert owner.balance == balance
    event = AuditEvent.objects.get(action="deleted_by_rule")
    assert event.about == "the files of 1 picture that ended more than 30 days ago"
    assert run_rule() == 0
    assert credits.verify().problems == [] and usage.verify() == []


def test_without_a_rule_nothing_goes(owner: Person, done: Callable[..., Upscale]) -> None:
    old = aged(done(), days=4000)
    assert run_rule() == 0
    assert not retention.is_due()
    assert len(stored_files(Upscale.objects.get(pk=old.pk))) == len(FIELDS)


def test_a_rule_of_one_team_leaves_the_others_alone(
    owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    aged(done())
    keep(outsider.team)
    assert run_rule() == 0


@pytest.mark.parametrize("use", ["order", "retry", "draft", "drafted_source", "review", "batch", "shop"])
def test_what_is_in_use_stays(
    use: str, owner: Person, done: Callable[..., Upscale], order_batch: Callable[..., Batch]
) -> None:
    old = done()
    keep(owner.team)
    if use == "order":
        form = UpscaleForm({"model_name": "recraft", "generation_result_id": old.result_id}, team=owner.team)
        assert form.is_valid() and form.order is not None
        submission.submit([form.order], team=owner.team, user=owner.user)
    elif use == "retry":
        form = UpscaleForm({"model_name": "recraft", "generation_result_id": old.result_id}, team=owner.team)
        assert form.is_valid() and form.order is not None
        [other] = submission.submit([form.order], team=owner.team, user=owner.user)
        Upscale.objects.filter(pk=other.pk).update(source_result=None, source="upload", retry_of=old)
    elif use in ("draft", "drafted_source"):
        draft = Batch.objects.create(team=owner.team, created_by=owner.user)
        named = {"result": old} if use == "draft" else {"file": old.source_file.name}
        DraftItem.objects.create(batch=draft, key="a", source="upload", **named)
    elif use == "review":
        Upscale.objects.filter(pk=old.pk).update(review="pending", pending_since=timezone.now())
    elif use == "batch":
        Upscale.objects.filter(pk=old.pk).update(batch=order_batch("a.jpg"))
    else:
        ChannelFile.objects.create(
            upscale=old, channel_id="etsy", title="Etsy", key="k", lease_until=timezone.now() + timedelta(minutes=5)
        )
    aged(old)
    assert (run_rule(), retention.is_due()) == (0, False)
    # Whatever it was, it ends.
    for other in Upscale.objects.open():
        worker_step.step(other.pk)
    DraftItem.objects.all().delete()
    ChannelFile.objects.all().delete()
    Batch.objects.update(ended_at=timezone.now())
    Upscale.objects.filter(pk=old.pk).update(review="none", pending_since=None)
    assert retention.is_due()
    assert retention.step() == 1


def test_a_file_that_a_younger_upscale_needs_stays_with_it(owner: Person, done: Callable[..., Upscale]) -> None:
    old = done()
    form = UpscaleForm({"model_name": "recraft", "generation_result_id": old.result_id}, team=owner.team)
    assert form.is_valid() and form.order is not None
    [further] = submission.submit([form.order], team=owner.team, user=owner.user)
    worker_step.step(further.pk)
    result = old.result_file.name
    aged(old)
    keep(owner.team)
    assert run_rule() == 1
    assert media_storage().exists(result)
    assert owner.client.get(f"/upscales/{further.pk}/source/").status_code == 200
    assert owner.client.get(f"/upscales/{old.pk}/result/").status_code == 410
    aged(further)
    assert run_rule() == 1
    assert not media_storage().exists(result)


def test_a_batch_keeps_its_row_and_its_counts(owner: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    for row in batch.upscales.all():
        worker_step.step(row.pk)
    first = batch.upscales.order_by("pk")[0]
    aged(first)
    keep(owner.team)
    assert run_rule() == 1
    page = owner.client.get(f"/batches/{batch.pk}/").content.decode()
    assert "Files deleted by the team’s rule" in page and "Download the 1 that is given out" in page
    assert owner.client.get(f"/batches/{batch.pk}/results.zip").status_code == 200
    told = owner.api("get", f"batches/{batch.pk}").json()
    assert told["counts"]["Done"] == 2


def test_what_the_check_said_stays_in_the_evidence(owner: Person, done: Callable[..., Upscale]) -> None:
    old = done(sku="S1")
    FidelityCheck.objects.update_or_create(
        upscale=old, defaults={"verdict": "look", "reasons": ["colour"], "checked_at": timezone.now(), "heat_map": ""}
    )
    digest = old.result_digest
    aged(old)
    keep(owner.team)
    assert run_rule() == 1
    [record] = evidence_of(owner, old)
    assert (record["verdict"], record["result_sha256"]) == ("look", digest)
    assert record["files_deleted_at"]


def test_a_person_deletes_what_the_rule_left(owner: Person, done: Callable[..., Upscale]) -> None:
    old = aged(done(name="secret.jpg"))
    keep(owner.team)
    run_rule()
    assert owner.api("delete", f"generation/{old.pk}").json() == {"generation_id": old.pk, "deleted": True}
    assert owner.client.get(f"/upscales/{old.pk}/").status_code == 410
    assert "secret.jpg" not in owner.client.get("/history/").content.decode()
    old.refresh_from_db()
    assert (old.source_name, old.deleted_by_rule) == ("", False)


def test_an_admin_is_shown_what_goes_before_it_goes(head: Person, owner: Person, done: Callable[..., Upscale]) -> None:
    aged(done())
    asked = head.client.post("/team/keeping/", {"keep_days": "30"}).content.decode()
    assert "1 picture ended longer ago" in asked
    head.team.refresh_from_db()
    assert head.team.keep_days is None
    head.client.post("/team/keeping/", {"keep_days": "30", "confirmed": "1"})
    head.team.refresh_from_db()
    assert head.team.keep_days == 30
    assert AuditEvent.objects.get(action="keeping_changed").about == "to 30 days"
    assert "1 picture is over age now" in head.client.get("/team/").content.decode()
    head.client.post("/team/keeping/", {"keep_days": ""})
    head.team.refresh_from_db()
    assert head.team.keep_days is None
    assert owner.client.post("/team/keeping/", {"keep_days": "30"}).status_code == 403


@pytest.mark.parametrize("typed", ["0", "6", "3651", "x", "-8", "7.5", "1e9", "٣٠", "9" * 30])
def test_an_odd_number_of_days_is_refused(typed: str, head: Person) -> None:
    answer = head.client.post("/team/keeping/", {"keep_days": typed, "confirmed": "1"}, follow=True)
    assert "type 7 to 3,650 days" in answer.content.decode()
    head.team.refresh_from_db()
    assert head.team.keep_days is None


def test_long_histories_go_slice_by_slice(
    owner: Person, done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        aged(done())
    keep(owner.team)
    monkeypatch.setattr(retention, "SLICE", 2)
    assert [retention.step(), retention.step(), retention.step()] == [2, 1, 0]
    wake_retention()


@pytest.mark.parametrize(
    "end", [{"review": "rejected"}, {"withdrawn_at": timezone.now()}], ids=["rejected", "withdrawn"]
)
def test_what_is_never_put_back_into_a_watched_folder_is_not_kept_for_it(
    owner: Person, done: Callable[..., Upscale], end: dict[str, Any]
) -> None:
    upscale = aged(done())
    folder = WatchedFolder.objects.create(team=owner.team)
    file = WatchedFile.objects.create(folder=folder, upscale=upscale, size=1)
    WatchedResult.objects.create(folder=folder, file=file)
    assert retention.count_over_age(owner.team, 30) == 0, "it is still to be put back"
    Upscale.objects.filter(pk=upscale.pk).update(**end)
    assert retention.count_over_age(owner.team, 30) == 1


def test_a_decision_that_is_taken_back_meanwhile_keeps_the_files(
    owner: Person, done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = aged(done())
    keep(owner.team)
    update = UpscaleQuerySet.update

    def take_back_first(rows: UpscaleQuerySet, **values: Any) -> int:
        if values.get("deleted_by_rule"):
            update(Upscale.objects.filter(pk=upscale.pk), review="pending", pending_since=timezone.now())
        return update(rows, **values)

    monkeypatch.setattr(UpscaleQuerySet, "update", take_back_first)
    assert retention.step() == 0
    upscale.refresh_from_db()
    assert (upscale.deleted_at, upscale.deleted_by_rule) == (None, False)
    assert not AuditEvent.objects.filter(action=AuditEvent.Action.DELETED_BY_RULE).exists()
