"""What goes over the sockets between a desk's process, the server and its children: JSON, and bytes behind it."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]
LENGTH = struct.Struct(">I")
MAX_MESSAGE = 1_000_000
MAX_BYTES = 200_000_000
"""Of all that follows a message: thumbnails and previews of a few megapixels."""


def send(channel: socket.socket, message: Message, *following: bytes) -> None:
    """Send a message, and ``following`` after it. Raises OSError."""
    content = json.dumps({**message, "following": [len(part) for part in following]}).encode()
    channel.sendall(LENGTH.pack(len(content)) + content)
    for part in following:
        channel.sendall(part)


def receive(channel: socket.socket) -> tuple[Message, list[bytes]]:
    """The next message and what follows it. Nothing of it is trusted.

    Raises EOFError where it breaks off, ValueError for what is no message, and OSError.
    """
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    if length > MAX_MESSAGE:
        raise ValueError("the message is too long")
    message = json.loads(_exactly(channel, length))
    lengths = message.pop("following") if isinstance(message, dict) else None
    if not isinstance(lengths, list) or not all(isinstance(one, int) and one >= 0 for one in lengths):
        raise ValueError("not a message")
    if sum(lengths) > MAX_BYTES:
        raise ValueError("too much follows the message")
    return message, [_exactly(channel, one) for one in lengths]


def _exactly(channel: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = channel.recv(min(1 << 20, length - len(received)))
        if not part:
            raise EOFError
        received += part
    return bytes(received)
