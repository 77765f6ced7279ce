"""Calling the handlers that users bind to routes."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import HandlerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from stratarouter_runtime.protocols import BlockingDoor

__all__ = ["Handler", "adapt_handler"]

_Call: TypeAlias = "Callable[[str, Mapping[str, Any]], Any]"


@dataclass(frozen=True, slots=True)
class Handler:
    """A user's function in the one form that the runtime calls."""

    call: _Call
    """Takes query and context."""
    is_async: bool
    """Whether it is a coroutine function; others may block and run in a thread."""
    name: str
    """Where it was defined, for fingerprints and messages."""
    route_id: str | None
    """Route it is bound to; None for the fallback."""

    async def run(self, query: str, context: Mapping[str, Any], door: BlockingDoor) -> Any:
        """Call the handler and await what it returns.

        Parameters
        ----------
        query : str
            The query.
        context : mapping
            The context; the handler gets a shallow copy.
        door : BlockingDoor
            Where blocking handlers run.

        Returns
        -------
        Any
            Its answer.

        Raises
        ------
        HandlerError
            If it raised, called ``sys.exit`` or cancelled itself.
        SaturatedError
            If it is blocking and no thread is free.
        """
        own = dict(context)
        if not self.is_async:
            answer, error = await door.run(self._outcome, query, own, what=self.what)
            if error is not None:
                raise HandlerError(self.route_id, error) from error
            return await self._awaited(answer) if inspect.isawaitable(answer) else answer
        return await self._awaited(self.call(query, own))

    @property
    def what(self) -> str:
        """Name of the handler in messages."""
        return (
            "the fallback handler"
            if self.route_id is None
            else f"the handler of route {self.route_id!r}"
        )

    def _outcome(self, query: str, context: Mapping[str, Any]) -> tuple[Any, BaseException | None]:
        # Tells an error of the handler from one of the door, which are not its fault.
        try:
            return self.call(query, context), None
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- delivered to the waiter.
            return None, error

    async def _awaited(self, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled this task, so the handler did it to itself.
            raise HandlerError(self.route_id, error) from error
        except (Exception, SystemExit) as error:
            # A handler that calls sys.exit() must not take the whole process down.
            raise HandlerError(self.route_id, error) from error


def adapt_handler(function: object, route_id: str | None, *, what: str = "a handler") -> Handler:
    """Return a handler that calls `function` with what it takes.

    Parameters
    ----------
    function : callable
        Takes (query, context) or only (query); a coroutine function or a plain one.
    route_id : str or None
        Route it is bound to; None for the fallback.
    what : str
        What it is, for messages.

    Returns
    -------
    Handler
        The handler.

    Raises
    ------
    InvalidInputError
        If it cannot be called like that.
    """
    if not callable(function):
        raise InvalidInputError(
            f"{what} must be callable with (query, context) or (query), got {function!r}"
        )
    takes_context, by_name = _takes_context(function, what)
    call: _Call
    if not takes_context:
        call = lambda query, context: function(query)  # noqa: E731, ARG005
    elif by_name:
        call = lambda query, context: function(query, context=context)  # noqa: E731
    else:
        call = function
    return Handler(call, _is_async(function), _qualified_name(function), route_id)


def _takes_context(function: Callable[..., Any], what: str) -> tuple[bool, bool]:
    """Return whether the context is passed, and whether by name."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"cannot tell what {function!r} takes; wrap it: lambda query, context: ..."
        ) from error
    parameters = list(signature.parameters.values())
    if _binds(signature, "", {}) and not _is_optional_extra(parameters):
        return True, False
    if any(p.name == "context" and p.kind is p.KEYWORD_ONLY for p in parameters) and _binds(
        signature, "", context={}
    ):
        return True, True
    if _binds(signature, ""):
        return False, False
    raise InvalidInputError(
        f"{what} must take (query, context) or (query); {_qualified_name(function)} "
        f"takes {signature}"
    )


def _is_optional_extra(parameters: list[inspect.Parameter]) -> bool:
    """Return whether the second parameter has a default and is not meant for the context."""
    if len(parameters) < 2:
        return False
    second = parameters[1]
    positional = second.kind in (second.POSITIONAL_ONLY, second.POSITIONAL_OR_KEYWORD)
    has_default = second.default is not second.empty
    return positional and has_default and second.name not in ("context", "ctx", "_context")


def _binds(signature: inspect.Signature, *args: object, **kwargs: object) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 -- an object may have an async call.
    )


def _qualified_name(function: object) -> str:
    module = getattr(function, "__module__", None) or type(function).__module__
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    code = getattr(function, "__code__", None)
    # All lambdas of a module have one name; the line tells them apart.
    return f"{module}.{name}" if code is None else f"{module}.{name}:{code.co_firstlineno}"
