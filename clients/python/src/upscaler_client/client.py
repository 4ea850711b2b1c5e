"""The client for ordinary programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from upscaler_client import _http, operations
from upscaler_client.operations import Pages
from upscaler_client.retrying import retried
from upscaler_client.wire import Answer, Fetch, Lost, Operation, Pause, Request

P = ParamSpec("P")
T = TypeVar("T")
ERRORS = (httpx.TransportError, httpx.TooManyRedirects, httpx.DecodingError)


def _call(operation: Callable[P, Operation[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method that runs the operation to its end."""

    @wraps(operation)
    def run(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(operation(*args, **kwargs))

    return run


def _list(pages: Callable[P, Pages[T]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    """A method that goes through all pages as far as they are wanted."""

    @wraps(pages)
    def run(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        asked = pages(*args, **kwargs)
        while not asked.is_last:
            yield from self.run(asked.next())

    return run


class Client:
    """A desk, or the vendor's own API. May be used by several threads; close it, or use it with ``with``.

    Every call raises UpscalerError, most of all its ApiError, ConnectionFailed and MaybeTaken.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: int = 6,
        keeps_keys: bool | None = None,
        sleep: Callable[[float], object] = time.sleep,
        **http: Any,
    ) -> None:
        """``url``: the desk's address, or that of an API with the same contract.

        ``retries``: how often a request is sent again. ``keeps_keys``: whether the other side keeps Idempotency-Keys;
        a desk does, the vendor does not. ``http``: what httpx.Client shall know more, such as ``verify`` or ``proxy``.
        """
        self._address = _http.Address(url, token)
        self._policy = _http.policy(self._address, retries=retries, keeps_keys=keeps_keys)
        self._sleep = sleep
        self._http = httpx.Client(**http)

    upload = _call(operations.upload)
    order = _call(operations.order)
    generation = _call(operations.generation)
    follow = _call(operations.follow)
    upscale = _call(operations.upscale)
    delete = _call(operations.delete)
    result = _call(operations.result)
    download = _call(operations.download)
    quote = _call(operations.quote)
    order_batch = _call(operations.order_batch)
    batch = _call(operations.batch)
    follow_batch = _call(operations.follow_batch)
    cancel_batch = _call(operations.cancel_batch)
    results_zip = _call(operations.results_zip)
    credits = _call(operations.credits)
    check_for_channel = _call(operations.check_for_channel)
    generations = _list(operations.generations)
    results = _list(operations.results)
    batches = _list(operations.batches)

    def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end; its value."""
        steps = retried(operation, self._policy)
        try:
            step = next(steps)
            while True:
                step = steps.send(self._do(step))
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _do(self, step: Request | Fetch | Pause) -> Answer | Lost | None:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        if isinstance(step, Fetch):
            return self._fetch(step)
        with _http.arguments(step, self._address) as arguments:
            try:
                response = self._http.request(**arguments)
            except ERRORS as error:
                return _http.lost(error, step)
        return _http.answer_of(response, response.content)

    def _fetch(self, step: Fetch) -> Answer | Lost:
        with _http.arguments(step.request, self._address) as arguments:
            try:
                with self._http.stream(**arguments, follow_redirects=True) as response:
                    answer = _http.answer_of(response)
                    if not step.target.begin(answer):
                        return _http.answer_of(response, b"".join(self._start_of(response)))
                    for chunk in response.iter_raw():
                        step.target.write(chunk)
                    return answer
            except ERRORS as error:
                return _http.lost(error, step.request)
            finally:
                step.target.end()

    def _start_of(self, response: httpx.Response) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_bytes():
            yield chunk
            size += len(chunk)
            if size > _http.MAX_ERROR_BYTES:
                return
