"""Checks of results in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Person
from tests.fidelity.test_shown import check
from upscaler.models import FidelityCheck, Upscale

ADDRESS = "/admin/upscaler/fidelitycheck/"


@pytest.fixture
def staff(outsider: Person) -> Client:
    outsider.user.is_staff = outsider.user.is_superuser = True
    outsider.user.save()
    return outsider.client


def test_checks_are_listed_filtered_and_only_read(
    owner: Person, staff: Client, done: Callable[..., Upscale], django_assert_max_num_queries: Any
) -> None:
    doubted, faithful, waiting = (done(name=name) for name in ("a.jpg", "b.jpg", "c.jpg"))
    check(doubted, "look", ("colour", "text"))
    check(faithful, "faithful")
    check(waiting)
    with django_assert_max_num_queries(14):
        html = staff.get(ADDRESS).content.decode()
    assert "colour, text" in html and f"/admin/upscaler/upscale/{doubted.pk}/" in html

    def listed(query: str) -> set[int]:
        return set(staff.get(f"{ADDRESS}?{query}").context["cl"].queryset.values_list("upscale", flat=True))

    assert listed("verdict__exact=look") == {doubted.pk}
    assert listed("checked_at__isempty=1") == {waiting.pk}
    assert listed(f"q={faithful.pk}") == {faithful.pk}
    assert staff.get(f"{ADDRESS}add/").status_code == 403
    row = FidelityCheck.objects.get(upscale=doubted)
    staff.post(f"{ADDRESS}{row.pk}/change/", {"verdict": "faithful"})
    row.refresh_from_db()
    assert row.verdict == "look"
    assert owner.client.get(ADDRESS).status_code in (302, 403)
