"""From a request and a decision to what exactly is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from stratarouter_runtime.conversation import CompletionRequest, Message
from stratarouter_runtime.errors import UncacheableValueError
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.execution.handlers import Handler
from stratarouter_runtime.policies.fingerprint import FingerprintPrefix
from stratarouter_runtime.policies.templates import QUERY_FIELD, field_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from stratarouter.types import RouteResult
    from stratarouter_runtime.config import RuntimeConfig
    from stratarouter_runtime.execution.bindings import Binding, BindingTable, ProviderTarget
    from stratarouter_runtime.execution_request import ExecutionRequest
    from stratarouter_runtime.policies.targets import Target
    from stratarouter_runtime.providers.bound_clients import BoundClients
    from stratarouter_runtime.types import CacheScope, Partition

__all__ = ["ExecutionPlan", "Planner", "ProviderCall"]

_Basis: TypeAlias = tuple[tuple[int, ...], str | None]
# What the partition stands for, so that it need not be part of a fingerprint as well.
_IDENTITIES = frozenset({"tenant_id", "org_id", "user_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """What providers are asked."""

    provider: str
    """Who is asked first, under the name in the registry."""
    fallback: tuple[str | Target, ...] = ()
    """Who is asked instead, in order."""
    request: CompletionRequest
    """Messages and parameters."""
    max_cost_usd: Decimal | None = None
    """The most that it may cost, US dollars; None: no such limit."""
    is_whole: bool = False
    """Whether all their clients are whole ones, which end when they are cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPlan:
    """What is to be done: who answers, for whom, until when, and under which name it is kept."""

    request: ExecutionRequest
    """What was asked for."""
    route_id: str | None
    """Decided route; None if a stand-in answers a query without one."""
    binding: Binding
    """Who answers."""
    is_own: bool
    """Whether it is the route's own target."""
    call: Handler | ProviderCall
    """What to do."""
    deadline: Deadline
    """When the answer has to be there."""
    partition: Partition
    """Who shares the answer."""
    cache_key: str | None
    """Fingerprint; None if the answer is not to be shared."""
    warnings: tuple[str, ...] = ()
    """What could not be done as asked."""

    @property
    def what(self) -> str:
        """Name of the target in messages."""
        call = self.call
        if not isinstance(call, ProviderCall):
            return call.what
        names = ", ".join(repr(str(name)) for name in (call.provider, *call.fallback))
        return f"providers {names}" if call.fallback else f"provider {names}"


class Planner:
    """Turns decisions into plans.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.
    bindings : BindingTable
        Who answers what.
    clients : BoundClients
        Who is behind the names of providers.
    """

    def __init__(
        self, config: RuntimeConfig, bindings: BindingTable, clients: BoundClients
    ) -> None:
        self._cache_enabled = config.cache_enabled
        self._cache_scope: CacheScope = config.cache_scope
        self._bindings = bindings
        self._clients = clients
        # By route; each remembers for which target, clients and encoder it was made.
        self._prefixes: dict[str, tuple[Binding, _Basis, FingerprintPrefix]] = {}

    def resolve(self, decision: RouteResult) -> tuple[Binding | None, bool]:
        """Return who answers.

        Parameters
        ----------
        decision : RouteResult
            Where it goes.

        Returns
        -------
        binding : Binding or None
            The target; None if there is no route and nobody stands in.
        is_own : bool
            Whether it is the route's own.

        Raises
        ------
        UnboundRouteError
            If there is a route, and nothing is bound to it and nobody stands in.
        """
        return self._bindings.resolve(decision.route_id)

    def plan(
        self,
        request: ExecutionRequest,
        decision: RouteResult,
        binding: Binding,
        *,
        is_own: bool,
        encoder_id: str | None,
        now_s: float,
    ) -> ExecutionPlan:
        """Return what is to be done.

        Parameters
        ----------
        request : ExecutionRequest
            What was asked for, with what enrichment added.
        decision : RouteResult
            Where it goes.
        binding : Binding
            Who answers.
        is_own : bool
            Whether it is the route's own target.
        encoder_id : str, optional
            Encoder that the decision rests on.
        now_s : float
            The time now.

        Returns
        -------
        ExecutionPlan
            The plan.

        Raises
        ------
        TemplateFieldError
            If a prompt uses a field that the context does not have.
        """
        route_id = decision.route_id
        call = self._call(request, binding)
        scope = self._cache_scope if binding.cache_scope is None else binding.cache_scope
        key: str | None = None
        warnings: tuple[str, ...] = ()
        if self._cache_enabled and binding.cacheable:
            key, warnings = self._fingerprint(request, route_id, binding, scope, encoder_id)
        return ExecutionPlan(
            request=request,
            route_id=route_id,
            binding=binding,
            is_own=is_own,
            call=call,
            deadline=_deadline(request.deadline, binding.timeout_s, now_s),
            partition=request.partition.widened(scope),
            cache_key=key,
            warnings=warnings,
        )

    def _call(self, request: ExecutionRequest, binding: Binding) -> Handler | ProviderCall:
        target = binding.target
        if isinstance(target, Handler):
            return target
        provider = self._clients.name(target.provider, target.client)
        return ProviderCall(
            provider=provider,
            fallback=target.fallback,
            is_whole=self._clients.are_whole((provider, *target.names[1:])),
            request=CompletionRequest(
                messages=_messages(request, target),
                model=target.model,
                params=target.params,
                tools=target.tools,
                tool_choice=target.tool_choice,
                response_format=target.response_format,
            ),
            max_cost_usd=target.max_cost_usd,
        )

    def _fingerprint(
        self,
        request: ExecutionRequest,
        route_id: str | None,
        binding: Binding,
        scope: CacheScope,
        encoder_id: str | None,
    ) -> tuple[str | None, tuple[str, ...]]:
        prefix = self._prefix(route_id, binding, scope, encoder_id)
        target = binding.target
        seen: dict[str, Any]
        if isinstance(target, Handler):
            seen = dict(_unnamed(request, scope))
        else:
            # A provider sees of the context what its prompts use, and nothing else.
            seen = {
                f"field:{name}": field_text(name, request.context)
                for name in target.fields
                if name != QUERY_FIELD
            }
        if request.added:
            seen["added"] = dict(request.added)
        try:
            return prefix.of(request.query, seen), ()
        except UncacheableValueError as error:
            return None, (f"not cached, because the context is no JSON data: {error}",)

    def _prefix(
        self,
        route_id: str | None,
        binding: Binding,
        scope: CacheScope,
        encoder_id: str | None,
    ) -> FingerprintPrefix:
        target = binding.target
        generations = (
            ()
            if isinstance(target, Handler)
            else tuple(map(self._clients.generation, target.names))
        )
        basis = (generations, encoder_id)
        known = None if route_id is None else self._prefixes.get(route_id)
        if known is not None and known[0] is binding and known[1] == basis:
            return known[2]
        prefix = FingerprintPrefix(
            {
                "route": route_id,
                "target": binding.identity(),
                "client_generations": list(generations),
                "scope": scope,
                "encoder": encoder_id,
            }
        )
        # Stand-ins are not remembered: decisions made by hand may name any number of routes.
        if route_id is not None and route_id in self._bindings:
            self._prefixes[route_id] = (binding, basis, prefix)
        return prefix


def _unnamed(request: ExecutionRequest, scope: CacheScope) -> Iterator[tuple[str, Any]]:
    """Yield what a handler sees of the context and the partition does not stand for."""
    session_is_named = scope != "user" or request.partition.user_kind == "session"
    for key, value in request.context.items():
        if key not in _IDENTITIES and not (key == "session_id" and session_is_named):
            yield key, value


def _messages(request: ExecutionRequest, target: ProviderTarget) -> tuple[Message, ...]:
    values = {**request.context, QUERY_FIELD: request.query} if target.fields else {}
    text = request.query if target.prompt is None else target.prompt.render(values)
    query = Message("user", text)
    if target.system is None:
        return (query,)
    return Message("system", target.system.render(values)), query


def _deadline(deadline: Deadline, limit_s: float | None, now_s: float) -> Deadline:
    if limit_s is None or now_s + limit_s >= deadline.at_s:
        return deadline
    return Deadline.after(limit_s, now_s)
