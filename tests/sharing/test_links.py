"""Share links as the team makes, sees and revokes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.sharing.conftest import shared
from upscaler.models import AuditEvent, Batch, Membership, ShareLink, Team, Upscale
from upscaler.sharing import links


def test_a_link_is_shown_once_and_works_without_an_account(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale, key = done(), str(uuid.uuid4())
    path = shared(owner, upscale, form_key=key, label="Autumn, first look")
    secret = path.split("/")[2]
    link = ShareLink.objects.get()
    assert secret not in (link.digest, link.label)
    assert abs(link.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert Client().get(path).status_code == 200
    again = owner.client.post(
        f"/upscales/{upscale.pk}/share/", {"label": "Autumn", "days": 7, "form_key": key}, follow=True
    )
    assert "has made its link already" in again.content.decode()
    assert secret not in again.content.decode()
    assert ShareLink.objects.count() == 1
    event = AuditEvent.objects.get(action="share_link_made")
    assert (event.user, event.upscale) == (owner.user, upscale)
    assert event.about.startswith("“Autumn, first look” to shirt.jpg, until ") and event.about.endswith("may only look")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"label": ""}, "Give the link a name"),
        ({"label": "x" * 101}, "100 letters at most"),
        ({"days": "8"}, "A link works for 1, 7, 30 or 90 days."),
        ({"days": ""}, "Choose how long"),
    ],
)
def test_what_is_wrong_with_a_new_link_is_said_on_page_and_api(
    owner: Person, done: Callable[..., Upscale], sent: dict[str, Any], said: str
) -> None:
    upscale = done()
    answer = owner.client.post(f"/upscales/{upscale.pk}/share/", {"label": "Client", "days": "7", **sent})
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not ShareLink.objects.exists()


def test_only_what_can_be_compared_is_shared(owner: Person, order: Callable[..., Upscale]) -> None:
    waiting = order()
    assert owner.client.post(f"/upscales/{waiting.pk}/share/", {"label": "x", "days": 7}).status_code == 404


def test_what_is_in_the_archive_is_not_shared(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    Upscale.objects.filter(pk=upscale.pk).update(archived_at=timezone.now())
    answer = owner.client.post(f"/upscales/{upscale.pk}/share/", {"label": "x", "days": 7})
    assert answer.status_code == 422 and "in the archive" in answer.content.decode()
    answer = owner.client.get(f"/upscales/{upscale.pk}/share/", follow=True)
    assert "in the archive" in answer.content.decode()


def test_a_team_has_no_more_links_than_the_setting_allows(
    owner: Person, head: Person, done: Callable[..., Upscale], settings: Any
) -> None:
    settings.SHARE_LINKS_PER_TEAM = 1
    upscale = done()
    shared(owner, upscale)
    answer = owner.client.post(f"/upscales/{upscale.pk}/share/", {"label": "Second", "days": 7})
    assert answer.status_code == 422 and "Revoke one" in answer.content.decode()
    head.client.post(f"/share-links/{ShareLink.objects.get().pk}/revoke/")
    shared(owner, upscale)


def test_members_see_their_own_links_and_admins_all(
    owner: Person, teammate: Person, head: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    path = shared(owner, done(), label="Owner’s own")
    link = ShareLink.objects.get()
    for person, sees in ((owner, True), (teammate, False), (head, True), (outsider, False)):
        assert ("Owner’s own" in person.client.get("/share-links/").content.decode()) is sees, person.user
        assert (person.client.get(f"/share-links/{link.pk}/revoke/").status_code == 200) is sees
    assert teammate.client.post(f"/share-links/{link.pk}/revoke/").status_code == 404
    assert Client().get(path).status_code == 200
    answer = head.client.post(f"/share-links/{link.pk}/revoke/", follow=True)
    assert "reads that it has ended" in answer.content.decode()
    assert Client().get(path).status_code == 410
    again = head.client.post(f"/share-links/{link.pk}/revoke/", follow=True)
    assert "was revoked before" in again.content.decode()
    [event] = AuditEvent.objects.filter(action="share_link_revoked")
    assert (event.user, event.about) == (head.user, "“Owner’s own” to shirt.jpg of owner")


def test_a_link_that_has_ended_needs_no_revoking(owner: Person, done: Callable[..., Upscale]) -> None:
    shared(owner, done())
    link = ShareLink.objects.get()
    with time_machine.travel(link.expires_at + timedelta(seconds=1), tick=False):
        page = owner.client.get(f"/share-links/{link.pk}/revoke/").content.decode()
    assert "ended by itself" in page and "Revoke the link" not in page


def test_opening_is_counted_once_a_minute_and_not_for_headers(owner: Person, done: Callable[..., Upscale]) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        path = shared(owner, done())
        Client().head(path)
        assert ShareLink.objects.get().opens == 0
        Client().get(path)
        Client().get(path)
        assert ShareLink.objects.get().opens == 1
        clock.shift(61)
        Client().get(path)
        Client().get(f"{path}1/picture/after/")
        assert ShareLink.objects.get().opens == 2


def test_a_link_outlives_the_membership_of_its_maker_and_ends_with_the_team(
    owner: Person, done: Callable[..., Upscale]
) -> None:
    path = shared(owner, done())
    Membership.objects.filter(user=owner.user).delete()
    assert Client().get(path).status_code == 200
    owner.user.delete()
    assert Client().get(path).status_code == 200
    assert not ShareLink._meta.get_field("team").null


def test_who_may_not_decide_gives_no_link_that_may(
    owner: Person, head: Person, done: Callable[..., Upscale], team: Team
) -> None:
    Team.objects.filter(pk=team.pk).update(reviewers=Team.Reviewers.ADMINS)
    upscale = done()
    sent = {"label": "Client", "days": 7, "may_decide": "true"}
    answer = owner.client.post(f"/upscales/{upscale.pk}/share/", sent)
    assert answer.status_code == 422 and "admins approve and reject" in answer.content.decode()
    shared(head, upscale, may_decide="true")


def test_a_batch_is_shared(owner: Person, done_batch: Callable[..., Batch]) -> None:
    batch = done_batch("a.jpg", "b.jpg")
    page = owner.client.get(f"/batches/{batch.pk}/share/").content.decode()
    assert "the 2 results of <bdi>Monday</bdi>" in page
    shown = Client().get(shared(owner, batch)).content.decode()
    assert "a.jpg" in shown and "b.jpg" in shown
    assert links.shown_by(ShareLink.objects.get()) == "Monday"
