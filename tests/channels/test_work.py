"""Channel files of batches: never lost, tried again, given up with a reason, and made anew where the rules change."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.processing.test_killed_workers import trap
from tests.support.vendor import killed
from upscaler.channels import due, files, table, teams, work
from upscaler.channels.table import CHANNELS
from upscaler.models import Batch, ChannelFile, TeamChannel, Upscale, media_storage
from upscaler.processing import worker_step
from upscaler.processing.manual_refunds import refund_by_hand
from upscaler.queue import supervisor, sweep, tasks

OrderBatch = Callable[..., Batch]
ETSY = CHANNELS["etsy"]


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def enlarge(batch: Batch) -> None:
    for row in Upscale.objects.filter(batch=batch):
        worker_step.step(row.pk)


@pytest.fixture
def batch(order_batch: OrderBatch) -> Batch:
    """With two results."""
    made = order_batch("front.jpg", "back.jpg")
    enlarge(made)
    return made


def messages() -> list[int]:
    rows = DBTaskResult.objects.ready().filter(task_path=tasks.fit_files.module_path)
    return [row.args_kwargs["args"][0] for row in rows]


def swept(after: timedelta) -> int:
    """What workers make who are woken by a sweep so much later, and nobody else."""
    DBTaskResult.objects.all().delete()
    made = 0
    with time_machine.travel(timezone.now() + after, tick=False):
        sweep.sweep()
        for batch_id in messages():
            made += work.make_due(batch_id, most=5)
        DBTaskResult.objects.all().delete()
    return made


def page(person: Person, batch: Batch) -> str:
    return text(person.client.get(f"/batches/{batch.pk}/"))


def zipped(person: Person, batch: Batch) -> dict[str, bytes]:
    content = b"".join(person.client.get(f"/batches/{batch.pk}/results.zip").streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_lost_message_is_sent_again(owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("upscaler.queue.dispatch.fit_files", Mock(side_effect=ConnectionError))
        answer = owner.client.post(f"/batches/{batch.pk}/channels/", {"channel": "etsy"}, follow=True)
    assert answer.status_code == 200 and "Files for Etsy are being made" in text(answer)
    assert "<b>Etsy</b> 0 of 2 right, 2 being made." in page(owner, batch)
    assert swept(timedelta(0)) == 0, "a message that was just sent has time"
    assert swept(due.GRACE) == 2
    assert "<b>Etsy</b> 2 of 2 right." in page(owner, batch)
    batch.refresh_from_db()
    assert batch.fit_due_at is None
    assert swept(timedelta(days=1)) == 0


def test_nobody_waits_for_the_file_of_a_result_whose_price_went_back(owner: Person, batch: Batch) -> None:
    files.choose(batch, ETSY)
    first = batch.upscales.order_by("pk")[0]
    refund_by_hand(first, note="Blurred.", by=owner.user)
    work.make_due(batch.pk, most=5)
    shown = page(owner, batch)
    assert "<b>Etsy</b> 1 of 1 right." in shown and "data-batch-open" not in shown


def test_the_zip_names_what_no_worker_has_begun(owner: Person, batch: Batch) -> None:
    files.choose(batch, ETSY)
    front, _ = batch.upscales.order_by("pk")
    files.make(front, ETSY)
    said = zipped(owner, batch)["files for shops that are missing.txt"].decode()
    assert said.splitlines()[2:] == ["Etsy: back.jpg: It is being made."]


def test_a_result_that_comes_later_gets_its_file_whatever_becomes_of_the_message(
    owner: Person, order_batch: OrderBatch
) -> None:
    batch = order_batch("front.jpg")
    files.choose(batch, ETSY)
    tasks.fit_files.func(batch.pk)
    tasks.work.func("cpu")
    assert messages() == [batch.pk]
    assert swept(due.AGAIN) == 1
    assert ChannelFile.objects.get().channel_id == "etsy"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("when", "where"),
    [
        ("after", "upscaler.channels.work._claim"),
        ("before", "upscaler.channels.files._kept"),
        ("after", "upscaler.storage.folder.FolderStorage.save"),
        ("after", "upscaler.channels.files._kept"),
    ],
)
def test_a_killed_worker_s_file_is_made_by_the_next(
    when: str, where: str, owner: Person, order_batch: OrderBatch
) -> None:
    batch = order_batch("front.jpg")
    enlarge(batch)
    balance = owner.balance
    files.choose(batch, ETSY)
    assert killed(lambda: work.make_due(batch.pk, most=5), arm=trap(when, where)), "the trap was not reached"
    for _ in range(2):
        swept(due.AGAIN + work.LEASE)
    made = ChannelFile.objects.get()
    assert media_storage().exists(made.file)
    assert (made.problems, made.attempts, made.lease_until, owner.balance) == ([], 0, None, balance)
    batch.refresh_from_db()
    assert batch.fit_due_at is None


@pytest.mark.django_db(transaction=True)
def test_what_kills_every_worker_is_given_up_and_can_be_tried_again(owner: Person, batch: Batch) -> None:
    files.choose(batch, ETSY)
    for number in range(work.MAX_ATTEMPTS):
        with time_machine.travel(timezone.now() + number * 2 * work.LEASE):
            deadly = trap("before", "upscaler.imaging.intake.convert")
            assert killed(lambda: work.make_due(batch.pk, most=1), arm=deadly)
    assert swept(timedelta(hours=2)) == 2
    refused, made = sorted(ChannelFile.objects.all(), key=lambda one: bool(one.file))
    assert "could not make this file in 3 attempts" in refused.problems[0]
    assert made.file
    assert "1 of 2 right, 1 could not be made." in page(owner, batch)
    assert "could not make this file in 3 attempts" in text(owner.client.get(f"/upscales/{refused.upscale_id}/"))
    assert swept(timedelta(days=1)) == 0
    owner.client.post(f"/batches/{batch.pk}/channels/", {"channel": "etsy"})
    assert swept(due.AGAIN) == 1
    assert "2 of 2 right." in page(owner, batch)


def test_a_failure_in_passing_is_tried_again_after_growing_pauses(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files.choose(batch, ETSY)
    with monkeypatch.context() as patch:
        patch.setattr("upscaler.imaging.intake.convert", Mock(side_effect=OSError("the storage is away")))
        assert work.make_due(batch.pk, most=5) == 2
        assert work.make_due(batch.pk, most=5) == 0, "not at once"
        assert swept(due.AGAIN) == 2
    assert not ChannelFile.objects.exclude(file="").exists()
    assert swept(timedelta(hours=1)) == 2
    assert ChannelFile.objects.exclude(file="").filter(attempts=0).count() == 2


def test_what_can_not_be_made_is_said_and_not_tried_for_ever(
    owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_PIXELS", 10)
    files.choose(batch, ETSY)
    assert work.make_due(batch.pk, most=5) == 2
    assert work.make_due(batch.pk, most=5) == 0
    assert "2 could not be made" in page(owner, batch)
    monkeypatch.undo()
    files.choose(batch, ETSY)
    assert work.make_due(batch.pk, most=5) == 2
    assert ChannelFile.objects.exclude(file="").count() == 2


def test_two_workers_make_no_file_twice(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    files.choose(batch, ETSY)
    make, asked = files.make, []

    def meanwhile(upscale: Upscale, *args: Any, **wishes: Any) -> ChannelFile:
        asked.append(upscale.pk)
        if len(asked) == 1:
            assert work.make_due(batch.pk, most=5) == 1, "the other one's file is the first one's"
        return make(upscale, *args, **wishes)

    monkeypatch.setattr(files, "make", meanwhile)
    assert work.make_due(batch.pk, most=5) == 1
    assert sorted(asked) == sorted(Upscale.objects.filter(batch=batch).values_list("pk", flat=True))
    assert swept(due.AGAIN) == 0


def change(person: Person, channel_id: str, **fields: Any) -> Any:
    """The channel's form as a browser shows it, with other values in some fields."""
    form = person.client.get(f"/channels/{channel_id}/").context["form"]
    shown = {bound.name: bound.value() for bound in form}
    given = {name: value for name, value in {**shown, **fields}.items() if value not in (None, False, "")}
    return person.client.post(f"/channels/{channel_id}/", {"do": "save", **given}, follow=True)


def test_a_file_by_old_rules_is_given_to_nobody_and_made_anew(head: Person, owner: Person, batch: Batch) -> None:
    ours = teams.copy(owner.team, "etsy", "Ours")
    files.choose(batch, ours)
    work.make_due(batch.pk, most=5)
    first = {one.pk: one.file for one in ChannelFile.objects.all()}
    front, back = Upscale.objects.filter(batch=batch).order_by("pk")
    files.make(back, ours, trim=True)
    assert {"for ours/front_1.jpg", "for ours/back_1.jpg"} <= set(zipped(owner, batch))

    assert "made anew" not in text(change(head, ours.id, notes="Only a note.", name_rule="{sku}-{number}"))
    assert "2 of 2 right." in page(owner, batch)

    assert "made anew" in text(change(head, ours.id, formats=["PNG"]))
    assert "0 of 2 right, 2 being made." in page(owner, batch)
    inside = zipped(owner, batch)
    assert not [name for name in inside if name.startswith("for ours/")]
    assert b"Ours: front.jpg: The channel's rules have changed" in inside["files for shops that are missing.txt"]
    shown = text(owner.client.get(f"/upscales/{front.pk}/"))
    assert "out of date: the channel’s rules have changed since" in shown
    one = ChannelFile.objects.get(upscale=front)
    answer = owner.client.get(f"/channel-files/{one.pk}/", follow=True)
    assert "have changed since this file was made" in text(answer)

    assert swept(timedelta(0)) == 2
    assert not {one.file for one in ChannelFile.objects.all()} & set(first.values())
    assert set(ChannelFile.objects.values_list("format", flat=True)) == {"PNG"}
    assert ChannelFile.objects.get(upscale=back).trim, "the wishes stay"
    assert "2 of 2 right." in page(owner, batch)
    inside = zipped(owner, batch)
    assert {"for ours/front-1.png", "for ours/back-1.png"} <= set(inside)
    assert "files for shops that are missing.txt" not in inside


def test_what_somebody_wishes_meanwhile_is_not_undone_by_a_worker(
    owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.choose(batch, ETSY)
    kept = files._kept

    def late(upscale: Upscale, *args: Any) -> ChannelFile:
        monkeypatch.setattr(files, "_kept", kept)
        owner.client.post(f"/upscales/{upscale.pk}/channels/", {"channel": "etsy", "trim": "true"})
        return kept(upscale, *args)

    monkeypatch.setattr(files, "_kept", late)
    assert work.make_due(batch.pk, most=1) == 1
    made = ChannelFile.objects.get()
    assert made.trim and made.lease_until is None and media_storage().exists(made.file)


def test_a_storage_that_takes_no_file_is_told(owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upscaler.storage.folder.FolderStorage.save", Mock(side_effect=OSError))
    upscale = batch.upscales.order_by("pk")[0]
    answer = owner.client.post(f"/upscales/{upscale.pk}/channels/", {"channel": "etsy"}, follow=True)
    assert "could not be stored. Try again" in text(answer)


def test_the_table_s_change_and_an_older_desk_s_leavings_are_found(
    owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "lost channel files" in {chore.name for chore in supervisor._chores()}
    files.choose(batch, ETSY)
    work.make_due(batch.pk, most=5)
    assert work.find_lost() == 0
    monkeypatch.setitem(table.CHANNELS, "etsy", dataclasses.replace(ETSY, dpi=300))
    assert work.find_lost(timezone.now() + due.RECENT + timedelta(days=1)) == 0, "of long ago only when asked"
    assert work.find_lost() == 1
    assert swept(timedelta(0)) == 2
    # As a worker leaves it that died before the rules were changed back.
    ChannelFile.objects.update(attempts=1, lease_until=timezone.now())
    kept = set(ChannelFile.objects.values_list("file", flat=True))
    assert work.find_lost() == 1 and swept(timedelta(0)) == 2
    assert set(ChannelFile.objects.filter(lease_until=None, attempts=0).values_list("file", flat=True)) == kept
    # As a desk leaves it that knows of no rules.
    ChannelFile.objects.update(rules=None)
    assert work.find_lost() == 1


def test_a_channel_that_is_switched_off_or_deleted_keeps_nobody_waiting(
    head: Person, owner: Person, batch: Batch
) -> None:
    ours = teams.copy(owner.team, "etsy", "Ours")
    files.choose(batch, ours)
    head.client.post(f"/channels/{ours.id}/switch/", {"to": "off"})
    assert work.make_due(batch.pk, most=5) == 0
    assert "Your team does not use this channel any more" in page(owner, batch)
    head.client.post(f"/channels/{ours.id}/switch/", {"to": "on"})
    assert swept(timedelta(0)) == 2
    teams.delete(owner.team, ours.id)
    assert "Your team does not use this channel any more" in page(owner, batch)
    assert "files for shops that are missing.txt" in zipped(owner, batch)


def test_rows_of_another_version_are_no_error_of_a_page(owner: Person, batch: Batch) -> None:
    row = table.to_row(dataclasses.replace(ETSY, id="ours", title="Ours"))
    TeamChannel.objects.create(team=owner.team, channel_id="ours", row={**row, "of_tomorrow": True})
    for number, broken in enumerate(({"read_on": "today"}, {"formats": []}, {"ratio": [1]}, {"min_width": "9"})):
        TeamChannel.objects.create(team=owner.team, channel_id=f"bad-{number}", row=row | broken)
    TeamChannel.objects.create(team=owner.team, channel_id="worse", row=["no", "row"])
    answer = owner.client.get("/channels/")
    assert answer.status_code == 200 and "Ours" in text(answer)
    assert [one.channel.id for one in teams.listed(owner.team) if one.is_own] == ["ours"]
    for address in (f"/batches/{batch.pk}/", f"/upscales/{Upscale.objects.first().pk}/", "/channels/check/"):
        assert owner.client.get(address).status_code == 200
