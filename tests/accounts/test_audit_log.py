"""The audit log: what gets into it, who reads it, and that nothing gets out of it again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import Person
from upscaler.accounts import audit_log
from upscaler.models import AppendOnlyError, AuditEvent, Membership, Upscale, media_storage
from upscaler.processing import lifecycle
from upscaler.views.activity import PAGE_SIZE


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))


def rows_of(answer: Any) -> list[list[str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def shown(answer: Any) -> list[str]:
    """What each row of the page says of the deed."""
    cells = re.findall(r'<td class="event-what">(.*?)</td>', answer.content.decode(), re.DOTALL)
    return [" ".join(re.sub("<[^>]+>", "", cell).split()) for cell in cells]


def test_a_download_is_noted_once(owner: Person, head: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(name="red.jpg")
    address = f"/upscales/{upscale.pk}/download/"
    owner.client.head(address)
    assert events("downloaded") == [], "nothing was sent"
    owner.client.get(address)
    [event] = events("downloaded")
    assert (event.user, event.team, event.upscale, event.about) == (owner.user, owner.team, upscale, "red.jpg")
    owner.client.get(address, headers={"Range": "bytes=1000-"})
    assert len(events("downloaded")) == 1, "the same download goes on"
    owner.client.get(address)
    assert len(events("downloaded")) == 2
    head.client.get(address, headers={"Range": "bytes=1-"})
    assert len(events("downloaded")) == 3, "a part alone is answered with the whole file, so it counts"
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        owner.client.get(address, headers={"Range": "bytes=1-"})
    assert len(events("downloaded")) == 4
    for kind in ("thumbnail", "before", "after"):
        owner.client.get(f"/upscales/{upscale.pk}/{kind}/")
    assert len(events("downloaded")) == 4, "looking is no download"
    assert f'href="/upscales/{upscale.pk}/"' in head.client.get("/team/activity/").content.decode()


def test_a_download_of_a_file_that_is_gone_is_none(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    media_storage().delete(upscale.result_file.name or "")
    assert owner.client.get(f"/upscales/{upscale.pk}/download/").status_code == 404
    assert events("downloaded") == []


def test_a_signed_link_is_noted_for_whom_the_desk_knows(
    owner: Person, teammate: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    result = owner.api("get", f"generation-result/{upscale.result_id}").json()["image_url"]
    assert Client().get(result).status_code == outsider.client.get(result).status_code == 200
    assert events("downloaded") == [], "who holds a link without a session or token is not known"
    Client().get(result, headers={"Authorization": f"Bearer {owner.token}"})
    teammate.client.get(result)
    by_token, by_session = events("downloaded")
    assert by_token.token is not None and (by_token.user, by_token.token.name) == (owner.user, "tests")
    assert (by_session.user, by_session.token, by_session.upscale) == (teammate.user, None, upscale)
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        assert Client().get(result).status_code == outsider.client.get(result).status_code == 410
        assert teammate.client.get(result).status_code == 200
    assert len(events("downloaded")) == 3


def test_a_person_of_several_teams_gets_each_team_s_old_links(
    owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    result = owner.api("get", f"generation-result/{done().result_id}").json()["image_url"]
    Membership.objects.create(team=owner.team, user=outsider.user)
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        assert outsider.client.get(result).status_code == 200
    assert [event.team for event in events("downloaded")] == [owner.team]


def test_trying_again_is_noted_with_the_new_upscale(owner: Person, order: Callable[..., Upscale]) -> None:
    failed = order(name="blue.jpg")
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It was too blue.", code="test")
    for _ in range(2):
        owner.client.post(f"/upscales/{failed.pk}/retry/")
    [event] = events("retried")
    assert event.upscale is not None and event.upscale.retry_of == failed
    assert (event.about, event.address) == (f"blue.jpg (was {failed.pk})", "127.0.0.1")


def fill(team: Any, count: int, users: list[Any], action: str = "signed_in") -> None:
    for i in range(count):
        audit_log.record(action, team=team, user=users[i % len(users)], about=f"number {i}")


def test_pages_and_filters(head: Person, owner: Person, outsider: Person) -> None:
    fill(head.team, PAGE_SIZE + 5, [owner.user, head.user])
    fill(outsider.team, 3, [outsider.user], "granted")
    audit_log.record("granted", team=head.team, user=None, about="50 credits")
    first = head.client.get("/team/activity/")
    assert shown(first)[:2] == ["Granted credits 50 credits", f"Signed in number {PAGE_SIZE + 4}"]
    assert "The desk" in first.content.decode(), "what nobody did by hand"
    assert len(shown(first)) == PAGE_SIZE
    second = head.client.get(first.context["older_url"])
    assert [len(shown(second)), shown(second)[-1]] == [6, "Signed in number 0"]
    assert shown(head.client.get(second.context["newer_url"])) == shown(first)
    assert shown(head.client.get("/team/activity/?action=granted")) == ["Granted credits 50 credits"]
    of_owner = head.client.get(f"/team/activity/?person={owner.user.pk}&action=signed_in")
    assert len(shown(of_owner)) == (PAGE_SIZE + 5 + 1) // 2
    assert "Nothing matches" in head.client.get("/team/activity/?action=removed").content.decode()
    assert head.client.get("/team/activity/?before=1")["Location"] == "/team/activity/"
    for nonsense in ("action=danced", "person=x", "person=\0", "before=x", f"after=-{'9' * 5000}"):
        assert len(shown(head.client.get(f"/team/activity/?{nonsense}"))) == PAGE_SIZE
        assert head.client.get(f"/team/activity.csv?{nonsense}").status_code == 200


def test_the_file_holds_what_is_filtered_and_runs_nothing(head: Person, owner: Person, settings: Any) -> None:
    fill(head.team, PAGE_SIZE + 5, [owner.user])
    for about in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain, “quoted”\nsecond line"):
        audit_log.record("retried", team=head.team, user=head.user, about=about)
    answer = head.client.get("/team/activity.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="activity-atelier.csv"'
    header, *rows = rows_of(answer)
    assert header == ["When", "Person", "Action", "About", "Upscale", "Token", "Address"]
    assert len(rows) == PAGE_SIZE + 5 + 7
    assert rows[0][1:4] == ["head", "Tried again", "plain, “quoted”\nsecond line"]
    assert [row[3] for row in rows[1:7]] == ["'\r=1", "'\t=1", "'@SUM(A1)", "'-1", "'+1", "'=1+1"]
    assert len(rows_of(head.client.get("/team/activity.csv?action=retried"))) == 8
    settings.TIME_ZONE = "Asia/Kolkata"
    assert rows_of(head.client.get("/team/activity.csv"))[1][0].endswith("+05:30"), "as on the page and in the ledger"
    assert (
        'href="/team/activity.csv?action=retried"' in head.client.get("/team/activity/?action=retried").content.decode()
    )


def test_only_admins_of_the_team_read_it(owner: Person, head: Person, outsider: Person) -> None:
    audit_log.record("granted", team=head.team, user=head.user, about="secret sum")
    for address in ("/team/activity/", "/team/activity.csv"):
        assert owner.client.get(address).status_code == 403
        assert Client().get(address).status_code == 302
        assert head.client.post(address).status_code == 405
    Membership.objects.filter(user=outsider.user).update(role="admin")
    assert "secret sum" not in outsider.client.get("/team/activity/").content.decode()
    assert "secret sum" not in str(rows_of(outsider.client.get("/team/activity.csv")))


def test_the_log_only_grows_and_still_names_those_who_are_gone(head: Person, owner: Person) -> None:
    event = audit_log.record("granted", team=head.team, user=owner.user, about="x")
    for change in (event.save, event.delete, AuditEvent.objects.all().delete):
        with pytest.raises(AppendOnlyError):
            change()
    with pytest.raises(AppendOnlyError):
        AuditEvent.objects.update(about="y")
    owner.user.memberships.all().delete()
    page = head.client.get("/team/activity/").content.decode()
    assert f'<option value="{owner.user.pk}">' in page, "who was removed can still be asked for"
    get_user_model().objects.filter(pk=owner.user.pk).delete()
    assert "owner" in head.client.get("/team/activity/").content.decode()


def test_staff_read_events_and_invitations_in_the_admin_and_change_none(head: Person) -> None:
    head.user.is_staff = head.user.is_superuser = True
    head.user.save()
    event = audit_log.record("granted", team=head.team, user=head.user, about="x")
    invitation = head.team.invitations.create(email="a@b.example", digest="x", expires_at=timezone.now())
    for model, pk in (("auditevent", event.pk), ("invitation", invitation.pk)):
        base = f"/admin/upscaler/{model}/"
        assert head.client.get(f"{base}?q=a").status_code == 200
        assert head.client.get(f"{base}{pk}/change/").status_code == 200
        assert head.client.post(f"{base}{pk}/change/", {"about": "y"}).status_code == 403
        assert head.client.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
        assert head.client.get(f"{base}add/").status_code == 403


def test_the_page_asks_the_database_a_constant_number_of_times(head: Person) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert head.client.get("/team/activity/").status_code == 200
        return len(queries)

    User = get_user_model()
    people = User.objects.bulk_create(User(username=f"person-{i}") for i in range(30))
    fill(head.team, 3, people[:3])
    few = count()
    fill(head.team, 30, people)
    assert count() == few <= 6
