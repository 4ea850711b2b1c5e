"""The one error that people are shown: every refusal and every failure with a known reason is one of these."""

from __future__ import annotations


class PublicError(Exception):
    """Something can't be done. ``str()`` of it is the message too.

    ``message`` is for people: what is wrong, what is allowed, what to do. ``code`` is for programs and tests. A
    ``permanent`` one is not tried again by itself: the same again would end the same. One that is not may say by
    ``retry_after`` for how many seconds it would end the same.
    """

    def __init__(self, message: str, *, code: str, permanent: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.permanent = permanent
        self.retry_after = retry_after
