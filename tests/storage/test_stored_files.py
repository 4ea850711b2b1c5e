"""What counts for a team is what lies in the storage for it, to the byte, whatever happens to its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person, move_end
from tests.support import feed_pages
from tests.support.concurrency import at_once
from tests.support.draft_page import DraftPage
from upscaler.engines.base import EngineError
from upscaler.engines.local.engine import LocalEngine
from upscaler.feeds import records
from upscaler.models import (
    ChannelFile,
    FeedCheck,
    FidelityCheck,
    Membership,
    StoredFile,
    Team,
    TeamStorage,
    Upscale,
    media_storage,
)
from upscaler.ordering import removal, retention, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import fidelity_checks, lifecycle, worker_step
from upscaler.queue import dispatch, tasks
from upscaler.storage import cleanup, old_files, stored_files, team_room, verification

Done = Callable[..., Upscale]
Exact = Callable[[Person], int]


def on_disk() -> dict[str, int]:
    root = Path(settings.MEDIA_ROOT)
    folders = [root / folder for folder in stored_files.KINDS]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.stat().st_size for path in found}


@pytest.fixture
def exact(db: None) -> Iterator[Exact]:
    """Prove that a team, the only one at work, is counted what has come into the storage. Gives its bytes."""
    before = on_disk()

    def prove(person: Person) -> int:
        new = {path: size for path, size in on_disk().items() if path not in before}
        noted = dict(StoredFile.objects.filter(team=person.team).values_list("path", "file_size"))
        assert noted == new
        kept = TeamStorage.objects.filter(team=person.team).first()
        kinds = dict.fromkeys(TeamStorage.KINDS, 0)
        for path, size in new.items():
            kinds[stored_files.kind_of(path)] += size
        assert {kind: getattr(kept, kind, 0) for kind in kinds} == kinds
        assert verification.verify(Team.objects.all(), with_storage=True) == []
        return sum(kinds.values())

    yield prove


def delete(person: Person, *upscales: Upscale) -> None:
    membership = Membership.objects.get(user=person.user, team=person.team)
    removal.delete([upscale.pk for upscale in upscales], membership=membership)
    cleanup.remove_deleted()


def further(person: Person, upscale: Upscale) -> Upscale:
    form = UpscaleForm({"model_name": "recraft", "generation_result_id": upscale.result_id}, team=person.team)
    assert form.is_valid() and form.order is not None, form.errors
    return submission.submit([form.order], team=person.team, user=person.user)[0]


def test_an_order_counts_its_original_and_its_end_the_result(
    owner: Person, order: Callable[..., Upscale], exact: Exact
) -> None:
    assert exact(owner) == 0
    upscale = order()
    ordered = exact(owner)
    assert ordered > (upscale.source_bytes or 0) > 0
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert exact(owner) > ordered + (upscale.result_bytes or 0)
    kept = TeamStorage.objects.get(team=owner.team)
    assert (kept.sources, kept.results) == (upscale.source_bytes, upscale.result_bytes)


def test_a_failure_and_a_try_again_count_the_original_once(
    owner: Person, order: Callable[..., Upscale], exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    ordered = exact(owner)
    with monkeypatch.context() as patch:

        def broken(*args: Any, **options: Any) -> None:
            raise EngineError("This picture can’t be enlarged.", code="broken", permanent=True)

        patch.setattr(LocalEngine, "advance", broken)
        worker_step.step(upscale.pk)
    assert Upscale.objects.get(pk=upscale.pk).status == Upscale.Status.ERROR
    assert exact(owner) == ordered
    owner.client.post(f"/upscales/{upscale.pk}/retry/")
    again = Upscale.objects.get(retry_of=upscale)
    assert exact(owner) == ordered
    worker_step.step(again.pk)
    done = exact(owner)
    delete(owner, upscale)
    assert exact(owner) == done, "the other one uses the original still"
    delete(owner, again)
    assert exact(owner) == 0


def test_a_worker_that_was_overtaken_leaves_no_byte(
    owner: Person, order: Callable[..., Upscale], exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    ordered = exact(owner)

    def lost(*args: Any, **options: Any) -> None:
        raise lifecycle.ClaimLost(upscale.pk)

    monkeypatch.setattr(lifecycle, "finish", lost)
    worker_step.step(upscale.pk)
    assert exact(owner) == ordered


def test_a_result_that_is_the_source_of_another_counts_once(owner: Person, done: Done, exact: Exact) -> None:
    first = done()
    one = exact(owner)
    second = further(owner, first)
    assert exact(owner) == one
    worker_step.step(second.pk)
    both = exact(owner)
    Upscale.objects.filter(pk=first.pk).update(withdrawn_at=timezone.now())
    delete(owner, first)
    left = exact(owner)
    assert 0 < left < both
    assert StoredFile.objects.filter(path=first.result_file.name).exists(), "the second needs it"
    delete(owner, second)
    assert exact(owner) == 0


def test_a_team_s_rule_takes_off_what_it_deletes(owner: Person, done: Done, exact: Exact) -> None:
    old = done()
    before = exact(owner)
    done()
    move_end(old, timezone.now() - timedelta(days=40))
    both = exact(owner)
    Team.objects.filter(pk=owner.team.pk).update(keep_days=30)
    assert retention.step() == 1
    cleanup.remove_deleted()
    assert exact(owner) == both - before


def test_a_shop_s_file_counts_until_it_is_made_anew_or_deleted(
    owner: Person, done: Done, exact: Exact, django_capture_on_commit_callbacks: Any
) -> None:
    upscale = done()
    plain = exact(owner)
    owner.client.post(f"/upscales/{upscale.pk}/channels/", {"channel": "etsy"})
    made = ChannelFile.objects.get()
    assert exact(owner) == plain + made.file_size
    ChannelFile.objects.update(key="of other rules")
    with django_capture_on_commit_callbacks(execute=True):
        owner.client.post(f"/upscales/{upscale.pk}/channels/", {"channel": "etsy"})
    anew = ChannelFile.objects.get()
    assert anew.file != made.file
    assert exact(owner) == plain + anew.file_size
    assert TeamStorage.objects.get(team=owner.team).channels == anew.file_size
    delete(owner, upscale)
    assert exact(owner) == 0


def test_a_heat_map_counts(owner: Person, done: Done, exact: Exact, monkeypatch: pytest.MonkeyPatch) -> None:
    upscale = done()
    plain = exact(owner)

    def doubtful(source: Path, result: Path, *, heat_map: Path) -> Any:
        heat_map.write_bytes(b"a heat map")
        return SimpleNamespace(verdict="look", reasons=("colour",), words="look: colour", as_json=dict)

    monkeypatch.setattr(fidelity_checks.fidelity, "check", doubtful)
    FidelityCheck.objects.filter(upscale=upscale).delete()
    fidelity_checks.request(upscale)
    assert fidelity_checks.step(may_wait=False)
    assert exact(owner) == plain + len(b"a heat map")
    delete(owner, upscale)
    assert exact(owner) == 0


def test_a_draft_s_files_count_until_it_goes_and_are_not_counted_anew_when_ordered(
    owner: Person, upload: Callable[..., Any], exact: Exact
) -> None:
    page = DraftPage(owner)
    page.item(upload("a.jpg"))
    one = exact(owner)
    item = page.item(upload("b.jpg"))
    assert exact(owner) > one > 0
    page.post("remove/", id=item["id"])
    assert exact(owner) == one
    assert page.order().status_code == 200
    assert exact(owner) == one


def test_an_upload_that_nobody_orders_counts_until_it_is_removed(
    owner: Person, upload: Callable[..., Any], exact: Exact
) -> None:
    owner.client.post("/api/v1/uploads", {"file": upload()}, headers={"Authorization": f"Bearer {owner.token}"})
    assert exact(owner) > 0
    cleanup.remove_orphans(timezone.now() + cleanup.KEPT_FOR + timedelta(minutes=1))
    assert not StoredFile.objects.exists()
    assert TeamStorage.objects.get(team=owner.team).total == 0


def test_a_feed_s_file_counts_once_for_all_its_checks(owner: Person, exact: Exact) -> None:
    check = feed_pages.worked(feed_pages.begun(owner))
    one = exact(owner)
    assert one == check.file_size > 0
    owner.client.post(f"/feeds/{check.feed_id}/check/")
    feed_pages.worked(FeedCheck.objects.latest("pk"))
    assert exact(owner) == one
    owner.client.post(f"/feeds/{check.feed_id}/remove/")
    records.forget_removed()
    assert exact(owner) == 0


def test_a_file_that_the_storage_does_not_let_go_of_counts_no_more_and_goes_later(
    owner: Person, done: Done, exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = done()
    with monkeypatch.context() as patch:

        def away(name: str) -> None:
            raise OSError("the storage is away")

        patch.setattr(media_storage(), "delete", away)
        delete(owner, upscale)
        assert TeamStorage.objects.get(team=owner.team).total == 0
        upscale.refresh_from_db()
        assert upscale.source_file and upscale.result_file, "it is tried again"
    cleanup.remove_deleted()
    assert exact(owner) == 0


def test_a_deleted_team_leaves_no_row_and_the_others_theirs(owner: Person, outsider: Person, done: Done) -> None:
    done()
    stored_files.note(outsider.team.pk, {"sources/2026/01/theirs.jpg": 7})
    call_command("delete_team", "atelier", "--confirm", stdout=StringIO())
    assert list(StoredFile.objects.values_list("path", flat=True)) == ["sources/2026/01/theirs.jpg"]
    assert TeamStorage.objects.get().total == 7


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_count_every_byte(owner: Person) -> None:
    names = iter([f"results/2026/01/{number}.jpg" for number in range(8)])
    at_once(8, lambda: stored_files.note(owner.team.pk, {next(names): 100}))
    assert TeamStorage.objects.get(team=owner.team).results == 800
    shared = "results/2026/01/0.jpg"
    at_once(8, lambda: stored_files.forget([shared]))
    assert TeamStorage.objects.get(team=owner.team).results == 700, "of several that delete a file one takes it off"


def forget_all() -> None:
    """As it was before the desk counted."""
    StoredFile.objects.all().delete()
    TeamStorage.objects.all().delete()


def test_files_from_before_are_counted_in_slices(
    owner: Person,
    outsider: Person,
    done: Done,
    exact: Exact,
    upload: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(old_files, "SLICE", 1)
    first = done()
    second = further(owner, first)
    done()
    owner.client.post(f"/upscales/{first.pk}/channels/", {"channel": "etsy"})
    DraftPage(owner).item(upload())
    feed_pages.worked(feed_pages.begun(owner))
    right = exact(owner)
    forget_all()
    assert not team_room.of_team(Team.objects.get(pk=owner.team.pk)).is_counted
    assert verification.verify(Team.objects.filter(pk=owner.team.pk))
    worker_step.step(second.pk)
    assert old_files.step()
    tasks.count_old_files.call()
    while old_files.step():
        pass
    assert team_room.of_team(Team.objects.get(pk=owner.team.pk)).is_counted
    assert exact(owner) > right, "with what was done meanwhile, once"
    assert not old_files.step()


def test_a_draft_from_before_that_is_ordered_while_it_is_being_counted_counts(
    owner: Person, upload: Callable[..., Any], exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its picture is an upscale's by then, and no later slice would look at that."""
    page = DraftPage(owner)
    page.item(upload())
    right = exact(owner)
    forget_all()
    asked = old_files.uncounted_files

    def ordered_meanwhile(paths: Any) -> dict[str, int]:
        sizes = asked(paths)
        if sizes and not Upscale.objects.exists():
            assert page.order().status_code == 200
        return sizes

    monkeypatch.setattr(old_files, "uncounted_files", ordered_meanwhile)
    while old_files.step():
        pass
    assert Upscale.objects.exists()
    assert exact(owner) == right


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one lock, and no rows of its own to lock")
@pytest.mark.django_db(transaction=True)
def test_counting_waits_for_no_worker_that_waits_for_the_team(owner: Person, done: Done) -> None:
    """Of two that wait for each other PostgreSQL would throw one out: the worker with what it has made, maybe."""
    upscale = done()
    forget_all()

    def count() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 1000")
        return old_files.count_slice(owner.team.pk)

    with transaction.atomic():
        Upscale.objects.filter(pk=upscale.pk).update(progress=1.0)
        FidelityCheck.objects.filter(upscale=upscale).update(attempts=1)
        at_once(1, count)
    assert StoredFile.objects.filter(path=upscale.source_file.name).exists()


def test_a_team_whose_files_can_not_be_asked_for_holds_up_no_other(
    owner: Person, outsider: Person, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    done()
    forget_all()
    asked = old_files.count_slice

    def broken(team_id: int) -> bool:
        if team_id == owner.team.pk:
            raise PermissionError("not mine")
        return asked(team_id)

    monkeypatch.setattr(old_files, "count_slice", broken)
    while old_files.step():
        pass
    assert list(old_files.uncounted()) == [owner.team]


def test_counting_begins_whatever_else_the_workers_are_told(owner: Person) -> None:
    DBTaskResult.objects.all().delete()
    dispatch.removed_feeds()
    for _ in range(2):
        tasks.wake_counting()
    counting = DBTaskResult.objects.ready().filter(task_path=tasks.count_old_files.module_path)
    assert counting.count() == 1


def test_files_of_deleted_pictures_from_before_are_not_counted(owner: Person, done: Done, exact: Exact) -> None:
    upscale = done()
    forget_all()
    membership = Membership.objects.get(user=owner.user)
    removal.delete([upscale.pk], membership=membership)
    while old_files.step():
        pass
    assert TeamStorage.objects.get(team=owner.team).total == 0
    cleanup.remove_deleted()
    assert exact(owner) == 0


def test_the_command_finds_and_mends_what_is_wrong(owner: Person, done: Done, exact: Exact) -> None:
    upscale = done()
    right = exact(owner)
    TeamStorage.objects.update(results=5)
    StoredFile.objects.filter(path=upscale.source_file.name).delete()
    StoredFile.objects.create(team=owner.team, path="previews/2026/01/gone.webp", file_size=9)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("rebuild_storage", "--check", "--with-storage", stdout=out)
    assert "Team atelier, results: 5 bytes, its files have" in out.getvalue()
    assert f"{upscale.source_file.name} is not counted." in out.getvalue()
    assert "previews/2026/01/gone.webp is counted and not there." in out.getvalue()
    call_command("rebuild_storage", "--with-storage", stdout=out)
    assert f"atelier: {right:,} bytes counted" in out.getvalue()
    assert exact(owner) == right
    call_command("rebuild_storage", "--check", stdout=out)
    assert "OK: the sums are right" in out.getvalue()
