"""What is kept of catalogue checks: how much, how long, and that nothing else is left."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.support.feed_pages import begun, google, worked
from upscaler.feeds import records, work
from upscaler.models import Feed, FeedCheck, FeedPicture, media_storage
from upscaler.queue import supervisor, tasks
from upscaler.storage import cleanup


def test_old_checks_and_removed_feeds_leave_nothing(owner: Person) -> None:
    check = worked(begun(owner))
    feed = check.feed
    for _ in range(records.KEPT + 1):
        owner.client.post(f"/feeds/{feed.pk}/check/")
        worked(feed.checks.latest("pk"))
    assert feed.checks.count() == records.KEPT
    owner.client.post(f"/feeds/{feed.pk}/check/", {"file": SimpleUploadedFile("newer.csv", b"sku,image\nB,ftp://x/1")})
    newest = worked(feed.checks.latest("pk"))
    assert not media_storage().exists(check.file), "a newer file has taken its place"
    assert media_storage().exists(newest.file), "the file is the newest check's too"
    with time_machine.travel(timezone.now() + timedelta(days=3)):
        cleanup.remove_orphans()
    assert media_storage().exists(newest.file)
    strays = [records.store_file(io.BytesIO(b"x"))]
    for month in ("2021-03-05", "2024-12-05"):
        with time_machine.travel(f"{month}T10:00:00+00:00"):
            strays.append(records.store_file(io.BytesIO(b"x")))
    for turn in range(3):
        with time_machine.travel(timezone.now() + timedelta(days=3) + turn * cleanup.TURN):
            cleanup.remove_orphans()
    assert not any(media_storage().exists(stray) for stray in strays), "what no check names goes, however old"
    owner.client.post(f"/feeds/{feed.pk}/remove/")
    assert records.forget_removed() == 1
    assert not Feed.objects.exists() and not FeedPicture.objects.exists() and not media_storage().exists(newest.file)
    [chore] = [chore for chore in supervisor._chores() if chore.name == "removed feeds"]
    DBTaskResult.objects.all().delete()
    chore.work()
    assert DBTaskResult.objects.ready().filter(task_path=tasks.forget_removed_feeds.module_path).count() == 1


def test_a_feed_that_nobody_checks_is_removed_when_the_page_says(owner: Person, settings: Any) -> None:
    settings.FEED_KEEP_DAYS = 30
    old, checked_again = worked(begun(owner)), worked(begun(owner))
    page = owner.client.get(f"/feeds/{old.feed_id}/").content.decode()
    assert f'Kept until <time datetime="{(timezone.now() + timedelta(days=30)):%Y-%m-%d}' in page
    assert "nobody checks for 30 days is removed" in owner.client.get("/feeds/").content.decode()
    owner.client.post(f"/feeds/{checked_again.feed_id}/check/")
    newest = worked(checked_again.feed.checks.latest("pk"))
    FeedCheck.objects.filter(pk=newest.pk).update(ended_at=timezone.now() + timedelta(days=2))
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        tasks.forget_removed_feeds.call()
        assert list(Feed.objects.all()) == [newest.feed]


def test_a_team_keeps_so_many_bytes_and_pictures_and_is_told_so(owner: Person, settings: Any) -> None:
    feed = google([(f"A{number}", [f"ftp://s.example/{number}.jpg"]) for number in range(4)])
    settings.FEED_QUOTA_BYTES, settings.FEED_QUOTA_PICTURES = 2 * len(feed) + 100, 9
    first, second = worked(begun(owner, feed)), worked(begun(owner, feed))
    folder = f"feeds/{timezone.now():%Y/%m}"
    files = media_storage().listdir(folder)[1]
    refused = owner.client.post("/feeds/new/", {"file": SimpleUploadedFile("feed.xml", feed)})
    assert refused.status_code == 422 and "Your team keeps feeds of" in refused.content.decode()
    assert media_storage().listdir(folder)[1] == files, "what is refused is not kept"
    again = owner.client.post(f"/feeds/{first.feed_id}/check/", follow=True)
    assert "no room" not in again.content.decode(), "the same file once more takes no room"
    short = worked(first.feed.checks.latest("pk"))
    assert short.status == "Failed" and "there is no room for more" in short.problem
    settings.FEED_QUOTA_PICTURES = 12
    owner.client.post(f"/feeds/{first.feed_id}/check/")
    assert worked(first.feed.checks.latest("pk")).status == "Done"
    owner.client.post(f"/feeds/{first.feed_id}/check/")
    newest = worked(first.feed.checks.latest("pk"))
    assert newest.status == "Done" and first.feed.checks.count() == 2, "an older report has made room for it"
    records.remove(second.feed)
    settings.FEED_QUOTA_BYTES = 10_000
    kept = owner.client.get("/feeds/").content.decode()
    assert "keeps 1 feed (of 100)" in kept and "reports of 8 pictures (of 12)" in kept
    part = worked(begun(owner, b"sku,image\n" + b"".join(b"A%d,ftp://x.example/1.jpg\n" % n for n in range(5))))
    assert part.status == "Failed" and "Remove a feed" in part.problem


def test_a_report_ends_where_the_team_s_room_does(
    owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "GROUP", 5)
    settings.FEED_QUOTA_PICTURES = 10
    check = worked(begun(owner, google([(f"A{number}", [f"ftp://s.example/{number}.jpg"]) for number in range(30)])))
    assert (check.status, check.rows_read, check.pictures) == ("Done", 8, 8)
    assert check.problem.startswith("The report ends after row 8 of the feed. Your team’s reports may have 10 pictures")
