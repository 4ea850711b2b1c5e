"""How a line of the log is written: for people, or as JSON. Either way without secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from upscaler.logs import context
from upscaler.logs.redaction import redact, redact_all

FORMATS = ("text", "json")


class TextLine(logging.Formatter):
    """Time, level, name and text; the text says what it is about."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the trace of an error below it."""
        return redact(super().format(record))


class JsonLine(JsonFormatter):
    """One JSON object a line: time, level, logger, message, process, the numbers of what is at work, and exc_info."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}{process}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=False,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The fields of a line as they are written."""
        log_data.pop("taskName", None)
        # Django hands requests and sockets along.
        plain = {
            name: value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
            for name, value in log_data.items()
        }
        written: dict[str, Any] = redact_all({**context.current(), **plain})
        return written


def line_formatter(kind: str) -> logging.Formatter:
    """Of ``text`` or ``json``."""
    return JsonLine() if kind == "json" else TextLine()


def log_to_stderr(kind: str) -> None:
    """For a process that has no Django: its warnings and errors go to stderr in the desk's own form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(line_formatter(kind))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
