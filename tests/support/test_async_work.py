"""Tests with asyncio run after tests with a browser too, in one process."""

from __future__ import annotations

from tests.support.async_work import run_async


async def seven() -> int:
    return 7


def test_it_runs_where_another_loop_does() -> None:
    async def beside() -> int:
        return run_async(seven())

    assert run_async(seven()) == run_async(beside()) == 7
