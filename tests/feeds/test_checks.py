"""A catalogue check from its feed to its report: who is named, how hosts are asked, and what a killed worker leaves."""

from __future__ import annotations

from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.support import webserver
from tests.support.feed_pages import GOOGLE, begun, counted, found, google, picture, ranged, worked
from upscaler.feeds import hosts, limits, measuring, records, report, turns, work
from upscaler.models import FeedCheck
from upscaler.queue import sweep, tasks

SMALL, JUST, LARGE = picture((499, 800)), picture((500, 500)), picture((1500, 1600))


def counts(check: FeedCheck, channel: str = "google") -> dict[str, int]:
    figures: dict[str, int] = check.counts["channels"][channel]
    return figures


def test_exactly_those_below_the_limits_are_reported(owner: Person, settings: Any) -> None:
    log: list[str] = []
    pages = {
        "/small.jpg": ranged(SMALL, log),
        "/just.jpg": ranged(JUST, log),
        "/large.png": ranged(picture((1500, 1500), "PNG"), log),
        "/flat.webp": webserver.body(picture((3000, 499), "WEBP")),
        "/old.bmp": ranged(picture((2000, 2000), "BMP"), log),
    }
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        products = [
            ("A", [f"http://{host}/small.jpg", f"http://{host}/large.png"]),
            ("B", [f"http://{host}/just.jpg"]),
            ("C", [f"http://{host}/flat.webp", f"http://{host}/small.jpg"]),
            ("D", [f"http://{host}/old.bmp", f"http://{host}/gone.jpg"]),
            ("E", []),
        ]
        check = worked(begun(owner, google(products), channels=["google", "zalando"]))
    assert (check.status, check.problem, check.products, check.pictures, check.waiting) == ("Done", "", 5, 8, 0)
    google_, zalando = counts(check), counts(check, "zalando")
    assert [google_[state] for state in limits.STATES] == [2, 1, 0, 1, 2]
    assert google_["below_minimum_pictures"] == 3
    assert [zalando[state] for state in limits.STATES] == [3, 2, 3, 1, 0]
    assert check.counts["bad_rows"] == 1
    small = report.pictures(check, limits.chosen(owner.team, ["google"])[0], limits.BELOW_MINIMUM)
    assert [(row.sku, row.width, row.height) for row in small] == [("A", 499, 800), ("C", 3000, 499), ("C", 499, 800)]
    assert len(log) == 4, "one request each, and the twin's picture once"
    # robots.txt, the six addresses.
    assert check.requests == 7 and 0 < check.bytes_read < 200_000


def test_each_row_says_what_is_wrong_with_it_and_nothing_stops(owner: Person, settings: Any) -> None:
    settings.FEED_PICTURE_SECONDS = 1
    page = b"<!doctype html><html><body>Please sign in</body></html>"
    pages = {
        "/good.jpg": ranged(JUST),
        "/lie.jpg": ranged(picture((600, 600), "PNG"), Content_Type="image/jpeg"),
        "/page.jpg": webserver.body(page, Content_Type="image/jpeg"),
        "/private.jpg": webserver.redirect("http://10.0.0.1/a.jpg"),
        "/slow.jpg": webserver.dripping_body,
        "/silent.jpg": webserver.silent,
        "/gone.jpg": webserver.body(b"", 404),
        "/empty.jpg": webserver.body(b""),
        "/cut.jpg": webserver.body(JUST[:100]),
        "/video.jpg": webserver.body(b"\0\0\0\x18ftypmp42" + bytes(200)),
    }
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        products = [(path, [f"http://{host}{path}"]) for path in pages]
        products += [("ftp", ["ftp://shop.example/a.jpg"]), ("inside", ["http://192.168.1.9/b.jpg"])]
        feed = google(products).decode().replace("</channel>", "<item><g:id>x<title>broken</item></channel>")
        check = worked(begun(owner, feed.encode()))
    rows = found(check)
    assert check.status == "Done" and rows["good.jpg"].status == "Measured"
    assert (rows["lie.jpg"].width, rows["lie.jpg"].format, rows["lie.jpg"].problem) == (600, "PNG", "")
    assert "Its host calls it image/jpeg, and it is a PNG." in rows["lie.jpg"].message
    assert {name: row.problem for name, row in rows.items() if row.problem} == {
        "page.jpg": "not_a_picture",
        "private.jpg": "url_private",
        "slow.jpg": "fetch_timeout",
        "silent.jpg": "fetch_timeout",
        "gone.jpg": "fetch_refused",
        "empty.jpg": "not_a_picture",
        "cut.jpg": "unreadable",
        "video.jpg": "not_a_picture",
        "a.jpg": "url_parsing",
        "b.jpg": "url_private",
        "row 13": "row_damaged",
    }
    assert "shows a web page" in rows["page.jpg"].message and "a video" in rows["video.jpg"].message
    assert all("upload" not in row.message for row in rows.values()), "here the address is what is mended"


def test_the_same_id_twice_is_named_and_both_are_checked(owner: Person, settings: Any) -> None:
    with webserver.serving({"/a.jpg": ranged(SMALL), "/b.jpg": ranged(LARGE)}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        check = worked(begun(owner, google([("A", [f"http://{host}/a.jpg"]), ("A", [f"http://{host}/b.jpg"])])))
        rows = f"sku,image\nA,http://{host}/a.jpg\nA,http://{host}/b.jpg\n".encode()
        table = worked(begun(owner, rows))
    assert (check.products, check.counts["twins"], counts(check)["below_minimum"]) == (1, 1, 1)
    assert [row.row for row in report.pictures(check, None, report.TWINS)] == [2]
    assert table.counts["twins"] == 0, "a table has a row for each picture"


class Killed(BaseException):
    pass


def test_a_killed_worker_s_check_goes_on_where_it_was(
    owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    pages = {f"/{number}.jpg": counted(asked, ranged(SMALL if number % 3 else LARGE)) for number in range(60)}
    monkeypatch.setattr(work, "GROUP", 10)
    monkeypatch.setattr(measuring, "FLUSH_AT", 10)
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        check = begun(owner, google([(f"A{number}", [f"http://{host}/{number}.jpg"]) for number in range(60)]))
        add_rows, note = records.Hold.add_rows, records.Hold.note

        def killed_in(method: Any, at: int) -> Any:
            calls: list[int] = []

            def once(self: Any, *args: Any, **kwargs: Any) -> None:
                calls.append(1)
                if len(calls) == at:
                    raise Killed
                method(self, *args, **kwargs)

            return once

        monkeypatch.setattr(records.Hold, "add_rows", killed_in(add_rows, 3))
        with pytest.raises(Killed):
            work.step()
        check.refresh_from_db()
        assert (check.status, check.pictures) == ("Reading", check.rows_read) and 0 < check.rows_read < 30
        assert work.step() is None, "its lease has not run out"
        with time_machine.travel(timezone.now() + records.LEASE + timedelta(seconds=1), tick=True):
            monkeypatch.setattr(records.Hold, "note", killed_in(note, 3))
            with pytest.raises(Killed):
                work.step()
            check.refresh_from_db()
            assert (check.status, check.pictures) == ("Measuring", 60) and 0 < check.measured < 60
            measured = set(check.rows.filter(status="Measured").values_list("url", flat=True))
            asked.clear()
            with time_machine.travel(timezone.now() + records.LEASE + timedelta(seconds=1), tick=True):
                worked(check)
    assert (check.status, counts(check)["below_minimum"]) == ("Done", 40)
    assert not {f"http://{host}{path}" for path in asked} & measured, "what was measured is not asked for again"


def test_the_pace_that_a_host_asks_for_is_kept(owner: Person, settings: Any) -> None:
    at_once: list[int] = []
    working: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        working.append(handler.path)
        at_once.append(len(working))
        ranged(JUST)(handler)
        working.remove(handler.path)

    robots: list[str] = []
    pages = {f"/{number}.jpg": answer for number in range(5)}
    text = b"User-agent: *\nDisallow: /\nCrawl-delay: 0.2\n"
    pages["/robots.txt"] = counted(robots, webserver.body(text))
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        check = worked(begun(owner, google([(f"A{number}", [f"http://{host}/{number}.jpg"]) for number in range(5)])))
    assert (check.status, check.delays, len(robots)) == ("Done", {"127.0.0.1": 0.2}, 1)
    assert max(at_once) == 1
    host_ = hosts.Host("x", 0.2)
    host_.begin(100.0)
    host_.end("")
    assert not host_.is_free(100.1) and host_.is_free(100.2)


def test_a_host_that_is_away_is_not_tried_in_vain_for_ever(
    owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hosts, "IN_VAIN", 3)
    settings.FEED_PER_HOST = 1
    pages: dict[str, webserver.Answer] = {f"/{number}.jpg": counted(asked, webserver.cut) for number in range(30)}
    with webserver.serving(pages) as away, webserver.serving({"/good.jpg": ranged(JUST)}) as well:
        settings.FETCH_ALLOW_HOSTS = [away, well]
        products = [
            (f"A{number}", [f"http://{away}/{number}.jpg".replace("127.0.0.1", "localhost")]) for number in range(30)
        ]
        settings.FETCH_ALLOW_HOSTS = [away.replace("127.0.0.1", "localhost"), well]
        check = worked(begun(owner, google([*products, ("B", [f"http://{well}/good.jpg"])])))
    rows = found(check)
    assert check.status == "Done" and check.waiting == 0 and rows["good.jpg"].width == 500
    assert len(asked) < 10, "urllib3 may try a cut connection once more"
    assert {row.problem for row in rows.values()} == {"", "fetch_unreachable", "host_unreachable"}
    assert "did not answer 3 times in a row" in rows["29.jpg"].message


def test_a_host_that_asks_to_come_later_is_asked_later(
    owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [webserver.body(b"", 429, Retry_After="3600"), ranged(JUST)]
    pages = {"/a.jpg": lambda handler: answers.pop(0)(handler)}
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        check = begun(owner, google([("A", [f"http://{host}/a.jpg"])]))
        assert work.step() is not None
        check.refresh_from_db()
        assert (check.status, check.waiting) == ("Measuring", 1)
        assert timedelta(minutes=55) < check.due_at - timezone.now() < timedelta(minutes=65)
        assert work.step() is None, "not before"
        page = owner.client.get(f"/feeds/{check.feed_id}/").content.decode()
        assert "127.0.0.1 has asked to be left alone until" in page
        with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=9), tick=True):
            worked(check)
    assert check.status == "Done" and found(check)["a.jpg"].width == 500


def test_a_host_s_pause_holds_up_no_other_host_and_outlives_the_slice(owner: Person, settings: Any) -> None:
    asked: list[str] = []
    busy = webserver.body(b"", 503, Retry_After="600")
    with (
        webserver.serving({"/a.jpg": counted(asked, busy)}) as away,
        webserver.serving({"/b.jpg": ranged(JUST)}) as well,
    ):
        away, well = away.replace("127.0.0.1", "localhost"), well
        settings.FETCH_ALLOW_HOSTS = [away, well]
        check = begun(owner, google([("A", [f"http://{away}/a.jpg"]), ("B", [f"http://{well}/b.jpg"])]))
        worked(check)
        assert (check.status, check.waiting, found(check)["b.jpg"].width) == ("Measuring", 1, 500)
        FeedCheck.objects.filter(pk=check.pk).update(due_at=timezone.now())
        worked(check)
        assert len(asked) == 1 and check.due_at > timezone.now() + timedelta(minutes=9), (
            "not asked again before its time"
        )
        for number in (1, 2):
            with time_machine.travel(timezone.now() + number * timedelta(seconds=620), tick=True):
                worked(check)
    assert (check.status, found(check)["a.jpg"].problem) == ("Done", "fetch_status")
    assert "asked 3 times to come again later" in found(check)["a.jpg"].message


def test_a_feed_from_an_address(owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with webserver.serving({"/p.jpg": ranged(SMALL)}) as shop:
        pages = {
            "/feed.xml": webserver.body(google([("A", [f"http://{shop}/p.jpg"])])),
            "/gone": webserver.body(b"", 404),
            "/inside": webserver.redirect("http://10.0.0.1/feed.xml"),
            "/slow": webserver.dripping_body,
        }
        with webserver.serving(pages) as host:
            settings.FETCH_ALLOW_HOSTS = [host, shop]
            check = worked(begun(owner, file="", address=f"http://{host}/feed.xml"))
            assert (check.status, check.file_name, counts(check)["below_minimum"]) == ("Done", "feed.xml", 1)
            gone = worked(begun(owner, file="", address=f"http://{host}/gone"))
            assert gone.status == "Failed" and "does not hand out the feed (it answered 404)" in gone.problem
            inside = worked(begun(owner, file="", address=f"http://{host}/inside"))
            assert inside.status == "Failed" and "private network" in inside.problem
            monkeypatch.setattr(work, "FETCH_SECONDS", 1)
            slow = worked(begun(owner, file="", address=f"http://{host}/slow"))
            assert (slow.status, slow.failures) == ("Waiting", 1), "tried again a minute later"
            monkeypatch.setattr(records, "MAX_FAILURES", 2)
            FeedCheck.objects.filter(pk=slow.pk).update(due_at=timezone.now())
            assert worked(slow).status == "Failed" and "did not answer in time" in slow.problem
            settings.FEED_MAX_BYTES = 50
            large = worked(begun(owner, file="", address=f"http://{host}/feed.xml"))
            assert large.status == "Failed" and "The feed at this address is larger than" in large.problem


def test_what_is_cut_off_counts_until_there(owner: Person, settings: Any) -> None:
    with webserver.serving({"/a.jpg": ranged(SMALL)}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        feed = google([("A", [f"http://{host}/a.jpg"]), ("B", [f"http://{host}/a.jpg"])])
        check = worked(begun(owner, feed[:-60]))
    assert check.status == "Done" and "ends in the middle, after row 1" in check.problem
    assert counts(check)["below_minimum"] == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE x><rss/>", "<!DOCTYPE>"),
        (b"sku,colour\nA,red\n", "No address of a picture"),
        (b"sku,image\n", "titles and no rows"),
        (GOOGLE.format("").encode(), "without products"),
    ],
)
def test_what_is_no_feed_fails_with_the_reason(owner: Person, content: bytes, words: str) -> None:
    check = worked(begun(owner, content))
    assert check.status == "Failed" and words in check.problem


def test_who_has_lost_a_check_changes_nothing_more(owner: Person) -> None:
    check = begun(owner)
    hold = turns.claim()
    assert hold is not None and records.stop(check)
    with pytest.raises(records.Lost):
        hold.renew()
    with pytest.raises(records.Lost):
        hold.end(FeedCheck.Status.DONE)
    check.refresh_from_db()
    assert check.status == "Stopped"


def test_a_lost_message_is_found_and_none_is_sent_twice(owner: Person) -> None:
    begun(owner)
    waiting = DBTaskResult.objects.ready().filter(task_path=tasks.check_feeds.module_path)
    assert waiting.count() == 1
    sweep.sweep()
    assert waiting.count() == 1
    DBTaskResult.objects.all().delete()
    sweep.sweep()
    assert waiting.count() == 1


@pytest.mark.parametrize("step", ["_fetch", "_read", "_counted"])
def test_what_fails_in_passing_is_tried_again_and_then_said(
    owner: Person, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    check = begun(owner)

    def broken(hold: Any) -> None:
        raise RuntimeError("the storage is away")

    monkeypatch.setattr(work, step, broken)
    for number in range(records.MAX_FAILURES):
        with time_machine.travel(timezone.now() + timedelta(minutes=5 * number), tick=True):
            assert work.step() is not None
    check.refresh_from_db()
    assert (check.status, check.problem) == ("Failed", work.NO_END)
