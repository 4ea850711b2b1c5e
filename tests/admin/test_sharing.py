"""Share links and decisions in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.conftest import Person
from tests.sharing.conftest import shared
from upscaler.models import AuditEvent, ReviewDecision, ShareLink, Upscale, WrongResult
from upscaler.review import decisions

LINKS = "/admin/upscaler/sharelink/"


@pytest.fixture
def staff(outsider: Person) -> Client:
    outsider.user.is_staff = outsider.user.is_superuser = True
    outsider.user.save()
    return outsider.client


def listed(staff: Client, address: str, query: str) -> int:
    return int(staff.get(f"{address}?{query}").context["cl"].queryset.count())


def test_links_are_read_and_revoked(
    owner: Person, outsider: Person, staff: Client, done: Callable[..., Upscale], django_assert_max_num_queries: Any
) -> None:
    upscale = done()
    paths = [shared(owner, upscale, label=label, may_decide="true") for label in ("Spring", "Autumn")]
    first, second = ShareLink.objects.order_by("pk")
    with django_assert_max_num_queries(14):
        html = staff.get(LINKS).content.decode()
    assert "Spring" in html and f"/admin/upscaler/upscale/{upscale.pk}/" in html and "may look and decide" in html
    page = staff.get(f"{LINKS}{first.pk}/change/").content.decode()
    for secret in (first.digest, paths[0].split("/")[2]):
        assert secret not in html + page
    assert (listed(staff, LINKS, "q=Spring"), listed(staff, LINKS, f"q={upscale.pk}")) == (1, 2)
    assert staff.get(f"{LINKS}add/").status_code == 403
    staff.post(f"{LINKS}{first.pk}/change/", {"label": "Mine"})
    sent = {"action": "revoke", "_selected_action": [first.pk]}
    assert "Revoked: 1." in staff.post(LINKS, sent, follow=True).content.decode()
    sent["_selected_action"] = [first.pk, second.pk]
    assert "Revoked: 1. Revoked before: 1." in staff.post(LINKS, sent, follow=True).content.decode()
    assert [Client().get(path).status_code for path in paths] == [410, 410]
    events = AuditEvent.objects.filter(action="share_link_revoked").order_by("pk")
    assert [event.user for event in events] == [outsider.user] * 2
    assert "“Spring” to shirt.jpg of owner" in events[0].about


def test_who_may_only_look_revokes_nothing(owner: Person, outsider: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, done())
    outsider.user.is_staff = True
    outsider.user.save()
    outsider.user.user_permissions.add(Permission.objects.get(codename="view_sharelink"))
    assert outsider.client.get(LINKS).status_code == 200
    outsider.client.post(LINKS, {"action": "revoke", "_selected_action": [ShareLink.objects.get().pk]})
    assert Client().get(path).status_code == 200


def test_decisions_are_listed_filtered_and_only_read(
    owner: Person, staff: Client, done: Callable[..., Upscale], django_assert_max_num_queries: Any
) -> None:
    address = "/admin/upscaler/reviewdecision/"
    approved, rejected = done(), done()
    decisions.decide(upscale=approved, approve=True, guest_name="Ann Lee", note="Fine")
    decisions.decide(upscale=rejected, approve=False, reason="text", note="ZABA", user=owner.user)
    with django_assert_max_num_queries(14):
        html = staff.get(address).content.decode()
    assert "Ann Lee (by a shared link)" in html and f"/admin/upscaler/upscale/{rejected.pk}/" in html
    counts = [
        listed(staff, address, query) for query in ("kind__exact=rejected", "q=Ann", f"q={approved.pk}", "q=zaba")
    ]
    assert counts == [1, 1, 1, 1]
    row = ReviewDecision.objects.get(note="ZABA")
    staff.post(f"{address}{row.pk}/change/", {"note": "Other"})
    staff.post(f"{address}{row.pk}/delete/", {"post": "yes"})
    row.refresh_from_db()
    assert row.note == "ZABA" and staff.get(f"{address}add/").status_code == 403
    WrongResult.objects.create(team=owner.team, upscale=rejected, reason="text", user=owner.user)
    assert "Text or logo" in staff.get("/admin/upscaler/wrongresult/").content.decode()
