"""Clients that bridges are handed, by name or with a binding, in one registry."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from stratarouter_runtime.errors import UnknownProviderError
from stratarouter_runtime.execution.bindings import ProviderTarget
from stratarouter_runtime.providers.adapters import SimpleClient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratarouter_runtime.execution.bindings import Binding
    from stratarouter_runtime.policies.targets import TargetKey
    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.provider_protocol import ModelClient
    from stratarouter_runtime.providers.registry import LLMClientRegistry

__all__ = ["BoundClients"]


@dataclass(slots=True)
class _Adopted:
    client: LLMClient
    name: str
    uses: int = 1


class BoundClients:
    """Registered clients, and those that are bound without being registered.

    The latter need a name in the registry too; they get the one that they are called by, or, if
    that is taken, one with a number behind it. Names that users register go first.

    Parameters
    ----------
    registry : LLMClientRegistry
        Where all of them are.
    """

    def __init__(self, registry: LLMClientRegistry) -> None:
        self._registry = registry
        # By wanted name and client; a client lives as long as its entry, so ids are unique.
        self._adopted: dict[tuple[str, int], _Adopted] = {}
        self._given: dict[str, LLMClient] = {}
        # Names in the registry whose client nobody is bound to any more.
        self._idle: set[str] = set()
        self._generations: dict[str, tuple[ModelClient, int]] = {}

    @property
    def registry(self) -> LLMClientRegistry:
        """Where all of them are."""
        return self._registry

    @property
    def names(self) -> tuple[str, ...]:
        """Names that users have registered, in order."""
        hidden = self._hidden()
        providers = self._registry.providers
        return tuple(name for name in providers if name not in hidden) if hidden else providers

    def register(self, name: str, client: LLMClient, *, replace: bool) -> None:
        """Register a client under a name of the user's.

        Parameters
        ----------
        name : str
            The name.
        client : LLMClient
            The client.
        replace : bool
            Whether it may take the place of another.

        Raises
        ------
        DuplicateBindingError
            If the name is taken.
        InvalidInputError
            If the name has a slash or is blank.
        """
        is_ours = name in self._hidden()
        for adopted in self._adopted.values():
            if adopted.name == name:
                adopted.name = self._free_name(name)
                self._enter(adopted.name, adopted.client)
        self._registry.register(name, client, replace=replace or is_ours)
        self._idle.discard(name)
        self._given[name] = client

    def exchange(self, former: Binding | None, binding: Binding) -> None:
        """Take in the client that a binding names, and let that of its predecessor go.

        Parameters
        ----------
        former : Binding or None
            What was bound before; None if nothing was.
        binding : Binding
            What is bound now.

        Raises
        ------
        InvalidInputError
            If the name of the new client has a slash or is blank.
        """
        target = binding.target
        if isinstance(target, ProviderTarget) and target.client is not None:
            self.adopt(target.provider, target.client)
        old = None if former is None else former.target
        if isinstance(old, ProviderTarget) and old.client is not None:
            self.release(old.provider, old.client)

    def judge(self, asked: TargetKey, *, answer_ok: bool) -> None:
        """Count what a user says into the health of who answered, if he is still there.

        Parameters
        ----------
        asked : tuple of str and str or None
            Provider and model as they were asked.
        answer_ok : bool
            Whether the answer was good.
        """
        provider, model = asked
        with suppress(UnknownProviderError):
            self._registry.feedback(provider, model, answer_ok=answer_ok)

    def adopt(self, wanted: str, client: LLMClient) -> None:
        """Take in a client that is bound directly.

        Parameters
        ----------
        wanted : str
            What it is to be called.
        client : LLMClient
            The client.

        Raises
        ------
        InvalidInputError
            If the name has a slash or is blank.
        """
        if self._given.get(wanted) is client:
            return
        known = self._adopted.get((wanted, id(client)))
        if known is not None:
            known.uses += 1
            return
        name = self._free_name(wanted)
        self._enter(name, client)
        self._adopted[wanted, id(client)] = _Adopted(client, name)

    def release(self, wanted: str, client: LLMClient) -> None:
        """Let a client go that is no longer bound.

        Parameters
        ----------
        wanted : str
            What it was called.
        client : LLMClient
            The client.
        """
        known = self._adopted.get((wanted, id(client)))
        if known is None:
            return
        known.uses -= 1
        if known.uses == 0:
            del self._adopted[wanted, id(client)]
            self._idle.add(known.name)

    def name(self, wanted: str, client: LLMClient | None) -> str:
        """Return the name in the registry.

        Parameters
        ----------
        wanted : str
            What is asked for.
        client : LLMClient or None
            The client that is bound directly; None for a registered one.

        Returns
        -------
        str
            The name.
        """
        known = None if client is None else self._adopted.get((wanted, id(client)))
        return wanted if known is None else known.name

    def generation(self, name: str) -> int:
        """Return how often the client behind a name was replaced, as far as was asked.

        Parameters
        ----------
        name : str
            "provider" or "provider/model"; or an alias, which stands for whatever it means.

        Returns
        -------
        int
            0 for the first client, and for none.
        """
        provider = name.partition("/")[0]
        try:
            client = self._registry.client(provider)
        except UnknownProviderError:
            return 0
        known = self._generations.get(provider)
        if known is not None and known[0] is client:
            return known[1]
        number = 0 if known is None else known[1] + 1
        self._generations[provider] = (client, number)
        return number

    def are_whole(self, names: Iterable[str]) -> bool:
        """Say whether all clients behind names keep to the protocol of whole ones.

        Parameters
        ----------
        names : iterable of str
            "provider" or "provider/model"; what aliases stand for is not looked up.

        Returns
        -------
        bool
            Whether; False for names that nobody is registered under.
        """
        try:
            clients = [self._registry.client(name.partition("/")[0]) for name in names]
        except UnknownProviderError:
            return False
        return not any(isinstance(client, SimpleClient) for client in clients)

    def _hidden(self) -> set[str]:
        return {adopted.name for adopted in self._adopted.values()} | self._idle

    def _free_name(self, wanted: str) -> str:
        for number in count(1):
            name = wanted if number == 1 else f"{wanted}#{number}"
            if name in self._idle or name not in self._registry.providers:
                return name
        raise AssertionError("numbers do not end")

    def _enter(self, name: str, client: LLMClient) -> None:
        self._registry.register(name, client, replace=name in self._idle)
        self._idle.discard(name)
