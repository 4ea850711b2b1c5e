"""The API against its own schema: whatever schemathesis makes up, no call ends in a 500 or in an undocumented shape.

``SCHEMA_CASES=5000 pytest tests/api/test_schema.py -k embedded`` tries so many requests in all (``make api-cases``).
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.support.live_server import Desk
from upscaler.api import generation
from upscaler.api.endpoints import api

pytestmark = pytest.mark.processes

described = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))
newer = json.loads(json.dumps(generation.api.get_openapi_schema(path_prefix="/")))
# Tried as one: they share no address, and no name for shapes that differ.
shapes, more = described["components"]["schemas"], newer["components"]["schemas"]
assert [name for name in shapes.keys() & more.keys() if shapes[name] != more[name]] == []
assert not described["paths"].keys() & newer["paths"].keys()
described["paths"] |= newer["paths"]
shapes |= more
schema = schemathesis.openapi.from_dict(described)
OPERATIONS = sum(len(methods) for methods in described["paths"].values())
CASES = int(os.environ.get("SCHEMA_CASES", "0"))
EXAMPLES = -(-CASES // OPERATIONS) if CASES else 20
"""Of each call."""
tried = {"requests": 0}


@pytest.fixture(scope="session")
def token(desk: Desk) -> str:
    return desk.token()


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_call_breaks_the_schema(case: Any, desk: Desk, token: str) -> None:
    tried["requests"] += 1
    # The library gives up after 10 s, in which a busy machine has not judged thousands of items.
    response = case.call(base_url=desk.url, headers={"Authorization": f"Bearer {token}"}, timeout=120)
    case.validate_response(response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])
