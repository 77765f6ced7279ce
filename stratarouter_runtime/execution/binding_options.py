"""Reading what is said about a target when it is bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.config_sections import Spec
from stratarouter_runtime.execution.bindings import Binding, ProviderTarget
from stratarouter_runtime.execution.context_rules import context_rules
from stratarouter_runtime.execution.engine import dollars
from stratarouter_runtime.execution.handlers import adapt_handler
from stratarouter_runtime.policies.cost_cap import CostCap
from stratarouter_runtime.policies.request_checks import check_request
from stratarouter_runtime.policies.request_parsing import parse_request
from stratarouter_runtime.policies.targets import Target, expand_targets
from stratarouter_runtime.policies.templates import QUERY_FIELD, PromptTemplate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from stratarouter_runtime.conversation import ResponseFormat, ToolChoice, ToolSpec
    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.types import CacheScope

__all__ = ["TargetOptions", "make_binding", "require_client"]

_SCOPE = Spec(kind=str, choices=("user", "tenant", "global"))
_FOR_PROVIDERS = (
    "model", "fallback", "system", "prompt", "params", "tools", "tool_choice", "response_format",
    "max_cost_usd",
)  # fmt: skip


class TargetOptions(TypedDict, total=False):
    """What can be said about a target when it is bound."""

    provider: str | None
    """Name of a provider, registered by now or later; or "provider/model", or an alias."""
    client: LLMClient | None
    """Client to ask, instead of a registered one."""
    model: str | None
    """Model to ask for; None takes the client's own."""
    fallback: str | Target | Sequence[str | Target] | None
    """Whom to ask instead if the provider fails, in order: "provider" or "provider/model"."""
    system: str | None
    """System message that goes before the query; may have fields of the context in braces."""
    prompt: str | None
    """The user's message, with ``{query}`` and fields of the context; None is the query alone."""
    params: Mapping[str, Any] | None
    """Sampling parameters, plain JSON data."""
    tools: Sequence[ToolSpec | Mapping[str, Any]] | None
    """Tools that the model may ask for."""
    tool_choice: ToolChoice | str | Mapping[str, Any] | None
    """Which of them it has to ask for."""
    response_format: ResponseFormat | Mapping[str, Any] | None
    """Form of the answer."""
    timeout_s: float | None
    """Longest time for the answer, seconds, > 0, within that of the execution."""
    max_cost_usd: Decimal | float | str | None
    """The most that all attempts of one execution may cost together, US dollars, >= 0."""
    cacheable: bool | None
    """Whether equal requests may share an answer; None: providers' may, handlers' may not."""
    idempotent: bool
    """Whether a handler may be called again after a failure."""
    cache_scope: CacheScope | None
    """Who may share; None takes the configuration's."""
    context_schema: Mapping[str, Any] | type | None
    """Fields that the context must have: type by field, or a Struct, dataclass or TypedDict."""
    enrich: Callable[..., Any] | None
    """Called with (query, context) before the target; returns further fields of the context."""


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
        unknown, or a value is out of its range.
    UncacheableValueError
        If the parameters are no JSON data.
    """
    for name in options.keys() - TargetOptions.__annotations__.keys():
        hint = nearest_name_hint(name, TargetOptions.__annotations__)
        raise InvalidInputError(f"bind does not know {name}={hint}")
    has_provider = options.get("provider") is not None or options.get("client") is not None
    if (function is None) != has_provider:
        raise InvalidInputError("bind either handler= or provider=/client=, one of them")
    scope, cacheable = options.get("cache_scope"), options.get("cacheable")
    if function is not None:
        unfit = [name for name in _FOR_PROVIDERS if options.get(name) is not None]
        if unfit:
            raise InvalidInputError(f"{unfit[0]}= is for providers; a handler decides it itself")
    return Binding(
        target=_provider_target(options) if function is None else adapt_handler(function, route_id),
        cacheable=function is None if cacheable is None else cacheable,
        idempotent=options.get("idempotent", False),
        cache_scope=None if scope is None else _SCOPE.checked("cache_scope", scope),
        generation=generation,
        rules=context_rules(route_id, options.get("context_schema"), options.get("enrich")),
        timeout_s=_limit_s(options.get("timeout_s")),
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


def _provider_target(options: TargetOptions) -> ProviderTarget:
    client = options.get("client")
    if client is not None:
        require_client(client)
    provider = _provider_name(options.get("provider"), client)
    fallback = _fallback(provider, options.get("fallback"))
    # One reader for what a request may hold; its messages come with every execution.
    form = parse_request(
        {
            "messages": "any",
            "model": options.get("model"),
            "tools": options.get("tools"),
            "tool_choice": options.get("tool_choice"),
            "response_format": options.get("response_format"),
        }
    )
    form = replace(form, params=dict(options.get("params") or {}))
    check_request(form)
    return ProviderTarget(
        provider=provider,
        client=client,
        model=form.model,
        fallback=fallback,
        system=_template("system=", options.get("system")),
        prompt=_prompt(options.get("prompt")),
        params=form.params,
        tools=form.tools,
        tool_choice=form.tool_choice,
        response_format=form.response_format,
        max_cost_usd=_cap(options.get("max_cost_usd")),
    )


def _fallback(
    provider: str, fallback: str | Target | Sequence[str | Target] | None
) -> tuple[str | Target, ...]:
    if fallback is None:
        return ()
    entries: tuple[object, ...] = (
        tuple(fallback)
        if isinstance(fallback, Sequence) and not isinstance(fallback, str)
        else (fallback,)
    )
    found: list[str | Target] = []
    for entry in entries:
        if not isinstance(entry, (str, Target)):
            raise InvalidInputError(
                f"fallback= holds names such as 'provider' or 'provider/model', got {entry!r:.80}"
            )
        found.append(entry)
    # Refuses blank names, and a name that is its own fallback.
    expand_targets([provider, *found])
    return tuple(found)


def _template(what: str, text: str | None) -> PromptTemplate | None:
    return None if text is None else PromptTemplate.parse(text, what)


def _prompt(text: str | None) -> PromptTemplate | None:
    template = _template("prompt=", text)
    if template is not None and QUERY_FIELD not in template.fields:
        raise InvalidInputError(
            "prompt= has no {query}, so nobody would read what was asked; "
            "put {query} into it, or say the rest in system="
        )
    return template


def _limit_s(timeout_s: float | None) -> float | None:
    value: object = timeout_s
    if value is None:
        return None
    valid = isinstance(value, (int, float)) and not isinstance(value, bool)
    # The comparison is written so that NaN fails it.
    if not valid or not 0.0 < value < math.inf:  # type: ignore[operator]
        raise InvalidInputError(f"timeout_s must be a finite number > 0, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def _cap(amount: Decimal | float | str | None) -> Decimal | None:
    cap_usd = dollars(amount)
    # CostCap refuses what is out of range.
    CostCap(cap_usd)
    return cap_usd


def _provider_name(provider: str | None, client: LLMClient | None) -> str:
    if provider is None:
        name = getattr(client, "name", None)
        return name if isinstance(name, str) and name else type(client).__name__
    if not provider.strip():
        raise InvalidInputError("provider must be a non-empty name")
    return provider
