"""Reading the bodies that programs send."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.errors import ValidationError as RequestInvalid
from ninja.parser import Parser


class StrictParser(Parser):
    """JSON that can be stored and echoed: no lone surrogates, no bottomless nesting."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body)
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            problem = {"type": "json_invalid", "loc": ["body"], "msg": "The body is not valid JSON."}
            raise RequestInvalid([problem]) from None
        return body
