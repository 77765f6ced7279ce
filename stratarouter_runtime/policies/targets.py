"""Whom to ask: names of targets, aliases, and who is asked after whom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.provider_errors import ContentPolicyError, ContextWindowExceededError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["AliasTable", "FallbackChains", "Target", "TargetKey", "expand_targets", "targets_after"]

TargetKey: TypeAlias = tuple[str, str | None]
"""Provider and model; what health and latency are remembered by."""

AliasTable: TypeAlias = "Mapping[str, str | Sequence[str]]"
"""Names for targets, for other names, and for groups of either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model at a provider.

    Raises
    ------
    InvalidInputError
        If the provider is blank, the weight is negative or no finite number, or the limit is not
        > 0.

    Examples
    --------
    >>> str(Target.parse("local/meta-llama/Llama-3")), Target.parse("openai").model
    ('local/meta-llama/Llama-3', None)
    """

    provider: str
    """Name of the provider."""
    model: str | None = None
    """Model; None takes that of the request, or the client's own."""
    weight: float = 1.0
    """Its share of the traffic where targets are weighted, >= 0; 0 is asked last."""
    timeout_s: float | None = None
    """Its own limit for one attempt, seconds, > 0; None has none."""

    def __post_init__(self) -> None:
        if not self.provider.strip():
            raise InvalidInputError("a target needs the name of a provider")
        if not 0.0 <= self.weight < math.inf:
            raise InvalidInputError(f"weight must be a finite number >= 0, got {self.weight!r}")
        if self.timeout_s is not None and not 0.0 < self.timeout_s < math.inf:
            raise InvalidInputError(
                f"timeout_s must be a finite number > 0, got {self.timeout_s!r}"
            )

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read "provider" or "provider/model".

        Parameters
        ----------
        text : str
            The text; a model's name may hold further slashes.

        Returns
        -------
        Target
            The target.

        Raises
        ------
        InvalidInputError
            If one of the names is blank.
        """
        provider, slash, model = text.partition("/")
        if slash and not model.strip():
            raise InvalidInputError(f"{text!r} names no model; write 'provider/model'")
        return cls(provider=provider, model=model or None)

    @property
    def key(self) -> TargetKey:
        """Provider and model."""
        return self.provider, self.model

    def __str__(self) -> str:
        return self.provider if self.model is None else f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackChains:
    """Targets for failures that an ordinary fallback does not cure."""

    context_window: tuple[Target, ...] = ()
    """Models with a longer window; asked instead of the rest if the conversation is too long."""
    content_policy: tuple[Target, ...] = ()
    """Targets for refused content; without them, nobody else is asked for it."""


def targets_after(
    error: BaseException, rest: Sequence[Target], chains: FallbackChains | None = None
) -> tuple[Target, ...]:
    """Return who may be asked after a failure.

    Parameters
    ----------
    error : BaseException
        What the last target failed with, for good.
    rest : sequence of Target
        Targets that were not asked yet, in order.
    chains : FallbackChains, optional
        Targets for special failures.

    Returns
    -------
    tuple of Target
        Targets, in order; none if nobody else can help.
    """
    special: tuple[Target, ...] = ()
    if chains is not None and isinstance(error, ContextWindowExceededError):
        special = chains.context_window
    elif chains is not None and isinstance(error, ContentPolicyError):
        special = chains.content_policy
    if special:
        return special
    return tuple(rest) if getattr(error, "failover", False) else ()


def expand_targets(
    names: Iterable[str | Target], aliases: AliasTable | None = None
) -> tuple[Target, ...]:
    """Return the targets behind names, in order and each once.

    Parameters
    ----------
    names : iterable of str or Target
        Targets, "provider", "provider/model", or aliases.
    aliases : mapping of str to str or sequence of str, optional
        What aliases stand for: a target, another alias, or a group of either.

    Returns
    -------
    tuple of Target
        The targets, at least one.

    Raises
    ------
    InvalidInputError
        If there are none, one is named twice, or an alias leads back to itself.

    Examples
    --------
    >>> table = {"fast": ["groq/llama", "openai/gpt-4o-mini"], "default": "fast"}
    >>> [str(target) for target in expand_targets(["default", "local"], table)]
    ['groq/llama', 'openai/gpt-4o-mini', 'local']
    """
    given = list(names)
    seen: set[str] = set()
    for name in map(str, given):
        if name in seen:
            raise InvalidInputError(f"{name!r} is its own fallback; name each target once")
        seen.add(name)
    found: dict[TargetKey, Target] = {}
    for entry in given:
        for target in _behind(entry, aliases or {}, ()):
            found.setdefault(target.key, target)
    if not found:
        raise InvalidInputError("there is no target; name a provider")
    return tuple(found.values())


def _behind(entry: str | Target, aliases: AliasTable, path: tuple[str, ...]) -> Iterator[Target]:
    if isinstance(entry, Target):
        yield entry
        return
    if entry in path:
        raise InvalidInputError(
            f"the alias {entry!r} leads back to itself: {' -> '.join((*path, entry))}"
        )
    meaning = aliases.get(entry)
    if meaning is None:
        yield Target.parse(entry)
        return
    # An alias may bear the name of the target that it stands for.
    if meaning == entry:
        yield Target.parse(entry)
        return
    for name in [meaning] if isinstance(meaning, str) else meaning:
        yield from _behind(name, aliases, (*path, entry))
