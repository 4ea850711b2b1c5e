"""The client for programs that use asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from upscaler_client import _http, operations
from upscaler_client.client import ERRORS
from upscaler_client.operations import Pages
from upscaler_client.retrying import retried
from upscaler_client.wire import Answer, Fetch, Lost, Operation, Pause, Request

P = ParamSpec("P")
T = TypeVar("T")


def _call(operation: Callable[P, Operation[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that runs the operation to its end."""

    @wraps(operation)
    async def run(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(operation(*args, **kwargs))

    return run


def _list(pages: Callable[P, Pages[T]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    """A method that goes through all pages as far as they are wanted."""

    @wraps(pages)
    async def run(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        asked = pages(*args, **kwargs)
        while not asked.is_last:
            for row in await self.run(asked.next()):
                yield row

    return run


class AsyncClient:
    """As `Client`, with ``await``. Files are read and written in the event loop, a piece at a time."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: int = 6,
        keeps_keys: bool | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        **http: Any,
    ) -> None:
        """As of `Client`; ``http`` goes to httpx.AsyncClient."""
        self._address = _http.Address(url, token)
        self._policy = _http.policy(self._address, retries=retries, keeps_keys=keeps_keys)
        self._sleep = sleep
        self._http = httpx.AsyncClient(**http)

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

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end; its value."""
        steps = retried(operation, self._policy)
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._do(step))
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _do(self, step: Request | Fetch | Pause) -> Answer | Lost | None:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        if isinstance(step, Fetch):
            return await self._fetch(step)
        with _http.arguments(step, self._address) as arguments:
            try:
                response = await self._http.request(**arguments)
            except ERRORS as error:
                return _http.lost(error, step)
        return _http.answer_of(response, response.content)

    async def _fetch(self, step: Fetch) -> Answer | Lost:
        with _http.arguments(step.request, self._address) as arguments:
            try:
                async with self._http.stream(**arguments, follow_redirects=True) as response:
                    answer = _http.answer_of(response)
                    if not step.target.begin(answer):
                        return _http.answer_of(response, await self._start_of(response))
                    async for chunk in response.aiter_raw():
                        step.target.write(chunk)
                    return answer
            except ERRORS as error:
                return _http.lost(error, step.request)
            finally:
                step.target.end()

    async def _start_of(self, response: httpx.Response) -> bytes:
        content = b""
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _http.MAX_ERROR_BYTES:
                break
        return content
