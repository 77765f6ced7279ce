"""What of a bridge can be asked and said without executing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from stratarouter.errors import InvalidInputError, RouteNotFoundError
from stratarouter.types import Route
from stratarouter_runtime.execution.binding_options import (
    TargetOptions,
    make_binding,
    require_client,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType

    from stratarouter_runtime.bridge_parts import BridgeParts
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.config import RuntimeConfig
    from stratarouter_runtime.protocols import CoreRouter, LLMClient
    from stratarouter_runtime.providers.registry import LLMClientRegistry

__all__ = ["BridgeFace"]


class BridgeFace:
    """Targets of routes, clients, feedback, and what there is.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.
    router : CoreRouter or None
        The router.
    parts : BridgeParts
        What the bridge is made of.
    """

    def __init__(
        self, config: RuntimeConfig, router: CoreRouter | None, parts: BridgeParts
    ) -> None:
        self._config = config
        self._router = router
        self._parts = parts

    @property
    def config(self) -> RuntimeConfig:
        """The settings."""
        return self._config

    @property
    def core_router(self) -> CoreRouter | None:
        """The router, if there is one."""
        return self._router

    @property
    def cache(self) -> CacheManager | None:
        """The cache; None if it is switched off."""
        return self._parts.cache

    @property
    def registry(self) -> LLMClientRegistry:
        """Who asks providers: `register`, `complete`, `stream`, `embed`, `health`."""
        return self._parts.clients.registry

    @property
    def bound_routes(self) -> tuple[str, ...]:
        """Routes that have a target of their own."""
        return self._parts.bindings.routes

    @property
    def providers(self) -> tuple[str, ...]:
        """Providers that have a client."""
        return self._parts.clients.names

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._parts.lifecycle.closed

    def bind(
        self,
        route: str | Route,
        handler: Callable[..., Any] | None = None,
        *,
        replace: bool = False,
        **target: Unpack[TargetOptions],
    ) -> None:
        """Say what answers a route.

        Handlers have side effects that only their author knows: they are called once per
        execution, unless they are ``idempotent``, and their answers are neither kept nor shared,
        unless they are ``cacheable``. Providers are asked again, and after them their fallbacks,
        within one time limit; their answers are kept unless ``cacheable=False``.

        Parameters
        ----------
        route : str or Route
            The route.
        handler : callable, optional
            Called with (query, context), or with (query) if it takes no more. A coroutine function
            runs in the event loop, any other one in a thread.
        replace : bool
            Whether an earlier target may be replaced.
        **target : TargetOptions
            ``provider`` or ``client`` instead of a handler, with ``model``, ``fallback``,
            ``system``, ``prompt``, ``params``, ``tools``, ``tool_choice``, ``response_format``,
            ``max_cost_usd``; ``idempotent`` for handlers; and for both ``cacheable``,
            ``cache_scope``, ``timeout_s``, ``context_schema``, ``enrich``.

        Raises
        ------
        RouteNotFoundError
            If the router has no such route.
        DuplicateBindingError
            If the route is bound and `replace` is not given.
        InvalidInputError
            If there is no target, or two, or the handler cannot be called like that.
        """
        route_id = self._known_route(route)
        self._bind(route_id, handler, target, replace=replace)

    def bind_fallback(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        replace: bool = False,
        **target: Unpack[TargetOptions],
    ) -> None:
        """Say what answers queries that no route was found for.

        Parameters
        ----------
        handler : callable, optional
            As in `bind`.
        replace : bool
            Whether an earlier target may be replaced.
        **target : TargetOptions
            As in `bind`.

        Raises
        ------
        DuplicateBindingError
            If there is a fallback and `replace` is not given.
        InvalidInputError
            If there is no target, or two, or the handler cannot be called like that.
        """
        self._bind(None, handler, target, replace=replace)

    def register_client(self, name: str, client: LLMClient, *, replace: bool = False) -> None:
        """Register the client of a provider; closing it stays the caller's business.

        Parameters
        ----------
        name : str
            Name of the provider.
        client : LLMClient
            Its client.
        replace : bool
            Whether an earlier client may be replaced.

        Raises
        ------
        DuplicateBindingError
            If the name is taken and `replace` is not given.
        InvalidInputError
            If it is no client, or the name is blank.
        """
        require_client(client)
        name = _name("the name of a provider", name)
        self._parts.clients.register(name, client, replace=replace)

    async def feedback(
        self,
        execution_id: str,
        *,
        correct_route: str | Route | EllipsisType | None = ...,
        answer_ok: bool | None = None,
    ) -> None:
        """Say whether an execution was right.

        A bad answer is no longer given out of the cache, and counts against the health of who gave
        it; a route that is named becomes an example for `labelled`.

        Parameters
        ----------
        execution_id : str
            ``result.execution_id`` of one of the latest ``feedback_max_executions``.
        correct_route : str or Route or None, optional
            Where the query belongs; None for nowhere.
        answer_ok : bool, optional
            Whether the answer was good.

        Raises
        ------
        UnknownExecutionError
            If no such execution is remembered.
        RouteNotFoundError
            If the router has no such route.
        InvalidInputError
            If nothing is said.
        CacheBackendError
            If the cache cannot be used.
        """
        if correct_route is ... and answer_ok is None:
            raise InvalidInputError("say something: pass correct_route= or answer_ok=")
        if answer_ok is not None and not isinstance(answer_ok, bool):
            raise InvalidInputError(f"answer_ok must be True or False, got {answer_ok!r}")
        parts = self._parts
        execution = parts.book.get(execution_id)
        if correct_route is not ...:
            label = None if correct_route is None else self._known_route(correct_route)
            parts.book.label(execution_id, execution.query, label)
        if answer_ok is None or execution.answer_ok is answer_ok:
            return
        execution.answer_ok = answer_ok
        if execution.asked is not None:
            parts.clients.judge(execution.asked, answer_ok=answer_ok)
        if not answer_ok:
            await parts.keeper.drop(execution)

    def labelled(self) -> tuple[list[str], list[str | None]]:
        """Return what `feedback` said about routes: ``router.fit(*bridge.labelled())``.

        Returns
        -------
        queries : list of str
            The queries, oldest label first; at most ``feedback_max_executions``.
        labels : list of str or None
            Where each belongs; None for nowhere.
        """
        return self._parts.book.labelled()

    def _known_route(self, route: object) -> str:
        route_id = route.id if isinstance(route, Route) else _name("a route id", route)
        if self._router is not None:
            known = [entry.id for entry in self._router.routes]
            if route_id not in known:
                raise RouteNotFoundError(route_id, known)
        return route_id

    def _bind(
        self,
        route_id: str | None,
        handler: Callable[..., Any] | None,
        target: TargetOptions,
        *,
        replace: bool,
    ) -> None:
        bindings = self._parts.bindings
        former = bindings.get(route_id)
        binding = make_binding(route_id, handler, bindings.generation(route_id), **target)
        if not replace:
            bindings.require_free(route_id)
        self._parts.clients.exchange(former, binding)
        bindings.add(route_id, binding, replace=replace)


def _name(what: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{what} must be a non-empty string, got {value!r}")
    return value
