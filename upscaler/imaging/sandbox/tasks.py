"""What a child does with the one picture that it is given."""

from __future__ import annotations

import importlib
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from upscaler.errors import PublicError
from upscaler.imaging import codec, examining, measuring, reducing
from upscaler.imaging.guard import guarded
from upscaler.imaging.sandbox import limits, messages
from upscaler.imaging.sandbox.messages import Message

Answer = tuple[Message, list[bytes]]


def serve(channel: socket.socket, descriptors: list[int]) -> None:
    """Read the task from ``channel``, do it and answer. ``descriptors``: the picture's, and for some the result's."""
    message, _ = messages.receive(channel)
    limits.confine_child(limits.Limits(**message["limits"]))
    answer: Message
    following: list[bytes] = []
    with os.fdopen(descriptors[0], "rb") as file:
        try:
            answer, following = TASKS[message["task"]](file, descriptors[1:], message["options"])
        except examining.TooLargeForNow:
            answer = {"large": True}
        except PublicError as error:
            answer = {"refused": {"message": error.message, "code": error.code, "permanent": error.permanent}}
        except MemoryError:
            answer = {"ended": {"memory": True}}
    messages.send(channel, answer | {"used": used()}, *following)


def used() -> dict[str, float]:
    """Seconds of CPU and bytes of memory that this process has taken."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": own.ru_utime + own.ru_stime, "memory": own.ru_maxrss * 1024}


def _examine(file: IO[bytes], _: list[int], options: dict[str, Any]) -> Answer:
    found, thumbnail = examining.examine(file, **options)
    return {"found": asdict(found)}, [thumbnail]


def _examine_result(file: IO[bytes], _: list[int], options: dict[str, Any]) -> Answer:
    found, thumbnail, preview = examining.examine_result(file, **options)
    return {"found": asdict(found), "extension": preview.extension}, [thumbnail, preview.content]


def _preview(file: IO[bytes], _: list[int], options: dict[str, Any]) -> Answer:
    preview = examining.preview(file, **options)
    return {"extension": preview.extension}, [preview.content]


def _reduce(file: IO[bytes], _: list[int], options: dict[str, Any]) -> Answer:
    return reducing.packed(examining.reduce(file, **options))


def _recode(file: IO[bytes], targets: list[int], options: dict[str, Any]) -> Answer:
    """Write the picture in another format. It names files, so this child may open some."""
    with guarded("The result"):
        picture = codec.load(Path(f"/dev/fd/{file.fileno()}"))
        codec.recode(picture, Path(f"/dev/fd/{targets[0]}"), options["result_format"], generative=options["generative"])
    return {}, []


def _measure(file: IO[bytes], _: list[int], options: dict[str, Any]) -> Answer:
    """Of a file that was examined before. It is read by name, so this child may open some."""
    with guarded(options["named"]):
        path = Path(f"/dev/fd/{file.fileno()}")
        picture = codec.load(path)
        return {"measured": asdict(measuring.of_picture(picture, os.fstat(file.fileno()).st_size))}, []


def _above(file: IO[bytes], targets: list[int], options: dict[str, Any]) -> Answer:
    """What a room above this one does with a picture: the ``in_child`` of a module of the desk's, which is named."""
    module = importlib.import_module(f"upscaler.{options['module']}")
    with guarded(options["named"]):
        return module.in_child(Path(f"/dev/fd/{file.fileno()}"), Path(f"/dev/fd/{targets[0]}"), options), []


TASKS: dict[str, Callable[[IO[bytes], list[int], dict[str, Any]], Answer]] = {
    "examine": _examine,
    "examine_result": _examine_result,
    "preview": _preview,
    "reduce": _reduce,
    "recode": _recode,
    "measure": _measure,
    "above": _above,
}
