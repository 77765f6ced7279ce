"""From names to targets that can be asked."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.errors import UnknownProviderError
from stratarouter_runtime.policies.selection import TargetSelector
from stratarouter_runtime.policies.targets import FallbackChains, Target, expand_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratarouter_runtime.policies.selection import SelectionStrategy, TargetStats
    from stratarouter_runtime.policies.targets import AliasTable
    from stratarouter_runtime.providers.client_table import RegisteredClient

__all__ = ["Names", "TargetResolver"]

Names: TypeAlias = "str | Target | Sequence[str | Target]"
"""Targets or aliases, one or several."""

_MAX_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class _Group:
    first: tuple[Target, ...]
    rest: tuple[Target, ...]
    selector: TargetSelector


class TargetResolver:
    """Finds the targets of a call, and refuses what nobody can be asked.

    Parameters
    ----------
    clients : mapping of str to RegisteredClient
        Clients by provider.
    aliases : mapping of str to str or sequence of str
        Names for targets and groups.
    stats : TargetStats
        How targets did lately.

    Raises
    ------
    InvalidInputError
        If an alias leads back to itself.
    """

    __slots__ = ("_aliases", "_clients", "_groups", "_stats")

    def __init__(
        self, clients: Mapping[str, RegisteredClient], aliases: AliasTable, stats: TargetStats
    ) -> None:
        for name in aliases:
            expand_targets([name], aliases)
        self._clients = clients
        self._aliases = aliases
        self._stats = stats
        self._groups: OrderedDict[object, _Group] = OrderedDict()

    def ordered(
        self,
        primary: Names | None,
        fallback: Names,
        model: str | None,
        strategy: SelectionStrategy,
        *,
        now_s: float,
        random: Callable[[], float],
    ) -> tuple[Target, ...]:
        """Return whom to ask, in order.

        Parameters
        ----------
        primary : str or Target or sequence of either, or None
            The group that is asked first, ordered by the strategy; None takes the only provider.
        fallback : str or Target or sequence of either
            Whom to ask then, as written.
        model : str or None
            Model of the request, for targets of `primary` that name none. Fallbacks that name none
            are asked for their own model, if they have one.
        strategy : SelectionStrategy
            How the group is ordered.
        now_s : float
            The time now.
        random : callable
            Returns a random number, uniform in [0, 1).

        Returns
        -------
        tuple of Target
            The targets, at least one, each once.

        Raises
        ------
        UnknownProviderError
            If a name is neither a provider nor an alias.
        InvalidInputError
            If a name is its own fallback, a provider has no such model, or nobody is named and
            several could be meant.
        """
        key = (_key(primary), _key(fallback), model, strategy)
        group = self._groups.get(key)
        if group is None:
            group = self._group(primary, fallback, model, strategy)
            if len(self._groups) >= _MAX_REMEMBERED:
                self._groups.popitem(last=False)
            self._groups[key] = group
        if len(group.first) == 1:
            return (*group.first, *group.rest) if group.rest else group.first
        return (*group.selector.order(group.first, now_s, random), *group.rest)

    def chains(self, chains: FallbackChains, model: str | None) -> FallbackChains:
        """Return targets for special failures, checked.

        Parameters
        ----------
        chains : FallbackChains
            The targets as given.
        model : str or None
            Model of the request.

        Returns
        -------
        FallbackChains
            The targets as they can be asked.

        Raises
        ------
        UnknownProviderError
            If a provider is not registered.
        InvalidInputError
            If a provider has no such model.
        """
        return FallbackChains(
            context_window=tuple(self._checked(t, model) for t in chains.context_window),
            content_policy=tuple(self._checked(t, model) for t in chains.content_policy),
        )

    def _group(
        self,
        primary: Names | None,
        fallback: Names,
        model: str | None,
        strategy: SelectionStrategy,
    ) -> _Group:
        first, rest = self._names(primary), _listed(fallback)
        # Both together, so that a name that is its own fallback is found.
        everybody = expand_targets([*first, *rest], self._aliases)
        leading = {target.key for target in expand_targets(first, self._aliases)}
        found: dict[tuple[str, str | None], tuple[Target, bool]] = {}
        for target in everybody:
            is_first = target.key in leading
            checked = self._checked(target, model, is_first=is_first)
            # Two names may mean one model, once the request has named it.
            found.setdefault(checked.key, (checked, is_first))
        return _Group(
            tuple(target for target, is_first in found.values() if is_first),
            tuple(target for target, is_first in found.values() if not is_first),
            TargetSelector(strategy, self._stats),
        )

    def _names(self, primary: Names | None) -> Sequence[str | Target]:
        if primary is not None:
            return _listed(primary)
        if len(self._clients) == 1:
            return list(self._clients)
        known = ", ".join(map(repr, self._clients)) or "none; register one"
        raise InvalidInputError(f"pass primary= to say whom to ask; registered: {known}")

    def _checked(self, target: Target, model: str | None, *, is_first: bool = False) -> Target:
        registered = self._clients.get(target.provider)
        if registered is None:
            raise UnknownProviderError(str(target), [*self._clients, *self._aliases])
        wanted = target.model
        if wanted is None and model is not None:
            has_own = registered.client.capabilities().default_model is not None
            wanted = model if is_first or not has_own else None
        models = registered.models
        if wanted is not None and models is not None and wanted not in models:
            raise InvalidInputError(
                f"provider {target.provider!r} has no model {wanted!r}"
                f"{nearest_name_hint(wanted, models)}"
            )
        own_s = registered.timeout_s if target.timeout_s is None else target.timeout_s
        weight = target.weight * registered.weight
        return replace(target, model=wanted, timeout_s=own_s, weight=weight)


def _listed(names: Names) -> Sequence[str | Target]:
    return [names] if isinstance(names, (str, Target)) else names


def _key(names: Names | None) -> object:
    return names if names is None or isinstance(names, (str, Target)) else tuple(names)
