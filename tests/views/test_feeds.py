"""The pages of catalogue checks: from a feed to a report, to one quote and one order, and what the next check says."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import Person
from tests.support import webserver
from tests.support.draft_page import DraftPage
from tests.support.feed_pages import begun, google, picture, ranged, worked
from upscaler.channels import teams
from upscaler.feeds import intake, records
from upscaler.models import Batch, Feed, FeedCheck, FeedPicture, media_storage


def page_of(person: Person, feed: Feed, query: str = "") -> str:
    answer = person.client.get(f"/feeds/{feed.pk}/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_from_a_feed_to_one_order_and_to_the_next_check(owner: Person, settings: Any) -> None:
    pages: dict[str, webserver.Answer] = {
        "/a.jpg": ranged(picture((90, 120))),
        "/b.jpg": ranged(picture((300, 400))),
        "/c.jpg": ranged(picture((900, 900))),
        "/d.jpg": ranged(picture((200, 200))),
    }
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        products = [
            ("A-1", [f"http://{host}/a.jpg"]),
            ("B-2", [f"http://{host}/b.jpg"]),
            ("C-3", [f"http://{host}/c.jpg"]),
            ("A-9", [f"http://{host}/a.jpg"]),
            ("D-4", [f"http://{host}/d.jpg"]),
        ]
        check = begun(owner, google(products), name="Summer")
        waiting = page_of(owner, check.feed)
        assert "Waiting for its turn" in waiting and f'hx-get="/feeds/{check.feed_id}/live/' in waiting
        assert "Waiting" in owner.client.get(f"/feeds/{check.feed_id}/live/").content.decode()
        worked(check)
        ended = owner.client.get(f"/feeds/{check.feed_id}/live/")
        assert ended.headers["HX-Refresh"] == "true" and not ended.content
        page = page_of(owner, check.feed)
        assert "<b>5</b> products, 5 pictures" in page and "Too small for Google Merchant Center" in page
        assert "A-1" in page and "90 × 120 JPEG" in page and "C-3" not in page and "Enlarge all 4 pictures" in page
        assert "at least 500 × 500" in page and "As of 27 Nov 2026;" in page
        assert "C-3" in page_of(owner, check.feed, "?channel=google&state=below_best")
        assert "Summer" in owner.client.get("/feeds/").content.decode()

        answer = owner.client.post(f"/feeds/{check.feed_id}/mend/", {"channel": "google"}, follow=True)
        assert (
            "The 3 pictures that are too small for Google Merchant Center wait in the list" in answer.content.decode()
        )
        draft = DraftPage(owner)
        assert 'value="google" id="channel-google" checked' in owner.client.get("/").content.decode()
        whole = owner.client.get(f"/drafts/{draft.pk}/").json()
        assert [(item["sku"], item["name"], item["width"], item["state"]) for item in whole["items"]] == [
            ("A-1", "a.jpg", 90, "fetch"),
            ("B-2", "b.jpg", 300, "fetch"),
            ("D-4", "d.jpg", 200, "fetch"),
        ]
        assert whole["items"][0]["origin"] == "Summer, row 1"
        assert (whole["quote"]["total"], whole["quote"]["credits"], owner.balance) == (3, 3, 100)
        owner.client.post(f"/feeds/{check.feed_id}/mend/", {"channel": "google"})
        assert len(owner.client.get(f"/drafts/{draft.pk}/").json()["items"]) == 3, "a second click adds nothing"
        sent = owner.client.post(f"/drafts/{draft.pk}/order/", {"model_name": "recraft", "expected": 3, "credits": 3})
        assert sent.status_code == 200 and owner.balance == 97
        batch = Batch.objects.exclude(ordered_at=None).get()
        assert {row.sku for row in batch.upscales.all()} == {"A-1", "B-2", "D-4"}

        # The shop shows the large ones now, one that was good is small, and one is sold no more.
        pages["/a.jpg"], pages["/c.jpg"] = ranged(picture((2000, 2000))), ranged(picture((80, 80)))
        newer = SimpleUploadedFile("newer.xml", google(products[:-1]))
        answer = owner.client.post(f"/feeds/{check.feed_id}/check/", {"file": newer}, follow=True)
        assert answer.status_code == 200
        again = worked(FeedCheck.objects.latest("pk"))
    figures = again.counts["channels"]["google"]
    assert (figures["below_minimum"], figures["mended"], figures["new"]) == (2, 2, 1)
    assert (figures["still"], figures["gone"]) == (1, 1)
    page = page_of(owner, check.feed)
    assert "2 mended" in page and "1 new" in page and "1 still too small" in page and "1 gone" in page
    assert "Earlier checks" in page
    for state, sku in (("still", "B-2"), ("gone", "D-4")):
        listed = page_of(owner, check.feed, f"?channel=google&state={state}")
        assert sku in listed and listed.count('class="feed-sku"') == 1
    gone = owner.client.get(f"/feeds/{check.feed_id}/report.csv?check={again.pk}&channel=google&state=gone")
    assert b"D-4" in b"".join(gone.streaming_content)
    mended = page_of(owner, check.feed, "?channel=google&state=mended")
    assert "A-1" in mended and "A-9" in mended and "B-2" not in mended
    assert "C-3" in page_of(owner, check.feed, "?channel=google&state=new")
    older = page_of(owner, check.feed, f"?check={check.pk}")
    assert "This is an older check" in older and "A-1" in older


def test_a_team_s_own_channel_counts_and_one_that_is_off_is_not_offered(owner: Person, settings: Any) -> None:
    own = teams.copy(owner.team, "google", "Our shop")
    teams.save(owner.team, replace(own, min_width=700, min_height=700))
    teams.switch(owner.team, "zalando", is_off=True)
    page = owner.client.get("/feeds/new/").content.decode()
    assert "Our shop" in page and "at least 700 × 700" in page and "Zalando" not in page
    with webserver.serving({"/a.jpg": ranged(picture((600, 600)))}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        check = worked(begun(owner, google([("A", [f"http://{host}/a.jpg"])]), channels=[own.id, "google"]))
    assert check.counts["channels"][own.id]["below_minimum"] == 1
    assert check.counts["channels"]["google"]["below_minimum"] == 0
    assert "Our shop" in page_of(owner, check.feed, f"?channel={own.id}")


def test_the_report_as_a_table_is_safe_for_spreadsheets(owner: Person, settings: Any) -> None:
    with webserver.serving({"/a.jpg": ranged(picture((90, 120)))}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        check = worked(begun(owner, google([('=HYPERLINK("x")', [f"http://{host}/a.jpg", f"http://{host}/gone.jpg"])])))
    answer = owner.client.get(f"/feeds/{check.feed_id}/report.csv?check={check.pk}")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    head, first, second = csv.reader(io.StringIO(text))
    assert head[:9] == ["SKU", "Title", "Row in the feed", "Picture", "Address", "Width", "Height", "Format", "Bytes"]
    assert first[0].startswith("'=") and first[3:8] == ["main", f"http://{host}/a.jpg", "90", "120", "JPEG"]
    assert first[9] == "Too small" and second[3] == "extra 1" and second[9] == "Not reached" and "404" in second[10]
    some = owner.client.get(f"/feeds/{check.feed_id}/report.csv?check={check.pk}&channel=google&state=below_minimum")
    assert len(b"".join(some.streaming_content).splitlines()) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Give one of the three"),
        ({"address": "https://s.example/f.xml", "text": "https://s.example/1.jpg"}, "Give one of the three"),
        ({"address": "http://192.168.0.4/feed.xml"}, "inside a private network"),
        ({"address": "feed.xml"}, "This is not the address of a feed"),
        ({"text": "https://s.example/1.jpg", "channels": ["nowhere"]}, "nowhere"),
        ({"file": SimpleUploadedFile("feed.xml", b"")}, "it has 0 bytes"),
    ],
)
def test_what_is_refused_is_said_where_the_person_looks(owner: Person, data: dict[str, Any], words: str) -> None:
    answer = owner.client.post("/feeds/new/", data)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert not Feed.objects.exists()


def test_a_feed_that_is_too_large_is_refused_with_the_limit(owner: Person, settings: Any) -> None:
    settings.FEED_MAX_BYTES = 1_000_000
    answer = owner.client.post("/feeds/new/", {"file": SimpleUploadedFile("feed.csv", bytes(1_500_000))})
    assert answer.status_code == 422 and "the limit is 1 MB" in answer.content.decode()
    answer = owner.client.post("/feeds/new/", {"file": SimpleUploadedFile("feed.csv", bytes(2_500_000))})
    assert answer.status_code == 413 and "Pack the feed as .gz" in answer.content.decode()
    settings.FEED_MAX_BYTES = 9_000_000
    assert owner.client.post("/feeds/new/", {"file": SimpleUploadedFile("f.csv", bytes(3_000_000))}).status_code == 302


def test_a_pasted_list(owner: Person) -> None:
    check = begun(owner, file="", text="A-1, https://s.example/1.jpg\nnothing\n")
    assert (check.file_name, check.feed.name) == (intake.PASTED, intake.PASTED)


def test_a_storage_that_is_full_and_a_team_that_has_enough(
    owner: Person, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.FEEDS_PER_TEAM = 1
    begun(owner)
    answer = owner.client.post("/feeds/new/", {"text": "https://s.example/1.jpg"})
    assert answer.status_code == 422 and "Remove a feed that you need no more" in answer.content.decode()
    folders = media_storage().listdir("feeds")[0]
    assert FeedCheck.objects.count() == 1 and folders

    def full(file: Any) -> str:
        raise OSError("no room")

    monkeypatch.setattr(records, "store_file", full)
    answer = owner.client.post("/feeds/new/", {"text": "https://s.example/1.jpg"})
    assert answer.status_code == 422 and "could not store" in answer.content.decode()


def test_a_check_is_stopped_and_begun_again(owner: Person) -> None:
    check = begun(owner)
    answer = owner.client.post(f"/feeds/{check.feed_id}/check/", follow=True)
    assert "being checked already" in answer.content.decode()
    answer = owner.client.post(f"/feeds/{check.feed_id}/stop/", follow=True)
    assert "The check was stopped" in answer.content.decode()
    assert "had ended already" in owner.client.post(f"/feeds/{check.feed_id}/stop/", follow=True).content.decode()
    owner.client.post(f"/feeds/{check.feed_id}/check/", {"channels": ["zalando", "google"]})
    fresh = FeedCheck.objects.latest("pk")
    assert fresh.pk != check.pk and fresh.file == check.file and fresh.feed.channels == ["zalando", "google"]


def test_what_an_unfinished_check_has_found_is_enlarged_only_once_it_was_stopped(owner: Person) -> None:
    check = begun(owner, google([("A", ["ftp://s.example/a.jpg"])]))
    FeedCheck.objects.filter(pk=check.pk).update(status="Measuring", pictures=3, waiting=2)
    FeedPicture.objects.create(
        check_of=check,
        row=1,
        sku="A",
        url="https://s.example/a.jpg",
        status="Measured",
        width=10,
        height=10,
        format="JPEG",
    )
    answer = owner.client.post(f"/feeds/{check.feed_id}/mend/", {"channel": "google"}, follow=True)
    assert "The check has measured 1 of 3 pictures, so it does not know yet" in answer.content.decode()
    assert not Batch.objects.exists()
    page = owner.client.post(f"/feeds/{check.feed_id}/stop/", follow=True).content.decode()
    assert "Stopped after 1 of 3 pictures" in page and "Enlarge the 1 found so far" in page
    answer = owner.client.post(f"/feeds/{check.feed_id}/mend/", {"channel": "google"}, follow=True)
    assert "The check ended after 1 of 3 pictures: check again for the others." in answer.content.decode()
    assert owner.client.get(f"/drafts/{DraftPage(owner).pk}/").json()["quote"]["total"] == 1


def test_more_than_a_batch_holds_is_said(owner: Person, settings: Any) -> None:
    settings.MAX_BATCH = 2
    check = begun(owner)
    records.stop(check)
    for number in range(5):
        FeedPicture.objects.create(
            check_of=check, row=number + 10, sku=f"S{number}", url=f"https://s.example/{number}.jpg", url_key=number,
            status="Measured", width=10, height=10, format="JPEG",
        )  # fmt: skip
    answer = owner.client.post(f"/feeds/{check.feed_id}/mend/", {"channel": "google"}, follow=True)
    assert "2 pictures wait in the list; 3 more found no room" in answer.content.decode()
    answer = owner.client.post(f"/feeds/{check.feed_id}/mend/", {"channel": "nowhere"}, follow=True)
    assert "Choose a channel" in answer.content.decode()


def test_a_million_pictures_cost_the_page_no_more_queries_than_three(owner: Person) -> None:
    check = worked(begun(owner, b"sku,image\n" + b"".join(b"A%d,ftp://x.example/1.jpg\n" % n for n in range(3))))
    with CaptureQueriesContext(connection) as of_few:
        page_of(owner, check.feed, "?state=all")
    many = worked(begun(owner, b"sku,image\n" + b"".join(b"A%d,ftp://x.example/1.jpg\n" % n for n in range(300))))
    with CaptureQueriesContext(connection) as of_many:
        page = page_of(owner, many.feed, "?state=all&page=2")
    assert len(of_many) <= len(of_few) and "page=3" in page and "page=1" in page
    assert "None." in page_of(owner, many.feed, "?state=all&page=99")
