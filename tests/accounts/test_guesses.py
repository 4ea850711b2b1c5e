"""Guessing at whatever is no sign-in: passwords that are asked again, links, resets, tokens."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from tests.accounts.test_invitations import ACCOUNT, invite
from tests.accounts.test_passwords import NEW, link_for
from tests.accounts.test_sign_in import PASSWORD, fail, sign_in
from tests.conftest import Person
from tests.support.mail import deliver
from upscaler.accounts import guesses, invitations
from upscaler.models import ApiToken, AuditEvent, Email

HERE = "203.0.113.7"
ELSEWHERE = "198.51.100.1"
TOKEN_FORM = {"name": "sync", "lasts": "90"}


@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        ("/accounts/password/", "old_password", {"new_password1": NEW, "new_password2": NEW}),
        ("/tokens/", "password", {**TOKEN_FORM, "form_key": str(uuid.uuid4())}),
        ("/accounts/second-factor/", "password", {"code": "123456"}),
    ],
)
def test_wrong_passwords_on_any_page_count_as_failed_sign_ins(
    owner: Person, path: str, field: str, more: dict[str, str]
) -> None:
    statuses = [owner.client.post(path, {**more, field: "wrong"}, REMOTE_ADDR=HERE).status_code for _ in range(5)]
    assert statuses[-1] == 429 and set(statuses[:-1]) <= {200, 422}
    locked = owner.client.post(path, {**more, field: PASSWORD}, REMOTE_ADDR=HERE)
    assert locked.status_code == 429 and "Retry-After" in locked.headers, "the right one is refused as well"
    assert sign_in("owner").status_code == 429
    assert not ApiToken.objects.filter(name="sync").exists()
    assert AuditEvent.objects.filter(action="locked_out").count() == 1
    assert owner.client.get("/history/").status_code == 200, "whoever is signed in works on"
    assert sign_in("owner", address=ELSEWHERE).status_code == 302


def test_what_is_wrong_beside_the_password_costs_no_try(owner: Person) -> None:
    for _ in range(7):
        data = {**TOKEN_FORM, "name": "", "password": "wrong", "form_key": uuid.uuid4()}
        assert owner.client.post("/tokens/", data, REMOTE_ADDR=HERE).status_code == 422
    assert sign_in("owner").status_code == 302


def test_a_token_is_made_with_the_password_alone(owner: Person) -> None:
    for password, words in (("", "give your password"), ("wrong", "not your password")):
        data = {**TOKEN_FORM, "password": password, "form_key": uuid.uuid4()}
        answer = owner.client.post("/tokens/", data)
        page = answer.content.decode()
        assert answer.status_code == 422 and words in page
        assert 'value="sync"' in page, "nothing has to be typed twice"
        assert "wrong" not in page.split("<main")[1].replace("Retry", "")
    assert not ApiToken.objects.filter(name="sync").exists()


def test_guessed_invitations_are_slowed_by_address(head: Person) -> None:
    link = invite(head)
    guesser = Client(REMOTE_ADDR=HERE)
    statuses = [guesser.get(f"/invitations/{uuid.uuid4()}/").status_code for _ in range(guesses.INVITATION.most + 1)]
    assert set(statuses[:-1]) == {404} and statuses[-1] == 429
    refused = guesser.post(link, ACCOUNT)
    assert refused.status_code == 429 and 1 <= int(refused["Retry-After"]) <= guesses.INVITATION.seconds + 1
    assert "Too many tries" in refused.content.decode()
    assert Client(REMOTE_ADDR=ELSEWHERE).get(link).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=guesses.INVITATION.seconds + 1)):
        assert guesser.get(link).status_code == 200


def test_guessed_links_for_a_new_password_are_slowed_by_address(owner: Person) -> None:
    link = link_for(owner)
    guesser = Client(REMOTE_ADDR=HERE)
    uid = link.split("/")[3]
    tries = [guesser.get(f"/accounts/forgotten/{uid}/x-{number}/").status_code for number in range(21)]
    assert set(tries[:20]) == {200} and tries[20] == 429
    assert guesser.get(link).status_code == 429
    assert Client(REMOTE_ADDR=ELSEWHERE).get(link).status_code == 302


def test_asking_for_links_is_slowed_by_address_and_for_each_person(owner: Person) -> None:
    start = timezone.now()
    link_for(owner)
    asker = Client(REMOTE_ADDR=HERE)
    for number in range(1, 12):
        with time_machine.travel(start + timedelta(seconds=61 * number)):
            Client(REMOTE_ADDR=f"198.51.100.{number}").post("/accounts/forgotten/", {"email": "owner@example.com"})
            deliver()
    assert len(deliver()) == 5, "in an hour, from wherever"
    with time_machine.travel(start + timedelta(hours=2)):
        Client().post("/accounts/forgotten/", {"email": "owner@example.com"})
        assert len(deliver()) == 6
        before = Email.objects.count()
        for number in range(guesses.RESET.most):
            answer = asker.post("/accounts/forgotten/", {"email": f"{number}@example.com"})
            assert answer.status_code == 302
        assert asker.post("/accounts/forgotten/", {"email": "x@example.com"}).status_code == 429
        assert Email.objects.count() == before + guesses.RESET.most


def test_guessed_tokens_are_slowed_and_right_ones_of_the_same_office_work_on(owner: Person) -> None:
    guesser = Client(REMOTE_ADDR=HERE)

    def call(token: str) -> Any:
        return guesser.get("/api/v1/credits", headers={"Authorization": f"Bearer {token}"})

    with time_machine.travel(timezone.now(), tick=False):
        statuses = [call(f"ups_{number}").status_code for number in range(guesses.TOKEN.most)]
        assert set(statuses) == {401}
        refused = call("ups_one-more")
        assert (refused.status_code, refused["Retry-After"]) == (429, "60")
        assert "wrong tokens came from your address" in refused.json()["detail"]
        assert call(owner.token).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert call("ups_again").status_code == 401


def test_nobody_sends_invitations_without_end(head: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MAX_PER_HOUR", 3)
    for number in range(3):
        invite(head, f"{number}@example.com")
    answer = head.client.post("/team/invite/", {"email": "one-more@example.com", "role": "merchandiser"})
    assert answer.status_code == 422 and "invitations in the last hour" in answer.content.decode()
    pk = head.team.invitations.first().pk
    again = head.client.post("/team/invitations/again/", {"invitation": pk}, follow=True)
    assert "invitations in the last hour" in again.content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        invite(head, "one-more@example.com")


def _reset(link: str, **more: str) -> str:
    guest = Client()
    here = guest.get(link, follow=True).redirect_chain[-1][0]
    answer = guest.post(here, {"new_password1": NEW, "new_password2": NEW, **more}, follow=True)
    return answer.content.decode()


def test_a_new_password_by_e_mail_may_end_the_tokens(owner: Person, outsider: Person) -> None:
    outsider.team.memberships.create(user=owner.user)
    ApiToken.objects.create(team=outsider.team, user=owner.user, name="other", digest="0" * 64)
    link = link_for(owner)
    page = Client().get(link, follow=True).content.decode()
    assert 'name="revoke_tokens"' in page and "checked" not in page
    assert "2 tokens are revoked" in _reset(link, revoke_tokens="true")
    assert owner.api("get", "credits").status_code == 401
    assert {event.team for event in AuditEvent.objects.filter(action="token_revoked")} == {owner.team, outsider.team}
    assert outsider.api("get", "credits").status_code == 200


def test_a_forgotten_password_stops_no_program_by_itself(owner: Person) -> None:
    assert "revoked" not in _reset(link_for(owner))
    assert owner.api("get", "credits").status_code == 200


def test_a_changed_password_may_end_the_tokens(owner: Person) -> None:
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = owner.client.post("/accounts/password/", {**data, "revoke_tokens": "true"}, follow=True)
    assert "1 token is revoked" in answer.content.decode()
    assert owner.api("get", "credits").status_code == 401


def test_a_short_password_from_before_is_good_until_it_is_changed(owner: Person) -> None:
    owner.user.set_password("short-1")
    owner.user.save()
    assert sign_in("owner", "short-1").status_code == 302
    assert fail("owner", 1) == [200]
