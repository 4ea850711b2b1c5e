"""The commands and settings that operators rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings

from tests.conftest import Person
from tests.support.live_server import ROOT
from upscaler.accounts import tokens
from upscaler.health import checks
from upscaler.models import CreditEntry, Team, Upscale


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with nothing in its environment but this and a key."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SECRET_KEY": "for-tests-only", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_token_is_printed_alone_on_the_last_line(owner: Person) -> None:
    lines = run("issue_token", "--team", "atelier", "--user", "owner", "--name", "season script").splitlines()
    token = tokens.find_token(lines[-1])
    assert token is not None
    assert (token.team, token.user, token.name) == (owner.team, owner.user, "season script")


def test_a_token_for_a_person_outside_the_team_is_refused(owner: Person, outsider: Person) -> None:
    with pytest.raises(CommandError, match="no person 'outsider' in a team 'atelier'"):
        run("issue_token", "--team", "atelier", "--user", "outsider", "--name", "x")


def test_credits_are_granted_and_corrected(team: Team) -> None:
    assert "the balance is 150" in run("grant_credits", "--team", "atelier", "50", "--note", "autumn")
    assert "the balance is 140" in run("grant_credits", "--team", "atelier", "-10", "--note", "typo")
    kinds = list(CreditEntry.objects.order_by("pk").values_list("kind", "amount", "note"))
    assert kinds[1:] == [("grant", 50, "autumn"), ("correction", -10, "typo")]
    with pytest.raises(CommandError, match="has only 140 credits"):
        run("grant_credits", "--team", "atelier", "-141", "--note", "x")
    with pytest.raises(CommandError, match="at most 1,000,000,000"):
        run("grant_credits", "--team", "atelier", "99999999999", "--note", "x")
    with pytest.raises(CommandError, match="no team 'nobody'"):
        run("grant_credits", "--team", "nobody", "1", "--note", "x")


def test_the_ledger_s_proof_ends_with_one_line(order: Callable[..., Upscale]) -> None:
    order()
    assert run("check_ledger").splitlines()[-1] == "OK: the ledger is right (1 teams, 2 entries, 1 upscales)."
    with transaction.atomic():
        Team.objects.update(balance=7)
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("check_ledger", stdout=out)
        transaction.set_rollback(True)
    assert ended.value.code == 1
    assert out.getvalue().splitlines()[-1].startswith("WRONG: 1 problems")


@override_settings(DEBUG=True)
def test_an_empty_desk_in_development_gets_something_to_sign_in_with(db: None) -> None:
    assert "upscale-demo" in run("make_demo")
    person, admin = (get_user_model().objects.get(username=name) for name in ("demo", "demo-admin"))
    assert person.email and admin.email, "else no e-mail of the desk would reach the console"
    assert person.check_password("upscale-demo") and admin.check_password("upscale-demo")
    assert (person.is_staff, admin.is_staff) == (False, True)
    assert Team.objects.get(slug="demo").balance == 100
    assert [m.role for m in Team.objects.get().memberships.order_by("pk")] == ["merchandiser", "admin"]
    assert run("make_demo") == ""


@override_settings(DEBUG=True)
def test_a_desk_in_use_gets_no_demo(owner: Person) -> None:
    assert run("make_demo") == ""
    assert not get_user_model().objects.filter(username="demo").exists()


def test_production_gets_no_demo(db: None) -> None:
    assert run("make_demo") == ""
    assert not Team.objects.exists()


PRODUCTION = {"DEBUG": "false", "SECRET_KEY": "k" * 60 + "0123456789", "PUBLIC_URL": "https://upscaler.example.com"}


PROTECTED = {
    "TRUSTED_PROXIES": "1",
    "EMAIL_URL": "smtp+tls://desk:secret@mail.example.com:587",
    "STAFF_SECOND_FACTOR": "true",
}
"""What a right deployment behind a proxy sets besides."""


@pytest.mark.processes
def test_the_deployment_check_is_clean_under_production_settings() -> None:
    done = start("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, **PROTECTED)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.processes
@pytest.mark.parametrize(
    ("missing", "check", "words"),
    [
        ("TRUSTED_PROXIES", "W004", "50 wrong passwords of anybody lock everybody out"),
        ("EMAIL_URL", "W005", "nobody gets an invitation"),
        ("STAFF_SECOND_FACTOR", "W006", "a password alone opens /admin/"),
    ],
)
def test_the_deployment_check_names_what_a_desk_behind_a_proxy_lacks(missing: str, check: str, words: str) -> None:
    environment = {**PRODUCTION, **PROTECTED}
    del environment[missing]
    done = start("check", "--deploy", "--fail-level", "WARNING", **environment)
    assert done.returncode == 1
    assert f"upscaler.{check}" in done.stderr and words in done.stderr
    assert done.stderr.count("upscaler.W") == 1, "and nothing else"
    assert f"Set {missing}" in done.stderr
    assert start("check", **{**environment, "DEBUG": "true"}).returncode == 0, "nothing of it in development"


@pytest.mark.processes
def test_without_tls_in_front_there_need_be_no_proxy() -> None:
    environment = {**PRODUCTION, **PROTECTED, "TRUSTED_PROXIES": "0", "HTTPS": "false"}
    assert "upscaler.W" not in start("check", "--deploy", **environment).stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"DEBUG": "false", "SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"DEBUG": "false", "SECRET_KEY": " "}, "SECRET_KEY is not set"),
        ({"DEBUG": "flase"}, "DEBUG is 'flase'. It must be true or false."),
        ({"DEBUG": "0_1"}, "DEBUG is '0_1'. It must be true or false."),
        ({"DEBUG": ""}, "DEBUG is ''. It must be true or false."),
        ({"DEBUG": "false", "HTTPS": "2"}, "HTTPS is '2'. It must be true or false."),
        ({"DEBUG": "false", "HSTS_PRELOAD": "maybe"}, "HSTS_PRELOAD is 'maybe'. It must be true or false."),
        ({"DEBUG": "false", "HSTS_INCLUDE_SUBDOMAINS": "all"}, "HSTS_INCLUDE_SUBDOMAINS is 'all'"),
        (
            {"DEBUG": "false", "HSTS_PRELOAD": "true"},
            "HSTS_PRELOAD=true needs HTTPS=true, HSTS_INCLUDE_SUBDOMAINS=true",
        ),
        ({"CPU_SLOTS": "0_1"}, "CPU_SLOTS is '0_1'. It must be a whole number."),
        ({"CPU_SLOTS": "٣"}, "CPU_SLOTS is '٣'. It must be a whole number."),
        ({"API_RATE": "1٣/min"}, "API_RATE is '1٣/min'"),
        ({"ENGINE": "magic"}, "ENGINE is 'magic'. It must be one of: local, uwear."),
        ({"ENGINE": "uwear"}, "UWEAR_API_KEY is not set."),
        ({"UWEAR_API_KEY": "two words"}, "UWEAR_API_KEY holds blanks"),
        ({"UWEAR_API_URL": "api.uwear.ai"}, "It must be a web address with its prefix"),
        ({"UWEAR_API_URL": "https://me:secret@api.uwear.ai/api/v1"}, "holds a name or password before the @"),
        ({"TASK_BACKEND": "celery"}, "It must be one of: embedded, cluster."),
        ({"MAX_UPLOAD_MB": "lots"}, "MAX_UPLOAD_MB is 'lots'. It must be a whole number."),
        ({"LOCAL_PRECISION": "f16"}, "It must be one of: auto, f32, bf16."),
        ({"LOCAL_TIME_LIMIT": "soon"}, "LOCAL_TIME_LIMIT is 'soon'"),
        ({"CPU_SLOTS": "0"}, "CPU_SLOTS is 0. It must be at least 1."),
        ({"PUBLIC_URL": "upscaler.example.com"}, "It must start with https:// or http://."),
        ({"API_RATE": "fast"}, "API_RATE is 'fast'"),
        ({"CACHE_URL": "file://hidden"}, "CACHE_URL is no address of a Redis."),
        ({"CACHE_URL": "redis://:hidden@[host"}, "CACHE_URL is no address of a Redis."),
        ({"MEDIA_URL_S3": "https://key:hidden@host/b"}, "MEDIA_URL_S3 does not start with s3:// or s3+http://."),
        ({"MEDIA_URL_S3": "s3://host/bucket"}, "MEDIA_URL_S3 does not name a key and its secret."),
        ({"MEDIA_URL_S3": "s3://key:hidden@host/"}, "MEDIA_URL_S3 does not name a bucket."),
        ({"MEDIA_URL_S3": "s3://key:hidden@host:x/b"}, "MEDIA_URL_S3 can't be read as an address."),
        ({"MEDIA_URL_S3": "s3://key:hidden@host/b?acl=open"}, "MEDIA_URL_S3 has more after the ? than a region."),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_sentence(environment: dict[str, str], words: str) -> None:
    done = start("check", **environment)
    assert done.returncode != 0
    assert words in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({}, "max-age=31536000"),
        ({"HSTS_INCLUDE_SUBDOMAINS": "true"}, "max-age=31536000; includeSubDomains"),
        ({"HSTS_INCLUDE_SUBDOMAINS": "on", "HSTS_PRELOAD": "yes"}, "max-age=31536000; includeSubDomains; preload"),
        ({"HSTS_SECONDS": "60", "HSTS_PRELOAD": "off"}, "max-age=60"),
    ],
)
def test_hsts_binds_other_hosts_only_when_told_to(environment: dict[str, str], header: str) -> None:
    ask = (
        "import django; django.setup(); from django.test import Client\n"
        "page = Client().get('/healthz', secure=True, headers={'host': 'upscaler.example.com'})\n"
        "print(page.headers['Strict-Transport-Security'])"
    )
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": "sqlite://:memory:", **PRODUCTION}
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == header, done.stderr


@pytest.mark.parametrize("amount", ["1_0", "٣", "1__0", "ten", "1e1"])
def test_what_is_no_number_grants_nothing(team: Team, amount: str) -> None:
    with pytest.raises(CommandError, match="argument amount"):
        run("grant_credits", "--team", "atelier", amount, "--note", "autumn")
    with pytest.raises(CommandError, match="argument --expires-days"):
        run("issue_token", "--team", "atelier", "--user", "owner", "--name", "x", "--expires-days", amount)
    team.refresh_from_db()
    assert team.balance == 100


@pytest.mark.processes
def test_the_address_of_a_bucket_moves_the_pictures_there() -> None:
    done = start("diffsettings", MEDIA_URL_S3="s3://key:secret@s3.eu-west-3.amazonaws.com/shop/desk")
    [storages] = [line for line in done.stdout.splitlines() if line.startswith("STORAGES = ")]
    assert "'upscaler.storage.s3.S3Storage'" in storages
    assert "'location': 'desk', 'region_name': 'eu-west-3'" in storages


@pytest.mark.processes
def test_every_thread_publishes_with_the_desk_s_own_celery_settings() -> None:
    look = (
        "import django, threading; django.setup(); import config.celery; from celery import current_app\n"
        "def show(): print(current_app.main, current_app.conf.broker_transport_options)\n"
        "thread = threading.Thread(target=show); thread.start(); thread.join()"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings", "TASK_BACKEND": "cluster", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "upscaler {'confirm_publish': True}", done.stderr


@pytest.mark.processes
def test_the_cluster_queue_wants_a_database_server() -> None:
    done = start("check", "--deploy", **PRODUCTION, TASK_BACKEND="cluster")
    assert "upscaler.E002" in done.stderr
    assert "Set DATABASE_URL" in done.stderr
    fine = start("check", "--deploy", **PRODUCTION, TASK_BACKEND="cluster", DATABASE_URL="postgres://u@127.0.0.1/none")
    assert "upscaler.E002" not in fine.stderr


def test_a_desk_without_a_public_address_is_warned() -> None:
    with override_settings(PUBLIC_URL=""):
        assert [message.id for message in checks.public_url_is_known()] == ["upscaler.W001"]
    with override_settings(PUBLIC_URL="https://upscaler.example.com"):
        assert checks.public_url_is_known() == []


def test_a_missing_engine_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from upscaler.engines.local import engine

    monkeypatch.setattr(engine, "PACKAGES", ("openvino", "weights_that_are_not_there"))
    [message] = checks.engine_is_there()
    assert message.id == "upscaler.E001"
    assert "weights_that_are_not_there is not installed" in message.msg
    assert "make setup" in message.hint


def test_missing_weights_are_named_with_where_their_command_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from upscaler.engines.local import engine

    monkeypatch.setattr(engine, "DATA_ONLY", ("rembg", "faces_that_are_not_there"))
    [message] = checks.engine_is_there()
    assert "faces_that_are_not_there of requirements-weights.txt is not installed" in message.msg
    assert "docs/dependencies.md" in message.msg
    assert "make setup" in message.hint


def test_every_variable_is_in_the_example() -> None:
    import re

    known = (ROOT / ".env.example").read_text()
    read = set()
    for path in (ROOT / "config").glob("*.py"):
        read |= set(re.findall(r'(?:env\.\w+|one_of|whole|environ\.get)\("([A-Z_0-9]+)"', path.read_text()))
    for path in (ROOT / "upscaler" / "engines").rglob("*.py"):
        read |= set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_0-9]+)"', path.read_text()))
    assert len(read) > 20
    # Those of other programs, which nobody needs to set.
    others = {"PYTHONPATH", "ONEDNN_MAX_CPU_ISA", "XDG_CACHE_HOME"}
    assert [name for name in sorted(read - others) if f"{name}=" not in known] == []


def test_models_and_migrations_agree(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_links_use_the_public_address(owner: Person, done: Callable[..., Upscale], settings: Any) -> None:
    upscale = done()
    settings.PUBLIC_URL = "https://upscaler.example.com"
    link = owner.api("get", f"generation-result/{upscale.result_id}").json()["image_url"]
    assert link.startswith("https://upscaler.example.com/files/")
