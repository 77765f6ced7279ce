"""What answers each route."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.errors import DuplicateBindingError, UnboundRouteError
from stratarouter_runtime.execution.handlers import Handler
from stratarouter_runtime.policies.fingerprint import form_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from stratarouter_runtime.conversation import ResponseFormat, ToolChoice, ToolSpec
    from stratarouter_runtime.execution.context_rules import ContextRules
    from stratarouter_runtime.policies.targets import Target
    from stratarouter_runtime.policies.templates import PromptTemplate
    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.types import CacheScope

__all__ = ["Binding", "BindingTable", "ProviderTarget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTarget:
    """A provider, and what to send it besides the query."""

    provider: str
    """Its name, "provider/model", or an alias."""
    client: LLMClient | None = None
    """Client bound directly; None looks the name up."""
    model: str | None = None
    """Model to ask for; None takes the client's own."""
    fallback: tuple[str | Target, ...] = ()
    """Whom to ask instead if it fails, in order."""
    system: PromptTemplate | None = None
    """System message that goes before the query."""
    prompt: PromptTemplate | None = None
    """The user's message; None is the query alone."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Sampling parameters, plain JSON data."""
    tools: tuple[ToolSpec, ...] = ()
    """Tools that the model may ask for."""
    tool_choice: ToolChoice | None = None
    """Which of them it has to ask for."""
    response_format: ResponseFormat | None = None
    """Form of the answer."""
    max_cost_usd: Decimal | None = None
    """The most that one execution may cost, US dollars, >= 0; None: no such limit."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who may be asked, in order."""
        return (self.provider, *map(str, self.fallback))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the context that its prompts use."""
        prompts = [prompt for prompt in (self.system, self.prompt) if prompt is not None]
        return tuple(dict.fromkeys(name for prompt in prompts for name in prompt.fields))


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
    rules: ContextRules | None = None
    """What is asked of the context and added to it; None: nothing."""
    timeout_s: float | None = None
    """Longest time for the answer, seconds, > 0; None: what the execution has left."""

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
            "fallback": list(target.names[1:]),
            "model": target.model,
            "system": None if target.system is None else target.system.text,
            "prompt": None if target.prompt is None else target.prompt.text,
            "params": dict(target.params),
            **form_parts(target.tools, target.tool_choice, target.response_format),
            "generation": self.generation,
        }


class BindingTable:
    """Bindings by route, and who stands in.

    Parameters
    ----------
    default_provider : str, optional
        Provider that answers unbound routes, and queries without a route.
    providers : callable, optional
        Returns the names of the registered providers; the only one answers unbound routes.
    """

    def __init__(
        self,
        default_provider: str | None = None,
        providers: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._default_provider = default_provider
        self._providers = providers
        self._bindings: dict[str, Binding] = {}
        self._fallback: Binding | None = None

    def __contains__(self, route_id: str) -> bool:
        return route_id in self._bindings

    @property
    def routes(self) -> tuple[str, ...]:
        """Bound routes, in the order of binding."""
        return tuple(self._bindings)

    def get(self, route_id: str | None) -> Binding | None:
        """Return what is bound to a route itself.

        Parameters
        ----------
        route_id : str or None
            The route; None means the fallback.

        Returns
        -------
        Binding or None
            Its target; None if there is none.
        """
        return self._fallback if route_id is None else self._bindings.get(route_id)

    def require_free(self, route_id: str | None) -> None:
        """Refuse to bind a route twice.

        Parameters
        ----------
        route_id : str or None
            The route; None means the fallback.

        Raises
        ------
        DuplicateBindingError
            If something is bound to it.
        """
        if self.get(route_id) is not None:
            raise DuplicateBindingError("route", "(fallback)" if route_id is None else route_id)

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
        if not replace:
            self.require_free(route_id)
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
        known = self.get(route_id)
        return 0 if known is None else known.generation + 1

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
        providers = self._providers()
        if len(providers) == 1:
            return _stand_in(providers[0]), False
        raise UnboundRouteError(route_id, self._bindings)


def _stand_in(provider: str) -> Binding:
    return Binding(target=ProviderTarget(provider=provider), cacheable=True)
