"""Channels and feeds in the admin: found, linked and read, and changed by nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Person
from upscaler.channels import files, teams
from upscaler.channels.names import Codes
from upscaler.channels.table import CHANNELS
from upscaler.feeds import records
from upscaler.models import ChannelFile, FeedCheck, FeedPicture, ProductCode, TeamChannel, Upscale


@pytest.fixture
def staff(outsider: Person) -> Client:
    outsider.user.is_staff = outsider.user.is_superuser = True
    outsider.user.save()
    return outsider.client


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_channels_and_feeds_are_read_and_not_changed(
    owner: Person, staff: Client, done: Callable[..., Upscale], django_assert_max_num_queries: Any
) -> None:
    teams.copy(owner.team, "etsy", "Ours")
    teams.keep_codes(owner.team, {"A-1": Codes(asin="B01ABCDEFG")})
    made = files.make(done(), CHANNELS["etsy"])
    feed = records.create_feed(team=owner.team, user=owner.user, name="Spring", channels=["google"])
    check = FeedCheck.objects.create(feed=feed)
    picture = FeedPicture.objects.create(check_of=check, row=1, sku="A-1", url="https://shop.test/a.jpg")
    rows = {
        "teamchannel": (TeamChannel.objects.get(), "ours", "ours"),
        "productcode": (ProductCode.objects.get(), "B01ABCDEFG", "B01ABCDEFG"),
        "channelfile": (made, made.upscale_id, "etsy"),
        "feed": (feed, "Spring", "Spring"),
        "feedcheck": (check, feed.pk, "Spring"),
        "feedpicture": (picture, check.pk, "https://shop.test/a.jpg"),
    }
    for name, (row, asked, shown) in rows.items():
        address = f"/admin/upscaler/{name}/"
        with django_assert_max_num_queries(14):
            listed = staff.get(address, {"q": asked})
        assert listed.status_code == 200 and str(shown) in text(listed), name
        assert text(staff.get(f"{address}{row.pk}/change/")).count("readonly") > 1, name
        for act in ("change", "delete"):
            assert staff.post(f"{address}{row.pk}/{act}/", {"post": "yes"}).status_code == 403, (name, act)
        assert staff.get(f"{address}add/").status_code == 403
    team = {"upscale__team__id__exact": owner.team.pk}
    assert "etsy" in text(staff.get("/admin/upscaler/channelfile/", team))
    assert "Spring" in text(staff.get("/admin/upscaler/feedcheck/", {"feed__id__exact": feed.pk}))
    assert ChannelFile.objects.exists()
