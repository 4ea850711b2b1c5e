"""The admin: upscales found among very many, tried again and refunded, and records that nobody changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import Person
from tests.usage.test_counts import fail
from upscaler.admin import base
from upscaler.admin.upscales import SEARCHED_DAYS
from upscaler.models import AuditEvent, CreditEntry, Membership, Team, Upscale

Order = Callable[..., Upscale]
LIST = "/admin/upscaler/upscale/"


@pytest.fixture
def boss(teammate: Person) -> Person:
    teammate.user.is_staff = teammate.user.is_superuser = True
    teammate.user.save()
    return teammate


def listed(person: Person, query: str, path: str = LIST) -> list[int]:
    answer = person.client.get(f"{path}?{query}")
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


def act(person: Person, action: str, *upscales: Upscale, **more: str) -> Any:
    chosen = [str(upscale.pk) for upscale in upscales]
    return person.client.post(LIST, {"action": action, "_selected_action": chosen, **more}, follow=True)


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_upscales_are_found_by_each_filter(boss: Person, owner: Person, done: Order, order: Order) -> None:
    first, failed = done(name="coat.jpg"), fail(order(model_name="topaz"))
    today = f"{first.created_at:%Y-%m-%d}"
    for query in ("status__exact=Done", "model_name__exact=recraft", "q=coat", f"q={first.pk}", f"q= {first.pk} "):
        assert listed(boss, query) == [first.pk]
    both = [failed.pk, first.pk]
    for query in (
        f"team__id__exact={owner.team.pk}",
        f"created_by__id__exact={owner.user.pk}",
        "created_by__id__exact=",
        f"created_at__from={today}&created_at__to={today}",
        "engine__exact=local",
    ):
        assert listed(boss, query) == both
    assert boss.client.get(f"{LIST}?created_by__id__exact=0_{owner.user.pk}").status_code == 302
    for query in (f"created_by__id__exact={boss.user.pk}", "created_at__to=2001-01-01", f"q={9**40}"):
        assert listed(boss, query) == []


@pytest.mark.parametrize(
    "query",
    [
        "created_by__id__exact=x",
        "created_by__id__exact=%00",
        "created_by__id__exact=1_0",
        f"team__id__exact={9**40}",
        f"team__gte={9**40}",
        f"id__in={9**40}",
        "team__in=%00",
        "created_at__from=soon",
        "created_at__from=0001-01-01",
        "created_at__to=9999-12-31",
        "p=99999",
        "nothing=1",
        "q=%00",
    ],
)
@pytest.mark.parametrize("path", [LIST, "/admin/upscaler/creditentry/", "/admin/upscaler/auditevent/"])
def test_a_filter_that_makes_no_sense_is_no_crash(path: str, query: str, boss: Person) -> None:
    assert boss.client.get(f"{path}?{query}", follow=True).status_code == 200


@pytest.mark.parametrize("query", ["{0}__exact=%00", "{0}__in=" + str(9**40), "e=1&{0}__exact=%00"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        (LIST, "team"),
        ("/admin/upscaler/membership/", "role"),
        ("/admin/auth/user/", "groups"),
        ("/admin/django_tasks_database/dbtaskresult/", "priority"),
    ],
)
def test_no_list_s_filter_crashes(path: str, field: str, query: str, boss: Person) -> None:
    assert boss.client.get(f"{path}?{query.format(field)}", follow=True).status_code in (200, 404)


def test_a_page_of_no_row_is_not_there(boss: Person) -> None:
    assert boss.client.get("/admin/upscaler/enginestate/%00/history/").status_code in (302, 404)
    assert boss.client.get(f"{LIST}{9**40}/history/").status_code in (302, 404)


def test_filters_do_not_list_everybody(boss: Person, outsider: Person, done: Order) -> None:
    done()
    page = boss.client.get(LIST).content.decode()
    assert "admin-autocomplete" in page
    assert "outsider" not in page
    chosen = boss.client.get(f"{LIST}?created_by__id__exact={outsider.user.pk}").content.decode()
    assert f'<option value="{outsider.user.pk}" selected>outsider</option>' in chosen


def test_a_list_counts_no_further_than_it_must(boss: Person, done: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_COUNTED", 1)
    done()
    assert "1 upscale" in boss.client.get(LIST).content.decode()
    with CaptureQueriesContext(connection) as few:
        boss.client.get(LIST)
    done()
    with CaptureQueriesContext(connection) as more:
        page = boss.client.get(LIST).content.decode()
    assert "The newest 1 of more upscales" in page
    assert len(more) == len(few)
    assert all("LIMIT" in query["sql"] for query in more if "COUNT(*)" in query["sql"])


def test_pages_link_to_what_belongs_together(boss: Person, owner: Person, done: Order) -> None:
    upscale = done()
    entry = upscale.entries.get()
    page = boss.client.get(f"{LIST}{upscale.pk}/change/").content.decode()
    for part in (f"team/{owner.team.pk}/change/", f"creditentry/{entry.pk}/change/", f"auditevent/?q={upscale.pk}"):
        assert part in page
    assert f"{LIST}{upscale.pk}/change/" in boss.client.get("/admin/upscaler/creditentry/").content.decode()
    teams = boss.client.get("/admin/upscaler/team/").content.decode()
    assert f"/usage/?team={owner.team.pk}" in teams
    assert f"{LIST}?team__id__exact={owner.team.pk}" in teams


def test_failed_ones_are_tried_again_and_the_others_named(boss: Person, done: Order, order: Order) -> None:
    fine, failed = done(), fail(order())
    answer = act(boss, "retry", fine, failed)
    again = Upscale.objects.get(retry_of=failed)
    assert again.created_by == boss.user
    assert said(answer) == [
        "1 upscale was tried again.",
        f"1 upscale was not tried again ({fine.pk}): Only what has failed can be tried again.",
    ]
    event = AuditEvent.objects.get(action="retried")
    assert (event.user, event.upscale) == (boss.user, again)
    assert said(act(boss, "retry", failed)) == [
        f"1 upscale was not tried again ({failed.pk}): It was tried again before."
    ]


def test_without_credits_nothing_is_tried_again(boss: Person, order: Order) -> None:
    failed = fail(order())
    while Team.objects.get().balance:
        order(model_name="topaz" if Team.objects.get().balance >= 3 else "recraft")
    [message] = said(act(boss, "retry", failed))
    assert "1 upscale was not tried again" in message
    assert "This costs 1 credit, but your team has 0 credits left" in message


def test_a_refund_needs_a_reason_and_is_given_once(boss: Person, done: Order, order: Order) -> None:
    fine, failed = done(), fail(order())
    asked = act(boss, "refund", fine, failed)
    assert "Why the credits go back" in asked.content.decode()
    assert "Say why the credits go back" in act(boss, "refund", fine, apply="Refund", note="  ").content.decode()
    assert not fine.entries.filter(kind="refund").exists()

    answer = act(boss, "refund", fine, failed, apply="Refund", note="Wrong colours")
    assert said(answer) == [
        "1 upscale was refunded.",
        f"1 upscale was not refunded ({failed.pk}): This upscale failed, and its price went back by itself.",
    ]
    entry = CreditEntry.objects.get(upscale=fine, kind="refund")
    assert (entry.note, entry.created_by, entry.amount) == ("Wrong colours", boss.user, 1)
    assert AuditEvent.objects.filter(action="refunded", upscale=fine, user=boss.user).count() == 1
    [message] = said(act(boss, "refund", fine, apply="Refund", note="Again"))
    assert "refunded before" in message


def test_very_many_at_once_are_refused(boss: Person, done: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upscaler.admin.upscales.MAX_AT_ONCE", 1)
    for action in ("retry", "refund"):
        assert said(act(boss, action, done(), done())) == ["Choose at most 1 at once. Nothing was done."]


def test_staff_who_may_only_look_are_offered_no_actions(boss: Person, done: Order) -> None:
    upscale = done()
    boss.user.is_superuser = False
    boss.user.save()
    assert boss.client.get(LIST).status_code == 403
    boss.user.user_permissions.add(Permission.objects.get(codename="view_upscale"))
    page = boss.client.get(LIST).content.decode()
    assert 'value="refund"' not in page
    act(boss, "refund", upscale, apply="Refund", note="No right to")
    assert not upscale.entries.filter(kind="refund").exists()
    boss.user.user_permissions.add(Permission.objects.get(codename="change_upscale"))
    act(boss, "refund", upscale, apply="Refund", note="May do so")
    assert upscale.entries.filter(kind="refund").exists()
    assert boss.client.post(f"{LIST}{upscale.pk}/change/", {"status": "Error"}).status_code == 403


def test_a_number_is_found_in_names_too(boss: Person, done: Order) -> None:
    first = done(name="48220_red.jpg")
    other = done(name=f"SKU-{first.pk}99.jpg")
    assert listed(boss, "q=48220") == [first.pk]
    assert listed(boss, f"q={first.pk}") == [other.pk, first.pk]
    assert listed(boss, f"q={other.pk}99") == []
    assert listed(boss, f"q=48220&team__id__exact={first.team_id + 1}") == []


def test_names_are_searched_in_the_days_that_are_chosen(boss: Person, done: Order) -> None:
    upscale = done(name="48220_red.jpg")
    with time_machine.travel(timezone.now() + timedelta(days=SEARCHED_DAYS + 1)):
        boss.client.force_login(boss.user)
        for term in ("48220", "red"):
            assert listed(boss, f"q={term}") == []
            assert listed(boss, f"q={term}&created_at__from={upscale.created_at:%Y-%m-%d}") == [upscale.pk]
        assert listed(boss, f"q={upscale.pk}") == [upscale.pk], "a number is found however old it is"
        assert f"in the last {SEARCHED_DAYS}" in boss.client.get(LIST).content.decode()


def test_staff_see_thumbnails_of_every_team_and_nobody_else_does(
    boss: Person, owner: Person, outsider: Person, done: Order
) -> None:
    upscale = done()
    Membership.objects.filter(user=boss.user).delete()
    address = f"{LIST}{upscale.pk}/thumbnail/"
    page = boss.client.get(LIST).content.decode()
    assert f'src="{address}"' in page and f"{LIST}{upscale.pk}/change/" in page
    answer = boss.client.get(address)
    assert answer["Content-Type"].startswith("image/") and "private" in answer["Cache-Control"]
    assert len(answer.getvalue()) == upscale.thumbnail.size
    assert boss.client.post(address).status_code == 405
    for wrong in (upscale.pk + 1, 9**40):
        assert boss.client.get(f"{LIST}{wrong}/thumbnail/").status_code == 404
    for person in (owner, outsider):
        assert person.client.get(address).status_code == 302, "to the admin's sign-in"
    boss.user.is_superuser = False
    boss.user.save()
    assert boss.client.get(address).status_code == 403
    boss.user.user_permissions.add(Permission.objects.get(codename="view_upscale"))
    assert boss.client.get(address).status_code == 200
    Upscale.objects.filter(pk=upscale.pk).update(withdrawn_at=timezone.now(), source_thumbnail="")
    assert boss.client.get(address).status_code == 404
    assert address not in boss.client.get(LIST).content.decode()


@pytest.mark.parametrize("model", ["creditentry", "auditevent"])
def test_records_are_only_read(model: str, boss: Person, done: Order) -> None:
    upscale = done()
    act(boss, "refund", upscale, apply="Refund", note="Wrong colours")
    row = {"creditentry": CreditEntry, "auditevent": AuditEvent}[model].objects.latest("pk")
    for page in (f"{row.pk}/change/", f"{row.pk}/delete/", "add/"):
        assert boss.client.post(f"/admin/upscaler/{model}/{page}", {"note": "x", "post": "yes"}).status_code == 403
    assert boss.client.get(f"/admin/upscaler/{model}/{row.pk}/change/").status_code == 200
    assert 'value="delete_selected"' not in boss.client.get(f"/admin/upscaler/{model}/").content.decode()
