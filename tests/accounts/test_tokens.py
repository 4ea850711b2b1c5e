"""API tokens: made and revoked on their page, shown once, refused in plain words, counted over all web processes."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from tests.api.test_api import URL_BODY
from tests.conftest import Person
from tests.support import pictures, services_available
from tests.support.concurrency import at_once
from upscaler.accounts import rate_limit, tokens
from upscaler.models import ApiToken, AuditEvent, Membership
from upscaler.text import format_datetime
from upscaler.views.tokens import TokenForm

FORM = {"name": "sync", "lasts": "90", "password": "a-good-password"}
SECRET = re.compile(r"ups_[\w-]{43}")


def made(person: Person, **sent: Any) -> tuple[Any, str]:
    """The answer to the page's form, and the token in clear."""
    answer = person.client.post("/tokens/", {**FORM, "form_key": uuid.uuid4(), **sent})
    found = SECRET.search(answer.content.decode())
    return answer, found[0] if found else ""


def called(clear: str, path: str = "credits", **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {clear}"}
    if options:
        return Client().post(f"/api/v1/{path}", headers=headers, **options)
    return Client().get(f"/api/v1/{path}", headers=headers)


def test_a_token_is_shown_once_and_works(owner: Person) -> None:
    key = uuid.uuid4()
    answer, clear = made(owner, name="Season import", form_key=key)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert f'Bearer {clear}" \\\n  http://testserver/api/v1/credits' in answer.content.decode().replace("&quot;", '"')
    credits = called(clear).json()
    assert (credits["team"], credits["balance"]) == ("atelier", 100)
    assert not ApiToken.objects.filter(digest=clear).exists()
    # Reload: the same form again shows nothing and makes nothing.
    again = owner.client.post(
        "/tokens/", {**FORM, "name": "Season import", "form_key": str(key)}, follow=True
    ).content.decode()
    assert "has made its token already" in again
    assert clear not in again
    assert ApiToken.objects.filter(name="Season import").count() == 1
    assert clear not in owner.client.get("/tokens/").content.decode()
    assert clear not in str(dict(owner.client.session)) + str(owner.client.cookies)
    event = AuditEvent.objects.get(action="token_issued", about__startswith="“Season import”")
    assert (event.team, event.user, event.token) == (owner.team, owner.user, tokens.find_token(clear))


@pytest.mark.django_db(transaction=True)
def test_one_form_makes_one_token_however_often_it_is_sent_at_once(owner: Person) -> None:
    key = uuid.uuid4()
    answers = at_once(5, lambda: made(owner, form_key=key)[0].status_code)
    assert sorted(answers) == [200, 302, 302, 302, 302]
    assert ApiToken.objects.filter(name="sync").count() == 1


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"name": ""}, "Give it a name"),
        ({"name": "x" * 101}, "100 letters at most"),
        ({"name": "a\0b"}, "Null characters"),
        ({"lasts": "7"}, "Choose from the list"),
        ({"lasts": ""}, "Choose how long"),
        ({"lasts": "date"}, "Choose the last day"),
        ({"lasts": "date", "until": "2020-01-01"}, "This day is over"),
        ({"lasts": "date", "until": "9999-12-31"}, "more than ten years"),
        ({"lasts": "date", "until": "tomorrow"}, "This is no date"),
        ({"form_key": "x"}, "Reload the page"),
    ],
)
def test_a_refusal_says_what_is_allowed(owner: Person, sent: dict[str, str], problem: str) -> None:
    answer, clear = made(owner, **sent)
    assert answer.status_code == 422
    assert problem in answer.content.decode()
    assert not clear
    assert ApiToken.objects.filter(user=owner.user).count() == 1


@pytest.mark.parametrize(("lasts", "days"), [("30", 30), ("90", 90), ("365", 365), ("never", None)])
def test_a_token_lasts_as_long_as_was_chosen(owner: Person, lasts: str, days: int | None) -> None:
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False) as clock:
        _, clear = made(owner, lasts=lasts)
        clock.shift(timedelta(days=days or 4000, seconds=-1))
        assert called(clear).status_code == 200
        clock.shift(timedelta(seconds=1))
        answer = called(clear)
        assert answer.status_code == (401 if days else 200)
        if days:
            until = format_datetime(ApiToken.objects.get(name="sync").expires_at)
            assert answer.json()["detail"].startswith(f"This token ran out on {until}.")
            assert answer["WWW-Authenticate"] == "Bearer"
            owner.client.force_login(owner.user)
            assert "Expired" in owner.client.get("/tokens/").content.decode()


def test_a_token_works_on_its_whole_last_day(owner: Person) -> None:
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False) as clock:
        _, clear = made(owner, lasts="date", until="2026-03-02")
        clock.move_to(datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC))
        assert called(clear).status_code == 200
        clock.move_to(datetime(2026, 3, 3, tzinfo=UTC))
        assert called(clear).status_code == 401


def test_a_token_that_may_only_look(owner: Person) -> None:
    _, clear = made(owner, read_only="true")
    for path in ("credits", "generations", "generation-results"):
        assert called(clear, path).status_code == 200
    picture = SimpleUploadedFile("s.jpg", pictures.jpeg())
    for answer in (
        called(clear, "generation-upscale", data=URL_BODY, content_type="application/json"),
        called(clear, "generation-upscale", data="{", content_type="application/json"),
        called(clear, "uploads", data={"file": picture}),
    ):
        assert answer.status_code == 403
        assert "may only look" in answer.json()["detail"]
    assert owner.balance == 100


def test_revoking_asks_first_and_holds_at_once(owner: Person) -> None:
    _, clear = made(owner)
    token = tokens.find_token(clear)
    url = f"/tokens/{token.pk}/revoke/"
    assert "Revoke “sync”?" in owner.client.get(url).content.decode()
    assert called(clear).status_code == 200
    assert "is revoked" in owner.client.post(url, follow=True).content.decode()
    answer = called(clear)
    assert answer.status_code == 401
    assert "was revoked on" in answer.json()["detail"]
    assert "was revoked before" in owner.client.post(url, follow=True).content.decode()
    assert AuditEvent.objects.filter(action="token_revoked", user=owner.user, token=token).count() == 1


def test_people_see_their_own_and_admins_the_team_s(
    owner: Person, teammate: Person, head: Person, outsider: Person
) -> None:
    made(owner, name="of the owner")
    token = ApiToken.objects.get(name="of the owner")
    url = f"/tokens/{token.pk}/revoke/"
    for person, sees in ((owner, True), (teammate, False), (head, True), (outsider, False)):
        assert ("of the owner" in person.client.get("/tokens/").content.decode()) is sees
        assert (person.client.get(url).status_code == 200) is sees
    for person in (teammate, outsider):
        assert person.client.post(url).status_code == 404
    assert head.client.post(url).status_code == 302
    assert AuditEvent.objects.get(action="token_revoked").about == "“of the owner” of owner"


def test_a_removed_owner_s_token_is_dead_and_says_why(owner: Person, head: Person) -> None:
    _, clear = made(owner)
    Membership.objects.filter(user=owner.user).delete()
    answer = called(clear)
    assert answer.status_code == 401
    assert "has left the team" in answer.json()["detail"]
    assert "Owner left" in head.client.get("/tokens/").content.decode()


def test_a_token_stays_dead_when_its_owner_comes_back(owner: Person, head: Person) -> None:
    clear = made(owner)[1]
    assert called(clear).status_code == 200
    # As staff do in the admin, which knows nothing of tokens.
    Membership.objects.filter(team=owner.team, user=owner.user).delete()
    Membership.objects.create(team=owner.team, user=owner.user)
    assert called(clear).status_code == called(owner.token).status_code == 401
    assert head.client.get("/tokens/").content.decode().count('data-state="Owner left"') == 2
    assert called(made(owner)[1]).status_code == 200


def test_many_tokens_come_in_pages_with_the_living_first(owner: Person) -> None:
    for i in range(60):
        token, _ = tokens.issue(team=owner.team, user=owner.user, name=f"number {i:02}")
        if i >= 55:
            tokens.revoke(token, by=owner.user)
    first = [row["token"].name for row in owner.client.get("/tokens/").context["rows"]]
    assert (first[0], len(first)) == ("number 54", 50)
    last = owner.client.get("/tokens/?page=2").context["rows"]
    assert [row["state"] for row in last] == ["Live"] * 6 + ["Revoked"] * 5
    assert len(owner.client.get("/tokens/?page=0_2").context["rows"]) == 50, "no number, so the first page"
    for page in ("x", "-1", "0", "9" * 5000, "\0"):
        assert owner.client.get("/tokens/", {"page": page}).status_code == 200


def test_the_command_limits_tokens_too(owner: Person, capsys: pytest.CaptureFixture[str]) -> None:
    who = ("issue_token", "--team", "atelier", "--user", "owner", "--name", "cron")
    call_command(*who, "--expires-days", "30", "--read-only")
    token = tokens.find_token(capsys.readouterr().out.splitlines()[-1])
    assert token.read_only
    assert token.expires_at is not None
    assert 29 <= (token.expires_at - token.created_at).days <= 30
    for wrong in (("--expires-days", "0"), ("--expires-days", "99999"), ("--name", " "), ("--name", "x" * 101)):
        with pytest.raises(CommandError):
            call_command(*who, *wrong)


def test_staff_revoke_in_the_admin_and_type_nothing(owner: Person, head: Person) -> None:
    _, clear = made(owner)
    token = tokens.find_token(clear)
    head.user.is_staff = head.user.is_superuser = True
    head.user.save()
    change = f"/admin/upscaler/apitoken/{token.pk}/change/"
    assert head.client.get(change).status_code == 200
    assert head.client.post(change, {"read_only": ""}).status_code == 403
    head.client.post("/admin/upscaler/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    assert called(clear).status_code == 401
    assert AuditEvent.objects.get(action="token_revoked").user == head.user


# --- The limit of calls ---------------------------------------------------------------------------

COUNT = """
    import django
    django.setup()
    from django.conf import settings
    settings.CACHES["default"] = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "%s"}
    from upscaler.accounts import rate_limit
    print([rate_limit.count("%s", seconds=60) for _ in range(3)][-1])
"""


@pytest.fixture
def redis_url() -> Iterator[str]:
    if not services_available.redis():
        pytest.skip("Redis does not answer")
    with override_settings(CACHES=_redis(services_available.REDIS_URL)):
        yield services_available.REDIS_URL


def _redis(url: str) -> Any:
    return {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}


def test_another_process_counts_the_same_calls(redis_url: str) -> None:
    key = f"test-{uuid.uuid4().hex}"
    assert rate_limit.count(key, seconds=60) == 1
    script = textwrap.dedent(COUNT) % (redis_url, key)
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "4"
    assert rate_limit.count(key, seconds=60) == 5
    cache.delete(key)


@override_settings(API_RATE="2/h")
def test_too_many_calls_are_told_when_to_come_back(owner: Person, redis_url: str) -> None:
    _, clear = made(owner)
    assert [called(clear).status_code for _ in range(2)] == [200, 200]
    answer = called(clear)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert called(owner.token).status_code == 200  # another token has its own count


def test_a_cache_that_is_away_holds_nobody_up(
    owner: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rate_limit, "_away_until", 0.0)
    with override_settings(CACHES=_redis("redis://127.0.0.1:1/0"), API_RATE="1/h"):
        assert [called(owner.token).status_code for _ in range(3)] == [200] * 3
        assert Client().get("/readyz").status_code == 200
    # Asked once and then left alone, so that not every call waits for it.
    assert len([line for line in caplog.messages if "the cache does not answer" in line]) == 1


def test_whoever_was_removed_in_the_meantime_gets_no_token(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    right = TokenForm.is_valid

    def removed(form: TokenForm) -> bool:
        Membership.objects.filter(user=owner.user).delete()
        return right(form)

    monkeypatch.setattr(TokenForm, "is_valid", removed)
    answer, clear = made(owner)
    assert (answer.status_code, clear) == (302, "")
    assert not ApiToken.objects.filter(name="sync").exists()
