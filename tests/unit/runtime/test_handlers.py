"""Handlers of every shape: what they are called with, where they run, how they fail."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import HandlerError
from stratarouter_runtime.execution.handlers import adapt_handler
from stratarouter_runtime.execution.pool import BlockingPool

CONTEXT = {"user_id": "ann"}


async def call(function: Any, query: str = "q", context: Any = None) -> Any:
    pool = BlockingPool(max_threads=1)
    try:
        handler = adapt_handler(function, "billing")
        return await handler.run(query, CONTEXT if context is None else context, pool)
    finally:
        pool.close()


def both(query: str, context: dict[str, Any]) -> Any:
    return query, context


async def async_both(query: str, context: dict[str, Any]) -> Any:
    await asyncio.sleep(0)
    return query, context


class Agent:
    def __call__(self, query: str, context: dict[str, Any]) -> Any:
        return query, context

    async def answer(self, query: str, context: dict[str, Any]) -> Any:
        return query, context


class AsyncAgent:
    async def __call__(self, query: str, context: dict[str, Any]) -> Any:
        return query, context


def keyword_context(query: str, *, context: dict[str, Any]) -> Any:
    return query, context


def default_context(query: str, context: dict[str, Any] | None = None) -> Any:
    return query, context


def anything(*args: Any) -> Any:
    return args


def with_setting(setting: int, query: str, context: dict[str, Any]) -> Any:
    return query, context


@pytest.mark.parametrize(
    "function",
    [
        both,
        async_both,
        lambda query, context: (query, context),
        lambda q, c: async_both(q, c),  # noqa: PLW0108 -- a plain function that returns a coroutine
        Agent(),
        Agent().answer,
        AsyncAgent(),
        keyword_context,
        default_context,
        anything,
        functools.partial(with_setting, 1),
        functools.partial(async_both),
    ],
)
async def test_query_and_context_arrive(function: Any) -> None:
    assert await call(function) == ("q", CONTEXT)


async def with_temperature(query: str, temperature: float = 0.2) -> Any:
    return query, temperature


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (lambda query: query.upper(), "Q"),
        (str.upper, "Q"),
        (with_temperature, ("q", 0.2)),
        (lambda query, **options: (query, options), ("q", {})),
    ],
)
async def test_a_handler_may_take_the_query_alone(function: Any, answer: Any) -> None:
    assert await call(function) == answer


@pytest.mark.parametrize(
    "function",
    [
        "billing",
        None,
        lambda: "no",
        lambda a, b, c: "no",
        lambda *, query: "no",
        lambda query, *, user: "no",
    ],
)
def test_what_cannot_be_called_like_that_is_refused_when_bound(function: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"\(query, context\)"):
        adapt_handler(function, "billing")


def test_a_builtin_without_signature_is_to_be_wrapped() -> None:
    with pytest.raises(InvalidInputError, match="wrap it"):
        adapt_handler(dict, "billing")


async def test_plain_functions_run_in_a_thread_and_coroutines_do_not() -> None:
    async def here(query: str) -> int:
        return threading.get_ident()

    assert await call(lambda query: threading.get_ident()) != threading.get_ident()
    assert await call(here) == threading.get_ident()


async def test_the_context_is_a_copy() -> None:
    context = {"user_id": "ann"}

    def change(query: str, context: dict[str, Any]) -> None:
        context["user_id"] = "bob"

    await call(change, context=context)

    assert context == {"user_id": "ann"}


def raise_now(query: str) -> None:
    raise KeyError("order")


async def raise_later(query: str) -> None:
    raise KeyError("order")


def exit_now(query: str) -> None:
    sys.exit(3)


async def exit_later(query: str) -> None:
    sys.exit(3)


async def time_out(query: str) -> None:
    raise TimeoutError("of its own")


async def cancel_itself(query: str) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (raise_now, KeyError),
        (raise_later, KeyError),
        (exit_now, SystemExit),
        (exit_later, SystemExit),
        (time_out, TimeoutError),
        (cancel_itself, asyncio.CancelledError),
    ],
)
async def test_whatever_a_handler_raises_is_its_error(
    function: Any, kind: type[BaseException]
) -> None:
    with pytest.raises(HandlerError, match="the handler of 'billing' raised") as caught:
        await call(function)

    assert isinstance(caught.value.__cause__, kind)
    assert (caught.value.route_id, caught.value.origin) == ("billing", "handler")


async def test_cancelling_from_outside_is_no_error_of_the_handler() -> None:
    async def wait(query: str) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(call(wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_handlers_are_told_apart_by_name() -> None:
    functions = [
        lambda query: 1,
        lambda query: 2,
        both,
        Agent(),
    ]
    names = {adapt_handler(function, "r").name for function in functions}

    assert len(names) == 4
    assert adapt_handler(both, "r").name == adapt_handler(both, "other").name


def test_the_fallback_has_a_name_in_messages() -> None:
    assert adapt_handler(both, None).what == "the fallback handler"
    assert str(HandlerError(None, ValueError("x"))).startswith("the fallback handler raised")
