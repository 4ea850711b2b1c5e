"""Where the subject of one picture is, found in a process of its own.

It comes when it is asked for, looks at one small picture and ends: some 370 MB of memory for a few seconds, and none in
the web's process, nor networks that are kept warm for it. Django is never imported in it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np

from upscaler.engines.base import EngineError
from upscaler.engines.local import subject
from upscaler.imaging.samples import Floats
from upscaler.imaging.sandbox.client import environment

SECONDS = 60
"""For one picture, on a busy machine too; two are usual."""
MAX_MEMORY = 2 * 10**9
NICENESS = 10
CERTAIN, POSSIBLE = 0.5, 0.05
"""From which score on a pixel is, or might be, the subject's."""
Shares = tuple[float, float, float, float]
"""left, top, right and bottom as shares of width and height."""
_turn = threading.Lock()


@dataclass(frozen=True)
class Subject:
    """Around what is the subject, and around what might be."""

    certain: Shares
    possible: Shares


def find(pixels: bytes, width: int, height: int) -> Subject | None:
    """The subject of a picture, RGB of 8 bits, a thousand pixels a side at most; None where there is no clear one.

    Raises EngineError where the network is not installed, or the process ends in another way.
    """
    command = [sys.executable, "-m", "upscaler.engines.local.subject_finder", str(width), str(height)]
    # One at a time in each process of the desk: who waits at a page may wait for another's.
    if not _turn.acquire(timeout=SECONDS):
        raise _unfound()
    try:
        ended = subprocess.run(  # noqa: S603 - our own command line
            command, input=pixels, capture_output=True, env=environment(), timeout=SECONDS, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        raise _unfound() from None
    finally:
        _turn.release()
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        raise _unfound() from None
    if "problem" in answer:
        raise EngineError(answer["problem"], code="engine_setup", permanent=True)
    return Subject(tuple(answer["certain"]), tuple(answer["possible"])) if answer["certain"] else None


def _unfound() -> EngineError:
    return EngineError(
        "Where the product is could not be found out just now. Try again in a minute.",
        code="no_subject",
        permanent=False,
    )


def boxes(mask: Floats) -> Subject | None:
    """Around what a mask makes the subject; None for no clear one."""
    if subject.cover(mask) < subject.NONE_BELOW:
        return None
    return Subject(_around(mask >= CERTAIN), _around(mask >= POSSIBLE))


def _around(inside: np.ndarray) -> Shares:
    height, width = inside.shape
    across, down = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    left, right = int(across[0]) / width, (int(across[-1]) + 1) / width
    return left, int(down[0]) / height, right, (int(down[-1]) + 1) / height


def main() -> None:
    """The child: a picture's bytes on standard input, one line of JSON on standard output."""
    from upscaler.engines.local.inference import Networks

    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    width, height = int(sys.argv[1]), int(sys.argv[2])
    picture = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(height, width, 3)
    try:
        found = boxes(subject.mask(picture, Networks(threads=1)))
    except EngineError as error:
        answer: dict[str, object] = {"problem": error.message}
    else:
        answer = {"certain": found and found.certain, "possible": found and found.possible}
    # Not by print: nothing that a library says may stand before it.
    os.write(1, json.dumps(answer).encode())


if __name__ == "__main__":
    main()
