"""The docs of the API: the page, and docs/api.md, both from the API's own description."""

from __future__ import annotations

import re
from pathlib import Path

from django.test import Client

from tests.conftest import Person
from upscaler.api import description
from upscaler.api.endpoints import api
from upscaler.management.commands import api_docs

ROOT = Path(__file__).parents[2]


def test_the_manual_is_up_to_date() -> None:
    page = (ROOT / api_docs.PAGE).read_text()
    made = page.partition(api_docs.BEGIN)[2].partition(api_docs.END)[0].strip()
    assert made == description.markdown().strip(), "run `manage.py api_docs --write`"


def test_the_page_has_every_call_every_error_and_no_other_host(owner: Person) -> None:
    for client in (owner.client, Client()):
        answer = client.get("/api/v1/docs")
        assert answer.status_code == 200
        text = answer.content.decode()
        ids = set(re.findall(r'id="([^"]+)"', text))
        paths = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]
        assert len(description.calls()) == sum(map(len, paths.values()))
        assert {call.id for call in description.calls()} <= ids
        statuses = {status for call in description.calls() for status in call.statuses} | {404, 405, 411, 500}
        assert {f"error-{status}" for status in statuses} <= ids
        assert set(re.findall(r'href="#([^"]+)"', text)) <= ids
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
        assert 'href="/tokens/"' in text
        assert "{desk}" not in text and "http://testserver/api/v1/generation-upscale?wait=60" in text


def test_every_parameter_and_field_is_described() -> None:
    for call in description.calls():
        assert call.title and call.text, call
        for field in (*call.parameters, *call.fields):
            assert field.kind, (call.id, field)


def test_the_page_is_looked_at_alone() -> None:
    answer = Client().post("/api/v1/docs")
    assert answer.status_code == 405
    assert answer.json()["detail"].startswith("POST is not possible here.")
