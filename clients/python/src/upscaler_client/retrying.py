"""When a request is sent again, and after which pause.

Nothing is ever paid for twice: what spends is sent again only under one Idempotency-Key, or where it is certain that it
was not taken.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, replace

from upscaler_client.errors import ConnectionFailed, MaybeTaken, UpscalerError, error_of
from upscaler_client.errors import retry_after as retry_after_of
from upscaler_client.wire import Answer, Fetch, Lost, Operation, Pause, Request, Steps, T

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
LONGEST_ADVISED = 120.0
"""A `Retry-After` beyond it is the caller's to wait for."""
TOO_MANY = 429
NO_SUCH_PART = 416
AWAY = (500, 502, 503, 504)


@dataclass(frozen=True)
class Policy:
    """How often a request is sent again, and whether the other side keeps Idempotency-Keys."""

    retries: int = 6
    keeps_keys: bool = True


def retried(operation: Operation[T], policy: Policy) -> Steps[T]:
    """The steps of the operation with its retries between them. Raises UpscalerError."""
    try:
        step = next(operation)
        while True:
            if isinstance(step, Pause):
                yield step
                step = operation.send(None)
                continue
            try:
                answer = yield from _settled(step, policy)
            except UpscalerError as error:
                step = operation.throw(error)
            else:
                step = operation.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        operation.close()


def _settled(step: Request | Fetch, policy: Policy) -> Generator[Request | Fetch | Pause, Answer | Lost | None, Answer]:
    attempt, most = 0, 0
    while True:
        reply = yield _again(step)
        if isinstance(reply, Answer) and reply.status < 400 and _is_whole(step):
            return reply
        if isinstance(step, Fetch) and step.target.size > most:
            # It gets on, however often it breaks.
            attempt, most = 0, step.target.size
        pause = _pause(reply, step, policy, attempt)
        if isinstance(pause, UpscalerError):
            raise pause
        yield Pause(pause)
        attempt += 1


def _again(step: Request | Fetch) -> Request | Fetch:
    if isinstance(step, Request):
        return step
    # What is there by now need not come again.
    return replace(step, request=replace(step.request, headers={**step.request.headers, **step.target.headers()}))


def _is_whole(step: Request | Fetch) -> bool:
    return isinstance(step, Request) or step.target.is_whole()


def _pause(reply: Answer | Lost | None, step: Request | Fetch, policy: Policy, attempt: int) -> float | UpscalerError:
    """Seconds until the next attempt, or the error that ends it."""
    request = step if isinstance(step, Request) else step.request
    is_safe = not request.spends or (bool(request.key) and policy.keeps_keys)
    advised = None
    if isinstance(reply, Answer) and reply.status >= 400:
        error: UpscalerError = error_of(reply)
        advised = retry_after_of(reply)
        if reply.status in AWAY and not is_safe:
            return MaybeTaken(f"{error} The order may have been taken: look at the list before you order anew.")
        # After “no such part” the file is asked for from its beginning.
        passes = reply.status in (TOO_MANY, *AWAY) or (isinstance(step, Fetch) and reply.status == NO_SUCH_PART)
        if not passes:
            return error
    else:
        reason = reply.reason if isinstance(reply, Lost) else "the file ended too early"
        error = ConnectionFailed(reason)
        if isinstance(reply, Lost) and reply.was_sent and not is_safe:
            return MaybeTaken(f"{reason}. The order may have been taken: look at the list before you order anew.")
    if attempt >= policy.retries or (advised or 0) > LONGEST_ADVISED:
        return error
    pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
    # Many programs that were cut off together shall not come back together.
    return max(advised or 0, pause * random.uniform(0.7, 1.3))
