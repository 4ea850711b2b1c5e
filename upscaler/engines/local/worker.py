"""The child process that does the local engine's work, so that native code can neither hang nor end the parent.

It speaks JSON, one message a line. On stdin, a job or the wish to end one::

    {"id": 7, "source": "/in.jpg", "output_dir": "/out", "model_name": "recraft", "settings": {},
     "log_context": {"upscale_id": 12}}
    {"cancel": 7}

A look at a source, without enlarging it, is asked for like a job::

    {"id": 8, "look": {"source": "/in.jpg", "model_name": "recraft", "settings": {}, "source_facts": {}},
     "log_context": {"team_id": 3}}

On stdout, for each job, any number of progress lines and then one of the others::

    {"id": 7, "progress": 0.25, "text": "Enlarging"}
    {"id": 7, "finished": {"path": ..., "format": ..., "width": ..., ..., "provenance": {...}, "timings": {...}}}
    {"id": 8, "found": {...}}
    {"id": 7, "error": {"message": ..., "code": ..., "permanent": ...}}
    {"id": 7, "cancelled": true}

It does one job after the other and keeps the networks warm between them. It ends when stdin does, at once and even in
the middle of a job: then the parent is gone and nobody waits for the result. Django is never imported here.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from upscaler import no_room
from upscaler.engines.local import job, preparing
from upscaler.engines.local.inference import DEVICES, PRECISIONS, Networks
from upscaler.engines.local.known import Known
from upscaler.errors import PublicError
from upscaler.imaging import codec
from upscaler.logs import lines
from upscaler.logs.context import about

logger = logging.getLogger(__name__)

Message = dict[str, Any]


class _Cancelled(Exception):
    """The parent no longer wants the running job."""


class _Inbox:
    """Reads stdin on a thread of its own, so that its end is noticed while a job runs."""

    def __init__(self, lines: TextIO) -> None:
        self.jobs: queue.Queue[Message] = queue.Queue()
        self._lines = lines
        self._cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def check(self, job_id: int) -> None:
        """Raises _Cancelled once the parent has cancelled that job."""
        if job_id in self._cancelled:
            raise _Cancelled

    def _read(self) -> None:
        for line in self._lines:
            message = json.loads(line)
            if "cancel" in message:
                self._cancelled.add(message["cancel"])
            else:
                self.jobs.put(message)
        # Not sys.exit: the main thread may be deep in native code, and there is nothing worth finishing.
        os._exit(0)


def main() -> None:
    """Serve jobs until stdin ends. All that the parent has to say about how is on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument("--device", choices=DEVICES, default="CPU")
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--log-format", choices=lines.FORMATS, default="text")
    told = parser.parse_args()
    lines.log_to_stderr(told.log_format)
    # Ctrl-C and a service's stop reach the whole group; it is the parent who decides what becomes of the job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    replies = _claim_stdout()
    inbox = _Inbox(sys.stdin)
    networks = Networks(threads=told.threads, precision=told.precision, device=told.device, cache_dir=told.cache_dir)
    while True:
        message = inbox.jobs.get()
        with about(**message.get("log_context", {})):
            answer = _answer(message, inbox, replies, networks)
        _send(replies, {"id": message["id"], **answer})
        # A job that was stopped in its middle had no chance to.
        networks.rest()


def _claim_stdout() -> TextIO:
    """A stream to the parent that is ours alone: whatever native libraries print goes to stderr instead."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "w", encoding="utf-8")


def _answer(message: Message, inbox: _Inbox, replies: TextIO, networks: Networks) -> Message:
    job_id = message["id"]

    def report(fraction: float, text: str) -> None:
        inbox.check(job_id)
        _send(replies, {"id": job_id, "progress": fraction, "text": text})

    try:
        if (asked := message.get("look")) is not None:
            known = Known.read(asked["source_facts"])
            order = Path(asked["source"]), asked["model_name"], asked["settings"]
            return {"found": preparing.look(*order, known, networks=networks, report=report).kept()}
        result = job.run(
            Path(message["source"]),
            Path(message["output_dir"]),
            message["model_name"],
            message["settings"],
            networks=networks,
            report=report,
            result_format=message.get("result_format"),
            source_facts=message.get("source_facts"),
        )
    except _Cancelled:
        return {"cancelled": True}
    except PublicError as error:
        if error.code not in (codec.UNREADABLE, *no_room.CODES) and error.__cause__ is not None:
            logger.exception("the job could not be done: %s", error.code)
        return {"error": {"message": error.message, "code": error.code, "permanent": error.permanent}}
    except Exception as error:
        if (code := no_room.code_of(error)) is not None:
            logger.warning("the job could not be done: %s", error)
            return {"error": {"message": no_room.MESSAGES[code], "code": code, "permanent": False}}
        # Anything else is a fault of ours. The log gets all of it, the parent an error that it can show.
        logger.exception("the job broke")
        text = "Something went wrong on our side while enlarging this picture. Please try again, or tell us about it."
        return {"error": {"message": text, "code": "engine_fault", "permanent": True}}
    return {"finished": result.as_dict()}


def _send(replies: TextIO, message: Message) -> None:
    try:
        replies.write(json.dumps(message) + "\n")
        replies.flush()
    except BrokenPipeError:
        os._exit(0)
