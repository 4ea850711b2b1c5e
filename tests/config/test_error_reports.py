"""Errors that leave for Sentry, over a real connection, from a process of the desk."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import brotli
import pytest

from tests.support import webserver
from tests.support.live_server import ROOT

PACKED = {None: bytes, "gzip": gzip.decompress, "br": brotli.decompress}

pytestmark = pytest.mark.processes

SECRET = "vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1z2aQeTg"
PROGRAM = """
import io, json, logging
from wsgiref.util import setup_testing_defaults
import sentry_sdk
from config.wsgi import application
from upscaler.logs.context import about

def ask(method, path, body=b""):
    said = []
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "code=" + SECRET, "HTTP_HOST": "testserver",
        "HTTP_AUTHORIZATION": "Bearer ups_" + SECRET, "HTTP_COOKIE": "sessionid=" + SECRET, "HTTP_X_API_KEY": SECRET,
        "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)
    for _ in application(environ, lambda status, headers, trouble=None: said.append(status)):
        pass
    return said[0]

# Nobody has migrated this database.
assert ask("GET", "/s/" + SECRET + "/").startswith("500")
assert ask("POST", "/api/v1/generation-upscale", json.dumps({"image_url": SECRET}).encode()).startswith("503")
with about(upscale_id=7, team_id=3, batch_id=5):
    password = SECRET
    try:
        raise OSError("postgres://desk:" + SECRET + "@db/desk is away")
    except OSError:
        logging.getLogger("upscaler.queue").exception("upscale 7: /files/%s/a.jpg", SECRET)
sentry_sdk.flush(20)
"""


def reports_of(tmp_path: Path, program: str, **environment: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    def take(handler: BaseHTTPRequestHandler) -> webserver.Answer:
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        content = PACKED[handler.headers.get("Content-Encoding")](content)
        lines = [json.loads(line) for line in content.splitlines() if line.startswith(b"{")]
        seen.extend(body for head, body in itertools.pairwise(lines) if head.get("type") == "event")
        return webserver.body(b"{}")

    with webserver.serving(take) as host:
        done = subprocess.run(
            [sys.executable, "-c", program.replace("SECRET", repr(SECRET))],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
                "MEDIA_ROOT": str(tmp_path / "media"),
                "SECRET_KEY": SECRET[::-1],
                # Its own page of an error needs no collected files.
                "DEBUG": "true",
                "ALLOWED_HOSTS": "testserver",
                "SENTRY_DSN": f"http://public@{host}/1",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return seen


def test_reports_come_with_numbers_and_without_secrets(tmp_path: Path) -> None:
    reports = reports_of(tmp_path, PROGRAM, RELEASE="2026-11")
    said = json.dumps(reports, ensure_ascii=False)
    assert SECRET not in said and SECRET[::-1] not in said
    assert {report["release"] for report in reports} == {"2026-11"}
    of_page = next(report for report in reports if "/s/…/" in report.get("request", {}).get("url", ""))
    assert of_page["request"]["query_string"] == "code=…"
    assert of_page["request"]["headers"] == {
        "Host": "testserver",
        "Content-Type": "application/json",
        "Content-Length": "0",
    }
    assert len(of_page["tags"]["request_id"]) == 32
    assert "user" not in of_page and "cookies" not in of_page["request"] and "data" not in of_page["request"]
    of_worker = next(report for report in reports if report.get("tags", {}).get("upscale_id") == "7")
    assert (of_worker["tags"]["team_id"], of_worker["tags"]["batch_id"]) == ("3", "5")
    assert "vars" not in of_worker["exception"]["values"][0]["stacktrace"]["frames"][0]


def test_an_address_that_is_none_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "SENTRY_DSN": "https://sentry.example/hidden"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "SENTRY_DSN can't be read. It must look like https://KEY@HOST/NUMBER" in done.stderr
    assert "sentry.example/hidden" not in done.stderr.splitlines()[-1]
