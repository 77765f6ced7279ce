"""What answers each route."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.config_sections import Spec
from stratarouter_runtime.errors import (
    DuplicateBindingError,
    UnboundRouteError,
    UnknownProviderError,
)
from stratarouter_runtime.execution.handlers import Handler, adapt_handler
from stratarouter_runtime.policies.request_checks import check_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.types import CacheScope

__all__ = [
    "Binding",
    "BindingTable",
    "ProviderTarget",
    "TargetOptions",
    "make_binding",
    "require_client",
]

_SCOPE = Spec(kind=str, choices=("user", "tenant", "global"))


class _Shared(TypedDict):
    idempotent: bool
    cache_scope: CacheScope | None


class TargetOptions(TypedDict, total=False):
    """What can be said about a target when it is bound."""

    provider: str | None
    """Name of a provider, registered by now or later."""
    client: LLMClient | None
    """Client to ask, instead of a registered one."""
    model: str | None
    """Model to ask for; None takes the client's own."""
    system: str | None
    """System message that goes before the query."""
    params: Mapping[str, Any] | None
    """Sampling parameters, plain JSON data."""
    cacheable: bool | None
    """Whether equal requests may share an answer; None: providers' may, handlers' may not."""
    idempotent: bool
    """Whether a handler may be called again after a failure."""
    cache_scope: CacheScope | None
    """Who may share; None takes the configuration's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTarget:
    """A provider, and what to send it besides the query."""

    provider: str
    """Its name."""
    client: LLMClient | None = None
    """Client bound directly; None looks the name up."""
    model: str | None = None
    """Model to ask for; None takes the client's own."""
    system: str | None = None
    """System message that goes before the query."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Sampling parameters, plain JSON data."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Binding:
    """Who answers, and what may be done with the answer."""

    target: Handler | ProviderTarget
    """Who answers."""
    cacheable: bool = False
    """Whether equal requests may share an answer."""
    idempotent: bool = False
    """Whether a handler may be called again after a failure."""
    cache_scope: CacheScope | None = None
    """Who may share; None takes the configuration's."""
    generation: int = 0
    """How often the target was replaced before; keeps answers of its predecessors out."""

    def identity(self) -> dict[str, Any]:
        """Return what tells this target from others, for fingerprints.

        Returns
        -------
        dict
            Plain JSON data.
        """
        target = self.target
        if isinstance(target, Handler):
            return {"handler": target.name, "generation": self.generation}
        return {
            "provider": target.provider,
            "model": target.model,
            "system": target.system,
            "params": dict(target.params),
            "generation": self.generation,
        }


class BindingTable:
    """Bindings by route, clients by provider, and who stands in.

    Parameters
    ----------
    default_provider : str, optional
        Provider that answers unbound routes, and queries without a route.
    """

    def __init__(self, default_provider: str | None = None) -> None:
        self._default_provider = default_provider
        self._bindings: dict[str, Binding] = {}
        self._fallback: Binding | None = None
        self._clients: dict[str, LLMClient] = {}
        self._generations: dict[str, int] = {}

    def __contains__(self, route_id: str) -> bool:
        return route_id in self._bindings

    @property
    def routes(self) -> tuple[str, ...]:
        """Bound routes, in the order of binding."""
        return tuple(self._bindings)

    @property
    def providers(self) -> tuple[str, ...]:
        """Registered providers, in the order of registration."""
        return tuple(self._clients)

    def add(self, route_id: str | None, binding: Binding, *, replace: bool) -> None:
        """Bind a route, or the fallback.

        Parameters
        ----------
        route_id : str or None
            The route; None means the fallback.
        binding : Binding
            Its target.
        replace : bool
            Whether an older target may be replaced.

        Raises
        ------
        DuplicateBindingError
            If there is one and it may not.
        """
        known = self._fallback if route_id is None else self._bindings.get(route_id)
        if known is not None and not replace:
            raise DuplicateBindingError("route", "(fallback)" if route_id is None else route_id)
        if route_id is None:
            self._fallback = binding
        else:
            self._bindings[route_id] = binding

    def generation(self, route_id: str | None) -> int:
        """Return the generation of the next target of a route.

        Parameters
        ----------
        route_id : str or None
            The route; None means the fallback.

        Returns
        -------
        int
            0 for the first.
        """
        known = self._fallback if route_id is None else self._bindings.get(route_id)
        return 0 if known is None else known.generation + 1

    def register(self, provider: str, client: LLMClient, *, replace: bool) -> None:
        """Register the client of a provider.

        Parameters
        ----------
        provider : str
            Its name.
        client : LLMClient
            The client.
        replace : bool
            Whether an older one may be replaced.

        Raises
        ------
        DuplicateBindingError
            If there is one and it may not.
        """
        if provider in self._clients:
            if not replace:
                raise DuplicateBindingError("provider", provider)
            self._generations[provider] = self.client_generation(provider) + 1
        self._clients[provider] = client

    def client(self, provider: str) -> LLMClient:
        """Return the client of a provider.

        Parameters
        ----------
        provider : str
            Its name.

        Returns
        -------
        LLMClient
            The client.

        Raises
        ------
        UnknownProviderError
            If none is registered under the name.
        """
        client = self._clients.get(provider)
        if client is None:
            raise UnknownProviderError(provider, self._clients)
        return client

    def client_generation(self, provider: str) -> int:
        """Return how often a provider's client was replaced.

        Parameters
        ----------
        provider : str
            Its name.

        Returns
        -------
        int
            0 for the first client, and for none.
        """
        return self._generations.get(provider, 0)

    def resolve(self, route_id: str | None) -> tuple[Binding | None, bool]:
        """Return who answers.

        Parameters
        ----------
        route_id : str or None
            The decided route; None if there was none.

        Returns
        -------
        binding : Binding or None
            The target; None if there was no route and nobody stands in.
        is_own : bool
            Whether it is the route's own.

        Raises
        ------
        UnboundRouteError
            If there is a route, and nothing is bound to it and nobody stands in.
        """
        own = self._bindings.get(route_id) if route_id is not None else None
        if own is not None:
            return own, True
        if route_id is None and self._fallback is not None:
            return self._fallback, False
        if self._default_provider is not None:
            return _stand_in(self._default_provider), False
        if route_id is None:
            return None, False
        if len(self._clients) == 1:
            return _stand_in(next(iter(self._clients))), False
        raise UnboundRouteError(route_id, self._bindings)


def make_binding(
    route_id: str | None, function: object | None, generation: int, **options: Unpack[TargetOptions]
) -> Binding:
    """Return a checked binding.

    Parameters
    ----------
    route_id : str or None
        Route it is for; None for the fallback.
    function : callable, optional
        The handler.
    generation : int
        How often the target was replaced before.
    **options : TargetOptions
        What else was said about the target.

    Returns
    -------
    Binding
        The binding.

    Raises
    ------
    InvalidInputError
        If there is neither a handler nor a provider, or both, an option fits the other or is
        unknown, or a parameter is out of its range.
    UncacheableValueError
        If the parameters are no JSON data.
    """
    for name in options.keys() - TargetOptions.__annotations__.keys():
        hint = nearest_name_hint(name, TargetOptions.__annotations__)
        raise InvalidInputError(f"bind does not know {name}={hint}")
    provider, client = options.get("provider"), options.get("client")
    if (function is None) == (provider is None and client is None):
        raise InvalidInputError("bind either handler= or provider=/client=, one of them")
    scope = options.get("cache_scope")
    if scope is not None:
        scope = _SCOPE.checked("cache_scope", scope)
    cacheable = options.get("cacheable")
    shared: _Shared = {"idempotent": options.get("idempotent", False), "cache_scope": scope}
    if function is not None:
        unfit = [name for name in ("model", "system", "params") if options.get(name) is not None]
        if unfit:
            raise InvalidInputError(f"{unfit[0]}= is for providers; a handler decides it itself")
        handler = adapt_handler(function, route_id)
        return Binding(target=handler, cacheable=bool(cacheable), generation=generation, **shared)
    if client is not None:
        require_client(client)
    params = dict(options.get("params") or {})
    check_params(params)
    target = ProviderTarget(
        provider=_provider_name(provider, client),
        client=client,
        model=options.get("model"),
        system=options.get("system"),
        params=params,
    )
    return Binding(
        target=target,
        cacheable=True if cacheable is None else cacheable,
        generation=generation,
        **shared,
    )


def require_client(client: object) -> None:
    """Refuse what is no client.

    Parameters
    ----------
    client : object
        What was handed in.

    Raises
    ------
    InvalidInputError
        If it has no ``complete`` to call.
    """
    if isinstance(client, type) or not callable(getattr(client, "complete", None)):
        raise InvalidInputError(
            f"a client needs 'async def complete(self, request) -> Completion', got {client!r}"
        )


def _stand_in(provider: str) -> Binding:
    return Binding(target=ProviderTarget(provider=provider), cacheable=True)


def _provider_name(provider: str | None, client: LLMClient | None) -> str:
    if provider is None:
        name = getattr(client, "name", None)
        return name if isinstance(name, str) and name else type(client).__name__
    if not provider.strip():
        raise InvalidInputError("provider must be a non-empty name")
    return provider
