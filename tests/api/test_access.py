"""Who gets what: every API call of the schema, with every kind of token. A call that is not in the table fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.support import access_table as table
from tests.support import pictures
from upscaler.accounts import tokens
from upscaler.api.endpoints import api
from upscaler.models import Batch, Membership, Team, Upscale
from upscaler.sharing import links
from upscaler.storage import signed_links
from upscaler.storage.pictures import source_of

ANSWERS = """
# What a call names (an upscale, a result, an uploaded picture) is the first team's.
# session: a signed-in browser without a token. removed: the owner has left the team. off: the owner's account is off.
# other: a token of another team.

CALL  call                        none  session  unknown  revoked  expired  removed  off  looking  other  full

POST  generation-upscale          401   401      401      401      401      401      401  403      422    200
POST  uploads                     401   401      401      401      401      401      401  403      201    201
GET   generation/{id}             401   401      401      401      401      401      401  200      404    200
GET   generation-result/{id}      401   401      401      401      401      401      401  200      404    200
GET   generations                 401   401      401      401      401      401      401  200      200    200
GET   generation-results          401   401      401      401      401      401      401  200      200    200
DELETE generation/{id}            401   401      401      401      401      401      401  403      404    200
POST  generation/{id}/review      401   401      401      401      401      401      401  403      404    200
POST  channel-checks              401   401      401      401      401      401      401  403      200    200
GET   credits                     401   401      401      401      401      401      401  200      200    200
POST  quotes                      401   401      401      401      401      401      401  200      422    200
POST  batches                     401   401      401      401      401      401      401  403      422    200
GET   batches                     401   401      401      401      401      401      401  200      200    200
GET   batches/{id}                401   401      401      401      401      401      401  200      404    200
GET   batches/{id}/results.zip    401   401      401      401      401      401      401  200      404    200
GET   batches/{id}/evidence       401   401      401      401      401      401      401  200      404    200
GET   evidence                    401   401      401      401      401      401      401  422      422    422
POST  batches/{id}/cancel         401   401      401      401      401      401      401  403      404    200
POST  share-links                 401   401      401      401      401      401      401  403      404    201
GET   share-links                 401   401      401      401      401      401      401  200      200    200
DELETE share-links/{id}           401   401      401      401      401      401      401  403      404    200
"""
CALLERS, TABLE = table.read(ANSWERS)
Call = Callable[[Client, dict[str, str]], Any]


def test_every_call_is_in_the_table() -> None:
    paths = api.get_openapi_schema(path_prefix="/")["paths"].items()
    named = {re.sub(r"{\w+}", "{id}", path.strip("/")): calls for path, calls in paths}
    assert {(method.upper(), path) for path, calls in named.items() for method in calls} == set(TABLE)


@pytest.fixture
def secrets(owner: Person, teammate: Person, head: Person, outsider: Person, team: Team) -> dict[str, str]:
    """A token in clear for each caller that has one."""

    def issued(**options: Any) -> str:
        return tokens.issue(team=team, user=owner.user, name="kind", **options)[1]

    revoked = issued()
    tokens.revoke(tokens.find_token(revoked), by=owner.user)
    Membership.objects.filter(user=teammate.user).delete()
    head.user.is_active = False
    head.user.save()
    return {
        "unknown": "ups_" + "x" * 43,
        "revoked": revoked,
        "expired": issued(expires_at=timezone.now() - timedelta(seconds=1)),
        "removed": teammate.token,
        "off": head.token,
        "looking": issued(read_only=True),
        "other": outsider.token,
        "full": owner.token,
    }


def sent(method: str, call: str, upscale: Upscale, client: Client, secret: str | None) -> Any:
    """The answer to one call; a submit and an upload send what is right but for the token."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    number = upscale.batch_id if call.startswith("batches") else upscale.pk
    if call == "share-links/{id}":
        number = links.make(team=upscale.team, user=upscale.created_by, shows=upscale, label="secret-collection")[0].pk
    url = f"/api/v1/{call.replace('{id}', str(number))}"
    if method == "DELETE":
        return client.delete(url, headers=headers)
    if call == "share-links" and method == "POST":
        body = {"generation_id": upscale.pk, "label": "secret-collection"}
        return client.post(url, body, content_type="application/json", headers=headers)
    if method == "GET":
        return client.get(url, headers=headers)
    if call == "uploads":
        return client.post(url, {"file": SimpleUploadedFile("s.jpg", pictures.jpeg())}, headers=headers)
    if call == "channel-checks":
        content = {"channel": "google", "file": SimpleUploadedFile("s.jpg", pictures.jpeg())}
        return client.post(url, content, headers=headers)
    if call == "generation/{id}/review":
        return client.post(url, {"decision": "approved"}, content_type="application/json", headers=headers)
    link = signed_links.make(None, source_of(upscale), name="s.jpg", team_id=upscale.team_id)
    item = {"image_url": f"http://testserver{link}"}
    body = {"model_name": "recraft", **({"items": [item]} if call in ("quotes", "batches") else item)}
    return client.post(url, body, content_type="application/json", headers=headers)


@pytest.mark.parametrize(("method", "call"), TABLE, ids=map(" ".join, TABLE))
def test_every_token_gets_what_the_table_says(
    method: str, call: str, owner: Person, secrets: dict[str, str], done: Callable[..., Upscale]
) -> None:
    upscale = done(name="secret-collection.jpg")
    assert upscale.result_id == upscale.pk
    upscale.batch = Batch.objects.create(team=owner.team, name="secret-collection", model_name="recraft", total=1)
    upscale.batch.ordered_at = upscale.created_at
    upscale.batch.save()
    upscale.save()
    answers = {
        caller: sent(method, call, upscale, owner.client if caller == "session" else Client(), secrets.get(caller))
        for caller in CALLERS
    }
    got = {caller: str(answer.status_code) for caller, answer in answers.items()}
    assert got == dict(zip(CALLERS, TABLE[method, call], strict=True))
    for caller, answer in answers.items():
        if caller not in ("looking", "full"):
            assert "secret-collection" not in answer.content.decode()
            assert answer.json().get("data", []) == []
        if answer.status_code >= 400:
            assert answer.json()["detail"]
