"""Times on pages and in files say which zone they are in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from tests.conftest import Person
from upscaler.models import Upscale
from upscaler.templatetags.times import local_time
from upscaler.text import format_clock

MARCH = datetime(2026, 3, 5, 13, 5, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("long", "5 March 2026, 14:05 CET"),
        ("short", "5 Mar 2026, 14:05 CET"),
        ("clock", "14:05 CET"),
        ("day", "5 Mar 2026"),
    ],
)
def test_a_time_is_in_the_desk_s_zone_and_marked_for_the_reader_s(style: str, words: str) -> None:
    with timezone.override("Europe/Berlin"):
        assert local_time(MARCH, style) == (
            f'<time datetime="2026-03-05T14:05:40+01:00" data-time="{style}" title="5 March 2026, 14:05 (CET)">'
            f"{words}</time>"
        )
        assert format_clock(MARCH) == "14:05 CET"


def test_how_long_ago_has_the_time_as_its_title() -> None:
    shown = local_time(timezone.now(), "ago")
    assert "(UTC)" in shown and ">now</time>" in shown


def test_pages_and_csv_files_name_the_zone(head: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert head.client.get(f"/upscales/{upscale.pk}/download/").status_code == 200
    with timezone.override("Asia/Tokyo"):
        page = head.client.get(f"/upscales/{upscale.pk}/").content.decode()
        assert f">{timezone.localtime(upscale.created_at):%-d %B %Y, %H:%M} JST</time>" in page
        for address in ("/ledger/entries.csv", "/team/activity.csv"):
            rows = b"".join(head.client.get(address).streaming_content).decode().splitlines()  # type: ignore[arg-type]
            assert len(rows) > 1 and all("+09:00" in row for row in rows[1:])
        assert " JST</time>" in head.client.get("/ledger/").content.decode()
        assert " JST</time>" in head.client.get("/team/activity/").content.decode()


def test_every_page_has_the_script(owner: Person) -> None:
    for address in ("/", "/history/", "/ledger/"):
        assert "js/times.js" in owner.client.get(address).content.decode()
