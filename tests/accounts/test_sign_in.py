"""Signing in, and how guessing passwords is slowed and stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.test import Client, RequestFactory
from django.utils import timezone

from tests.conftest import Person
from upscaler.accounts import lockout
from upscaler.accounts.client_ip import client_address, origin
from upscaler.models import AuditEvent

PASSWORD = "a-good-password"


def sign_in(user: str, password: str = PASSWORD, *, client: Client | None = None, **more: Any) -> Any:
    address = more.pop("address", "203.0.113.7")
    client = client or Client()
    data = {"username": user, "password": password, **more}
    return client.post("/accounts/login/", data, REMOTE_ADDR=address)


def fail(user: str, times: int, **more: Any) -> list[int]:
    return [sign_in(user, "wrong", **more).status_code for _ in range(times)]


def test_signing_in_is_noted_in_every_team_of_the_person(owner: Person, outsider: Person) -> None:
    outsider.team.memberships.create(user=owner.user)
    answer = sign_in("owner", next="/history/")
    assert (answer.status_code, answer["Location"]) == (302, "/history/")
    events = AuditEvent.objects.filter(action="signed_in")
    assert {event.team for event in events} == {owner.team, outsider.team}
    assert {(event.user_name, event.address) for event in events} == {("owner", "203.0.113.7")}
    assert sign_in("owner", next="https://evil.example/")["Location"] == "/"


def test_a_name_is_locked_after_five_wrong_passwords(owner: Person, head: Person) -> None:
    assert fail("owner", 4) == [200] * 4
    answer = sign_in("owner", "wrong")
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert "locked here for a minute" in answer.content.decode()
    assert "<html" in answer.content.decode()
    right = sign_in("owner", next="/history/")
    assert right.status_code == 429, "the right password is refused as well"
    assert "/accounts/login/?next=%2Fhistory%2F" in right.content.decode()
    event = AuditEvent.objects.get(action="locked_out")
    assert (event.about, event.address) == ("for 1 minute after 5 wrong passwords", "203.0.113.7")
    assert sign_in("head").status_code == 302, "others from there still get in"
    assert sign_in("owner", address="198.51.100.1").status_code == 302, "and the person from elsewhere"


def test_the_lock_grows_with_each_further_failure_and_ends(owner: Person) -> None:
    fail("owner", 5)
    waits = []
    now = timezone.now()
    for _ in range(8):
        until = lockout.pause(5 + len(waits))
        with time_machine.travel(now + until + timedelta(seconds=2), tick=False):
            now = timezone.now()
            answer = sign_in("owner", "wrong")
            waits.append(int(answer["Retry-After"]))
    assert waits == [120, 240, 480, 960, 1920, 3600, 3600, 3600]
    with time_machine.travel(now + timedelta(seconds=3599)):
        assert sign_in("owner").status_code == 429
    with time_machine.travel(now + timedelta(seconds=3601)):
        assert sign_in("owner").status_code == 302
        assert fail("owner", 4) == [200] * 4, "getting in forgets what was before"
    assert AuditEvent.objects.filter(action="locked_out").count() == 9


def test_a_try_during_the_lock_does_not_lengthen_it(owner: Person) -> None:
    fail("owner", 5)
    start = timezone.now()
    with time_machine.travel(start + timedelta(seconds=50)):
        assert fail("owner", 3) == [429] * 3
    with time_machine.travel(start + timedelta(seconds=61)):
        assert sign_in("owner").status_code == 302


def test_an_address_that_tries_many_names_is_locked_as_a_whole(owner: Person) -> None:
    limit = 5 * lockout.ADDRESS_FACTOR
    assert [fail(f"guess-{i}", 1)[0] for i in range(limit - 1)] == [200] * (limit - 1)
    assert sign_in("owner").status_code == 302
    assert fail("one-more", 1) == [429], "getting in with one's own name does not clear the address"
    assert sign_in("owner").status_code == 429
    assert sign_in("owner", address="198.51.100.1").status_code == 302
    assert not AuditEvent.objects.filter(action="locked_out").exists(), "nobody's own name was locked"


def test_the_limit_is_a_setting(owner: Person, settings: Any) -> None:
    settings.LOGIN_FAILURES = settings.AXES_FAILURE_LIMIT = 2
    assert fail("owner", 2) == [200, 429]


def test_failures_are_forgotten_after_a_day(owner: Person) -> None:
    fail("owner", 4)
    fail("nobody-of-that-name", 1)
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=5)):
        assert fail("owner", 4) == [200] * 4
        assert AccessAttempt.objects.count() == 1, "and their rows are gone"


@pytest.mark.parametrize("user", ["", "\0", "o" * 5000, "é" * 150, "' OR 1=1"])
def test_odd_names_are_refused_without_an_error(owner: Person, user: str) -> None:
    for agent in ("", "x" * 5000, "\x01\xff"):
        assert sign_in(user, "wrong", client=Client(HTTP_USER_AGENT=agent, HTTP_ACCEPT=agent)).status_code == 200
    assert sign_in("owner", "wrong", address="").status_code == 200


def test_no_password_is_kept(owner: Person) -> None:
    sign_in("owner", "my-dear-secret")
    assert "my-dear-secret" not in str(AccessAttempt.objects.values().get())


def test_the_admin_uses_the_same_sign_in(owner: Person, head: Person) -> None:
    answer = Client().get("/admin/upscaler/team/", follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/login/?next=/admin/upscaler/team/"
    assert Client().get("/admin/login/?next=//evil.example/")["Location"].endswith("?next=%2Fadmin%2F")
    assert Client().post("/admin/login/", {"username": "owner", "password": PASSWORD}).status_code == 302
    assert owner.client.get("/admin/", follow=True).status_code == 403, "signed in and no staff: no way round"
    head.user.is_staff = True
    head.user.save()
    assert head.client.get("/admin/login/?next=/admin/upscaler/team/")["Location"] == "/admin/upscaler/team/"
    fail("head", 5)
    assert sign_in("head", next="/admin/").status_code == 429
    assert head.client.get("/admin/password_change/")["Location"] == "/accounts/password/"


def test_signing_out(owner: Person) -> None:
    assert owner.client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert owner.client.get("/history/").status_code == 302
    assert owner.client.get("/accounts/logout/").status_code == 405


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.1", "203.0.113.7"),
        (1, "", "203.0.113.7"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "203.0.113.7"),
        (1, "nonsense", "203.0.113.7"),
        (1, "::ffff:198.51.100.1", "198.51.100.1"),
        (1, "2001:db8:1:2:3::4", "2001:db8:1:2:3::4"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(
    proxies: int, forwarded: str, expected: str, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR="203.0.113.7")
    assert client_address(request) == expected


def test_a_whole_network_of_ipv6_counts_as_one_address() -> None:
    requests = [RequestFactory().get("/", REMOTE_ADDR=address) for address in ("2001:db8::1", "2001:db8::ffff:2", "")]
    assert [origin(request) for request in requests] == ["2001:db8::", "2001:db8::", None]
