"""How much a program's order asks of the database: few questions, and no more of them where much was ordered before."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.test_api import URL_BODY
from tests.conftest import Person
from tests.support.pictures import jpeg

MOST = 18
"""Questions of one order, its begin and end of a transaction among them."""


def asked_by(person: Person, body: dict[str, Any], **headers: str) -> list[str]:
    """The questions of an order that is taken and charged, once the desk has had the first ones."""
    for _ in range(2):
        assert person.api("post", "generation-upscale", body, **headers).status_code == 200
    before = person.balance
    with CaptureQueriesContext(connection) as captured:
        answer = person.api("post", "generation-upscale", body, **headers)
    assert answer.status_code == 200
    assert person.balance == before - 1
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.django_db(transaction=True)
def test_an_order_of_an_address_asks_little(owner: Person) -> None:
    asked = asked_by(owner, URL_BODY)
    assert len(asked) <= MOST, "\n".join(asked)


@pytest.mark.django_db(transaction=True)
def test_an_order_of_an_upload_asks_little(owner: Person) -> None:
    file = SimpleUploadedFile("shirt.jpg", jpeg())
    sent = owner.client.post("/api/v1/uploads", {"file": file}, headers={"Authorization": f"Bearer {owner.token}"})
    asked = asked_by(owner, {"model_name": "recraft", "image_url": sent.json()["image_url"]})
    assert len(asked) <= MOST, "\n".join(asked)


@pytest.mark.django_db(transaction=True)
def test_a_new_order_asks_no_more_while_many_wait(owner: Person) -> None:
    few = asked_by(owner, URL_BODY)
    for _ in range(12):
        owner.api("post", "generation-upscale", URL_BODY)
    assert len(asked_by(owner, URL_BODY)) <= len(few)
