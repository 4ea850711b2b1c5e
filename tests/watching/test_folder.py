"""A folder on a real disk: what is dropped into it is ordered once, and its results come back beside it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures
from tests.watching.conftest import Watched, result_of
from upscaler import credits
from upscaler.channels import work as channel_work
from upscaler.imaging import intake
from upscaler.models import (
    AuditEvent,
    Batch,
    Membership,
    Team,
    UnorderedUpload,
    Upscale,
    WatchedFile,
    WatchedFolder,
    WatchedResult,
)
from upscaler.processing import lifecycle
from upscaler.storage import stored_files


def test_what_is_dropped_is_ordered_as_one_batch_and_comes_back_once(watched: Watched) -> None:
    watched.begin(template="{sku}_{n}", sku_pattern="{sku}_*")
    watched.drop("4711_front.jpg")
    watched.drop("shoes/4712_side.jpg")
    watched.drop(".hidden.jpg")
    watched.drop("4713.jpg.part")
    watched.look(2)
    batch = Batch.objects.get()
    assert (batch.total, batch.name[:6], batch.watched_folder_id) == (2, "Studio", WatchedFolder.objects.get().pk)
    assert sorted(Upscale.objects.values_list("sku", "source_name", "source_folder", "created_by__username")) == [
        ("4711", "4711_front.jpg", "", "head"),
        ("4712", "4712_side.jpg", "shoes", "head"),
    ]
    assert watched.head.balance == 98
    assert watched.put() == {} if (watched.incoming / "done").exists() else True
    watched.enlarge()
    watched.look()
    by_sku = {upscale.sku: result_of(upscale) for upscale in Upscale.objects.all()}
    expected = {"4711_1.jpg": by_sku["4711"], "shoes/4712_2.jpg": by_sku["4712"]}
    assert watched.put() == expected
    # Its results are no new pictures, and nothing is done twice.
    watched.look(3)
    assert watched.put() == expected
    assert Upscale.objects.count() == 2
    assert (watched.incoming / "4711_front.jpg").exists()
    page = watched.head.client.get(f"/watched-folders/{WatchedFolder.objects.get().pk}/?show=back").content.decode()
    assert "4711_front.jpg" in page and "Put back" in page and "shoes/4712_2.jpg" in page
    assert "the watched folder “Studio”" in watched.head.client.get(f"/batches/{batch.pk}/").content.decode()


def test_a_file_that_is_still_written_is_left_until_it_stays_the_same(watched: Watched) -> None:
    watched.begin()
    whole = pictures.jpeg()
    watched.drop("slow.jpg", whole[:1000])
    watched.look()
    (watched.incoming / "slow.jpg").write_bytes(whole)
    watched.look()
    assert not Batch.objects.filter(ordered_at__isnull=False).exists()
    watched.look()
    assert Upscale.objects.get().source_bytes == len(whole)
    assert WatchedFile.objects.count() == 1


def test_a_new_version_under_the_same_name_is_ordered_anew_and_overwrites_nothing(watched: Watched) -> None:
    watched.begin()
    watched.drop("a.jpg")
    (watched.incoming / "done").mkdir()
    (watched.incoming / "done" / "a.jpg").write_bytes(b"somebody's own")
    watched.look(2)
    watched.enlarge()
    watched.look()
    watched.drop("a.jpg")
    watched.look(2)
    watched.enlarge()
    watched.look()
    first, second = Upscale.objects.order_by("pk")
    assert watched.put() == {
        "a.jpg": b"somebody's own",
        "a (2).jpg": result_of(first),
        "a (3).jpg": result_of(second),
    }


def test_the_same_bytes_are_paid_for_once_and_come_back_for_each_file(watched: Watched) -> None:
    watched.begin()
    content = watched.drop("a.jpg")
    watched.drop("b.jpg", content)
    watched.look(2)
    watched.drop("c.jpg", content)
    watched.look(2)
    watched.enlarge()
    watched.look()
    upscale = Upscale.objects.get()
    assert watched.put() == dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), result_of(upscale))
    assert watched.head.balance == 99
    # Touched, and the same: there is nothing to do.
    later = timezone.now().timestamp() + 60
    os.utime(watched.incoming / "a.jpg", (later, later))
    watched.look(3)
    assert set(watched.put()) == {"a.jpg", "b.jpg", "c.jpg"}


def test_a_copy_for_another_product_is_called_by_its_own_sku_in_every_shop(watched: Watched) -> None:
    watched.begin(sku_pattern="{sku}_*", channels=["etsy"])
    content = watched.drop("4711_front.jpg")
    watched.drop("4712_front.jpg", content)
    watched.look(2)
    watched.enlarge()
    channel_work.make_due(Batch.objects.get().pk, most=5)
    watched.look()
    assert set(watched.put()) == {
        "4711_front.jpg", "4712_front.jpg", "for etsy/4711_1.jpg", "for etsy/4712_1.jpg",
    }  # fmt: skip


def test_what_is_no_picture_is_named_with_the_reason_and_stops_nothing(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("notes.txt", b"buy milk")
    watched.drop("empty.jpg", b"")
    watched.drop("good.jpg")
    with override_settings(MAX_UPLOAD_BYTES=50_000):
        watched.drop("large.jpg", pictures.jpeg() + bytes(60_000))
        watched.look(2)
    assert watched.states() == {
        "notes.txt": "refused", "empty.jpg": "refused", "large.jpg": "refused", "good.jpg": "ordered",
    }  # fmt: skip
    page = watched.head.client.get(f"/watched-folders/{folder.pk}/?show=problems").content.decode()
    assert "good.jpg" not in page and "notes.txt" in page and "the limit is" in page
    watched.look(2)
    assert WatchedFile.objects.count() == 4


def test_a_file_that_can_t_be_read_is_named_and_holds_up_no_other(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = watched.begin()
    for name in ("a-locked.jpg", "b-good.jpg"):
        watched.drop(name)
    opened = os.open

    def refusing(path: str, *args: int, **options: int) -> int:
        if path == "a-locked.jpg":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        watched.look(2)
        assert watched.states()["b-good.jpg"] == "ordered"
        assert "a-locked.jpg" in WatchedFolder.objects.get(pk=folder.pk).problem
        watched.drop("c-later.jpg")
        watched.look(3)
        assert watched.states()["c-later.jpg"] == "ordered"
    watched.look(2)
    assert set(watched.states().values()) == {"ordered"}


def test_without_enough_credits_it_waits_with_a_message_and_goes_on_by_itself(watched: Watched) -> None:
    folder = watched.begin(model_name="topaz")
    credits.grant(team=watched.head.team, amount=-95, note="spent elsewhere")
    watched.drop("a.jpg")
    watched.drop("b.jpg")
    watched.look(3)
    folder.refresh_from_db()
    assert "2 pictures wait for credits" in folder.problem and "5 credits are left" in folder.problem
    assert folder.failures == 0
    assert "2 pictures wait for credits" in watched.head.client.get("/watched-folders/").content.decode()
    assert not Upscale.objects.exists()
    credits.grant(team=watched.head.team, amount=50, note="more")
    watched.drop("c.jpg")
    watched.look(2)
    folder.refresh_from_db()
    assert (folder.problem, Upscale.objects.count()) == ("", 3)
    assert Batch.objects.filter(ordered_at__isnull=False).count() == 2
    assert watched.put() == {} if (watched.incoming / "done").exists() else True


def test_a_day_s_limit_holds_and_the_rest_goes_on_tomorrow(watched: Watched) -> None:
    folder = watched.begin(daily_credits=2)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        watched.drop(name)
    watched.look(3)
    folder.refresh_from_db()
    assert "Today’s limit of 2 credits is reached" in folder.problem
    assert Upscale.objects.count() == 2
    assert watched.states() == {"a.jpg": "ordered", "b.jpg": "ordered", "c.jpg": "held"}
    Batch.objects.filter(ordered_at__isnull=False).update(ordered_at=timezone.now() - timedelta(days=1))
    watched.look()
    assert set(watched.states().values()) == {"ordered"}
    watched.enlarge()
    watched.look()
    assert set(watched.put()) == {"a.jpg", "b.jpg", "c.jpg"}


def test_what_failed_and_was_tried_again_comes_back_too(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    watched.look(2)
    claimed = lifecycle.claim(Upscale.objects.get().pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="The engine is away.", code="engine")
    watched.look()
    page = watched.head.client.get(f"/watched-folders/{folder.pk}/").content.decode()
    assert "The engine is away." in page and "Try the 1 failed again" in page
    watched.head.client.post(f"/watched-folders/{folder.pk}/retry/")
    watched.enlarge()
    watched.look()
    assert watched.put() == {"a.jpg": result_of(Upscale.objects.latest("pk"))}


def test_one_that_can_t_be_tried_again_holds_the_others_back_no_more(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    watched.drop("b.jpg")
    watched.look(2)
    for upscale in Upscale.objects.order_by("pk"):
        claimed = lifecycle.claim(upscale.pk)
        assert claimed is not None
        lifecycle.fail(claimed, message="The engine is away.", code="engine")
    watched.look()
    first, second = Upscale.objects.order_by("pk")
    Upscale.objects.filter(pk=first.pk).update(settings={"upscale_factor": "9x"})
    address = f"/watched-folders/{folder.pk}/retry/"
    page = watched.head.client.post(address, follow=True).content.decode()
    assert "1 picture is tried again." in page
    assert f"{first.source_name}: " in page
    assert [again.retry_of_id for again in Upscale.objects.filter(retry_of__isnull=False)] == [second.pk]


@pytest.mark.parametrize("fills", ["storage", "uploads"])
def test_a_picture_waits_where_others_take_the_last_room_while_it_is_looked_at(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, fills: str
) -> None:
    watched.begin()
    watched.drop("a.jpg")
    team = Team.objects.get(pk=watched.head.team.pk)
    examine = intake.examine_source

    def meanwhile(*given: Any, **options: Any) -> Any:
        if fills == "storage":
            Team.objects.filter(pk=team.pk).update(storage_quota_mb=1)
            stored_files.note(team.pk, {"results/2026/01/large.png": 1_000_000})
        else:
            UnorderedUpload.objects.create(team=team, path="sources/large.png", file_size=settings.UPLOAD_QUOTA_BYTES)
        return examine(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(intake, "examine_source", meanwhile)
        watched.look(2)
    assert not Upscale.objects.exists()
    assert WatchedFile.objects.get().state == WatchedFile.State.READY
    stored_files.forget(["results/2026/01/large.png"])
    UnorderedUpload.objects.filter(path="sources/large.png").delete()
    watched.look()
    assert Upscale.objects.get().source_name == "a.jpg"


def test_what_waits_for_approval_is_put_back_once_it_is_approved(watched: Watched) -> None:
    head = watched.head
    head.team.reviews = "everything"
    head.team.save()
    folder = watched.begin(channels=["etsy"])
    watched.drop("a.jpg")
    watched.look(2)
    watched.enlarge()
    watched.look(2)
    assert not (watched.incoming / "done").exists()
    assert "Waits for approval" in head.client.get(f"/watched-folders/{folder.pk}/").content.decode()
    upscale = Upscale.objects.get()
    head.client.post(f"/upscales/{upscale.pk}/review/", {"decision": "approved"})
    upscale.refresh_from_db()
    assert upscale.review == "approved"
    channel_work.make_due(upscale.batch_id, most=5)
    WatchedResult.objects.update(due_at=timezone.now())
    watched.look()
    assert set(watched.put()) == {"a.jpg", "for etsy/a_1.jpg"}


def test_a_thousand_files_are_one_batch(watched: Watched) -> None:
    credits.grant(team=watched.head.team, amount=1000, note="more")
    watched.begin()
    picture = pictures.jpeg((16, 16))
    for number in range(1000):
        watched.drop(f"{number:04}.jpg", picture + b"%d" % number)
    watched.look(2)
    while WatchedFile.objects.filter(state="ready").exists():
        watched.look()
    assert Batch.objects.get().total == 1000
    assert set(watched.states().values()) == {"ordered"}


def test_one_who_left_orders_nothing_until_somebody_else_takes_over(watched: Watched, owner: Person) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    Membership.objects.filter(user=watched.head.user).delete()
    watched.look(2)
    folder.refresh_from_db()
    assert "not in the team any more" in folder.problem
    Membership.objects.filter(user=owner.user).update(role="admin")
    owner.client.post(f"/watched-folders/{folder.pk}/switch/", {"on": "false"})
    owner.client.post(f"/watched-folders/{folder.pk}/switch/", {"on": "true"})
    watched.look()
    assert Upscale.objects.get().created_by == owner.user


def test_off_takes_nothing_new_and_still_puts_back_and_removed_does_neither(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    watched.look(2)
    watched.head.client.post(f"/watched-folders/{folder.pk}/switch/", {"on": "false"})
    watched.drop("b.jpg")
    watched.enlarge()
    watched.look()
    assert set(watched.put()) == {"a.jpg"}
    assert Upscale.objects.count() == 1
    watched.head.client.post(f"/watched-folders/{folder.pk}/remove/")
    assert watched.head.client.get(f"/watched-folders/{folder.pk}/").status_code == 404
    actions = AuditEvent.objects.filter(action__startswith="watch").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["watch_added", "watch_changed", "watch_removed"]


def test_a_disk_that_is_away_is_named_and_comes_back(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    away = watched.disk.with_name("away")
    watched.disk.rename(away)
    watched.look()
    folder.refresh_from_db()
    assert "The folder is not there" in folder.problem and folder.failures == 1
    away.rename(watched.disk)
    watched.look(2)
    folder.refresh_from_db()
    assert (folder.problem, Upscale.objects.count()) == ("", 1)


def test_a_full_quota_of_uploads_is_emptied_by_ordering_and_loses_nothing(watched: Watched) -> None:
    watched.begin()
    sizes = [len(watched.drop(f"{number}.jpg")) for number in range(4)]
    with override_settings(UPLOAD_QUOTA_BYTES=2 * max(sizes)):
        watched.look(3)
    assert set(watched.states().values()) == {"ordered"}
    assert Batch.objects.filter(ordered_at__isnull=False).count() == 2


def test_the_command_looks_without_workers(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.begin()
    watched.drop("a.jpg")
    call_command("watch_folders", "--once")
    WatchedFile.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    call_command("watch_folders", "--once")
    assert Upscale.objects.count() == 1
    assert "atelier: Studio: 1 files." in capsys.readouterr().out


def test_the_page_counts_files_in_each_state(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    watched.drop("notes.txt", b"buy milk")
    watched.look(2)
    watched.drop("b.jpg")
    watched.look()
    address = f"/watched-folders/{folder.pk}/"
    page = watched.head.client.get(address).content.decode()
    for title, which, name in (
        ("Waiting", "waiting", "b.jpg"),
        ("At work", "at_work", "a.jpg"),
        ("With a problem", "problems", "notes.txt"),
    ):
        assert f"{title} <span>1</span>" in page
        shown = watched.head.client.get(address, {"show": which}).content.decode()
        assert [one for one in ("a.jpg", "b.jpg", "notes.txt") if one in shown] == [name]
    assert "Put back <span>0</span>" in page
