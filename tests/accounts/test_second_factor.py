"""The second factor: setting it up, signing in with it, guessing it, losing the phone, and staff who must have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.accounts.test_passwords import NEW, link_for
from tests.accounts.test_sign_in import PASSWORD, fail, sign_in
from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler.models import AuditEvent

PAGE = "/accounts/second-factor/"
CODE_PAGE = "/accounts/login/code/"


@pytest.fixture
def clock() -> Iterator[Any]:
    """A clock that stands until a test moves it, since a code is good for half a minute and once."""
    with time_machine.travel(datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC), tick=False) as clock:
        yield clock


def code_of(person: Person, *, confirmed: bool = True) -> str:
    device = TOTPDevice.objects.get(user=person.user, confirmed=confirmed)
    return f"{totp(device.bin_key, step=30):06}"


def next_code(person: Person, clock: Any) -> str:
    clock.shift(timedelta(seconds=30))
    return code_of(person)


def set_up(person: Person, **change: str) -> tuple[Any, list[str]]:
    """Turn it on by the page; the answer, and the recovery codes on it."""
    person.client.get(PAGE)
    answer = person.client.post(PAGE, {"password": PASSWORD, "code": code_of(person, confirmed=False), **change})
    return answer, re.findall(r"<code>([a-z2-7]{5}-[a-z2-7]{5})</code>", answer.content.decode())


def half_signed_in(name: str, **more: Any) -> Client:
    client = Client()
    answer = sign_in(name, client=client, **more)
    assert (answer.status_code, answer["Location"]) == (302, CODE_PAGE)
    return client


def give(client: Client, code: str, address: str = "203.0.113.7") -> Any:
    return client.post(CODE_PAGE, {"code": code}, REMOTE_ADDR=address)


def test_it_is_set_up_from_the_account_page_without_any_script(owner: Person, clock: Any) -> None:
    assert f'href="{PAGE}"' in owner.client.get("/accounts/password/").content.decode()
    page = owner.client.get(PAGE).content.decode()
    drawing = page[page.index("<svg", page.index("qr-box")) : page.index("</div>", page.index("qr-box"))]
    assert "style=" not in drawing and "<script" not in drawing and "QR code for the app" in drawing
    key = re.search(r"Key: <code>([A-Z2-7 ]+)</code>", page)
    assert key and len(key[1].replace(" ", "")) == 32
    assert owner.client.get(PAGE).content.decode().count(key[1]) == 1, "the same one when the page is loaded again"
    answer, codes = set_up(owner)
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert len(set(codes)) == 10
    stored = str(list(StaticToken.objects.values()))
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)
    again = owner.client.get(PAGE).content.decode()
    assert "It is on" in again and "10 recovery codes are left" in again
    assert codes[0] not in again
    assert owner.client.get("/history/").status_code == 200, "signed in still"
    assert str(AuditEvent.objects.get(action="second_factor_on")) == "owner: Turned the second factor on"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "not your password"),
        ({"password": ""}, "give your password"),
        ({"code": "000000"}, "not the code of now"),
        ({"code": ""}, "give the code"),
        ({"code": "x" * 50}, "A code is shorter"),
        ({"code": "a\0b"}, "Null characters"),
        ({"code": "٣٣٣٣٣٣"}, "not the code of now"),
    ],
)
def test_it_is_not_turned_on_by_chance(owner: Person, clock: Any, change: dict[str, str], words: str) -> None:
    answer, codes = set_up(owner, **change)
    assert (answer.status_code, codes) == (422, [])
    assert words in answer.content.decode()
    assert sign_in("owner")["Location"] == "/", "the password alone still signs in"


def test_signing_in_takes_both_and_goes_where_one_wanted(owner: Person, clock: Any) -> None:
    set_up(owner)
    client = half_signed_in("owner", next="/ledger/")
    assert client.get("/history/").status_code == 302, "half signed in is not signed in"
    assert client.get("/admin/").status_code == 302
    assert not AuditEvent.objects.filter(action="signed_in").exists()
    page = client.get(CODE_PAGE)
    assert 'autocomplete="one-time-code"' in page.content.decode() and "no-store" in page["Cache-Control"]
    wrong = give(client, "123456")
    assert wrong.status_code == 200 and "not the code of now" in wrong.content.decode()
    clock.shift(timedelta(seconds=5))
    code = next_code(owner, clock)
    answer = give(client, f" {code[:3]} {code[3:]} ")
    assert (answer.status_code, answer["Location"]) == (302, "/ledger/")
    assert client.get("/ledger/").status_code == 200
    assert AuditEvent.objects.filter(action="signed_in").count() == 1
    assert client.get(CODE_PAGE)["Location"] == "/accounts/login/"
    evil = half_signed_in("owner", next="https://evil.example/")
    assert give(evil, next_code(owner, clock))["Location"] == "/"


def test_a_code_signs_in_once(owner: Person, clock: Any) -> None:
    set_up(owner)
    code = next_code(owner, clock)
    first, second = half_signed_in("owner"), half_signed_in("owner")
    assert give(first, code).status_code == 302
    assert "used before" in give(second, code).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_code_that_is_given_twice_at_once_signs_in_once(owner: Person) -> None:
    _, codes = set_up(owner)
    waiting = [half_signed_in("owner") for _ in range(4)]
    assert sorted(at_once(4, lambda: give(waiting.pop(), codes[0]).status_code)) == [200, 200, 200, 302]


def test_recovery_codes_sign_in_once_each_and_are_made_anew(owner: Person, clock: Any) -> None:
    _, codes = set_up(owner)
    client = half_signed_in("owner")
    assert give(client, codes[0].upper()).status_code == 302
    assert give(half_signed_in("owner"), codes[0]).status_code == 200, "used up"
    clock.shift(timedelta(minutes=1))
    assert "9 recovery codes are left" in client.get(PAGE).content.decode()
    answer = client.post(f"{PAGE}codes/", {"password": PASSWORD, "code": codes[1]})
    new = re.findall(r"<code>([a-z2-7]{5}-[a-z2-7]{5})</code>", answer.content.decode())
    assert len(new) == 10 and not set(new) & set(codes)
    assert "the ones from before no longer work" in answer.content.decode()
    assert client.get("/history/").status_code == 200
    assert give(half_signed_in("owner"), codes[2]).status_code == 200
    clock.shift(timedelta(minutes=1))
    assert give(half_signed_in("owner"), new[0]).status_code == 302
    assert AuditEvent.objects.filter(action="recovery_codes").count() == 1


def test_wrong_codes_lock_the_name_as_wrong_passwords_do(owner: Person, clock: Any) -> None:
    set_up(owner)
    client = half_signed_in("owner")
    answers = []
    for _ in range(5):
        answers.append(give(client, "000000").status_code)
        clock.shift(timedelta(seconds=20))
    assert answers == [200, 200, 200, 200, 429]
    assert give(client, code_of(owner)).status_code == 429, "the right code is refused as well"
    assert sign_in("owner").status_code == 429, "and the right password"
    assert AuditEvent.objects.filter(action="locked_out").count() == 1
    assert fail("owner", 1, address="198.51.100.1") == [200], "not from elsewhere"


def test_guessing_from_many_addresses_is_slowed_for_the_account(owner: Person, clock: Any) -> None:
    set_up(owner)
    client = half_signed_in("owner")
    for number in range(4):
        clock.shift(timedelta(seconds=10))
        assert "not the code of now" in give(client, "000000", address=f"198.51.100.{number}").content.decode()
    answer = give(client, code_of(owner), address="198.51.100.99")
    assert answer.status_code == 200 and "After wrong codes there is a pause" in answer.content.decode()


def test_the_password_counts_for_ten_minutes_and_no_longer_than_it_is_the_password(owner: Person, clock: Any) -> None:
    set_up(owner)
    late, replaced = half_signed_in("owner"), half_signed_in("owner")
    clock.shift(timedelta(minutes=9))
    assert late.get(CODE_PAGE).status_code == 200
    owner.user.set_password(NEW)
    owner.user.save()
    assert give(replaced, code_of(owner))["Location"] == "/accounts/login/"
    clock.shift(timedelta(minutes=2))
    assert give(late, code_of(owner))["Location"] == "/accounts/login/"


def test_a_new_password_by_e_mail_does_not_do_without_it(owner: Person, clock: Any) -> None:
    set_up(owner)
    guest = Client()
    here = guest.get(link_for(owner), follow=True).redirect_chain[-1][0]
    guest.post(here, {"new_password1": NEW, "new_password2": NEW})
    assert guest.get("/history/").status_code == 302
    assert sign_in("owner", NEW)["Location"] == CODE_PAGE


def test_turning_it_on_ends_the_sessions_elsewhere(owner: Person, clock: Any) -> None:
    elsewhere = Client()
    sign_in("owner", client=elsewhere)
    assert elsewhere.get("/history/").status_code == 200
    set_up(owner)
    assert elsewhere.get("/history/").status_code == 302
    assert owner.client.get("/history/").status_code == 200


def test_turning_it_off_takes_password_and_code(owner: Person, clock: Any) -> None:
    set_up(owner)
    for data in ({"password": "wrong", "code": next_code(owner, clock)}, {"password": PASSWORD, "code": "000000"}):
        assert owner.client.post(f"{PAGE}off/", data).status_code == 422
    clock.shift(timedelta(minutes=1))
    answer = owner.client.post(f"{PAGE}off/", {"password": PASSWORD, "code": next_code(owner, clock)}, follow=True)
    assert "The second factor is off" in answer.content.decode()
    assert sign_in("owner")["Location"] == "/"
    assert str(AuditEvent.objects.get(action="second_factor_off")) == "owner: Turned the second factor off"


def test_somebody_else_s_device_opens_nothing(owner: Person, head: Person, clock: Any) -> None:
    _, codes = set_up(owner)
    set_up(head)
    client = half_signed_in("head")
    assert give(client, codes[0]).status_code == 200
    clock.shift(timedelta(minutes=1))
    assert give(client, code_of(owner)).status_code == 200


def test_a_lost_device_is_taken_away_by_a_command_or_in_the_admin(owner: Person, head: Person, clock: Any) -> None:
    for name in ("owner", "nobody"):
        with pytest.raises(CommandError):
            call_command("reset_second_factor", user=name)
    set_up(owner)
    call_command("reset_second_factor", user="owner")
    assert owner.client.get("/history/").status_code == 302, "signed out everywhere"
    assert sign_in("owner", client=owner.client)["Location"] == "/"
    event = AuditEvent.objects.get(action="second_factor_off")
    assert event.about == "of owner, with manage.py reset_second_factor" and event.user is None
    set_up(owner)
    head.user.is_staff = head.user.is_superuser = True
    head.user.save()
    chosen = {"action": "take_second_factor", "_selected_action": [owner.user.pk]}
    answer = head.client.post("/admin/auth/user/", chosen, follow=True)
    assert "Taken away: 1" in answer.content.decode()
    assert sign_in("owner")["Location"] == "/"
    assert (
        str(AuditEvent.objects.filter(action="second_factor_off")[0]) == "head: Turned the second factor off of owner"
    )
    for page in ("otp_totp/totpdevice", "otp_static/staticdevice"):
        assert head.client.get(f"/admin/{page}/").status_code == 404, "the secrets are shown to nobody"


def test_staff_who_must_have_it_get_no_further_than_setting_it_up(head: Person, clock: Any, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True
    assert head.client.get("/history/").status_code == 200, "who is no staff need not"
    head.user.is_staff = head.user.is_superuser = True
    head.user.save()
    client = Client()
    assert sign_in("head", client=client, next="/admin/")["Location"] == "/admin/"
    for page in ("/admin/", "/", "/usage/?team=all", "/team/", "/admin/auth/user/", "/upscales/1/result/"):
        assert client.get(page)["Location"] == PAGE
    assert client.post("/ledger/grant/", {"amount": 5, "note": "x"})["Location"] == PAGE
    assert "Staff of this desk" in client.get(PAGE).content.decode()
    assert client.get("/accounts/password/").status_code == 200
    answer = client.post(PAGE, {"password": PASSWORD, "code": code_of(head, confirmed=False)})
    assert answer.status_code == 200
    assert client.get("/admin/").status_code == 200
    refused = client.post(f"{PAGE}off/", {"password": PASSWORD, "code": next_code(head, clock)}, follow=True)
    assert "so it stays on" in refused.content.decode() and TOTPDevice.objects.filter(confirmed=True).exists()
    assert client.post("/accounts/logout/").status_code == 302
    second = half_signed_in("head", next="/admin/")
    assert second.get("/admin/").status_code == 302
    assert give(second, next_code(head, clock))["Location"] == "/admin/"
    assert second.get("/admin/").status_code == 200


def test_staff_who_are_no_superusers_can_t_make_themselves_one(owner: Person, head: Person) -> None:
    from django.contrib.auth.models import Permission

    head.user.is_superuser = True
    head.user.save()
    owner.user.is_staff = True
    owner.user.save()
    owner.user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    form = {
        "username": "owner",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "date_joined_0": "2026-01-01",
    }
    form["date_joined_1"] = "10:00:00"
    assert owner.client.post(f"/admin/auth/user/{owner.user.pk}/change/", form).status_code == 302
    assert not get_user_model().objects.get(username="owner").is_superuser
    new = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert owner.client.post(f"/admin/auth/user/{head.user.pk}/password/", new).status_code == 403
    assert owner.client.post(f"/admin/auth/user/{head.user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert get_user_model().objects.get(username="head").check_password(PASSWORD)
