"""Clients by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError, StrataError
from stratarouter_runtime.errors import DuplicateBindingError, UnknownProviderError
from stratarouter_runtime.policies.targets import Target
from stratarouter_runtime.providers.adapters import model_client

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.provider_protocol import ModelClient

__all__ = ["ClientTable", "RegisteredClient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredClient:
    """A client, and what was said about it."""

    client: ModelClient
    """The client."""
    number: int
    """Which registration it is; another client under the same name has another number."""
    weight: float = 1.0
    """Its share of the traffic where targets are weighted, >= 0."""
    timeout_s: float | None = None
    """Longest attempt, seconds; None has no limit of its own."""
    models: frozenset[str] | None = None
    """Models that it has; None: whatever it is asked for."""


class ClientTable:
    """The clients of one registry; a call under way keeps those that there were when it began."""

    __slots__ = ("_entries", "_registrations")

    def __init__(self) -> None:
        self._entries: dict[str, RegisteredClient] = {}
        self._registrations = 0

    @property
    def entries(self) -> Mapping[str, RegisteredClient]:
        """Clients by name, as of now; a change makes a new mapping."""
        return self._entries

    def add(
        self,
        name: str,
        client: ModelClient | LLMClient,
        *,
        weight: float,
        timeout_s: float | None,
        models: Iterable[str] | None,
        replace: bool,
    ) -> None:
        """Give a client a name.

        Parameters
        ----------
        name : str
            Its name.
        client : ModelClient or LLMClient
            The client.
        weight : float, >= 0
            Its share of the traffic where targets are weighted.
        timeout_s : float, seconds, > 0, or None
            Longest attempt.
        models : iterable of str, or None
            Models that it has.
        replace : bool
            Whether it may take the place of another.

        Raises
        ------
        DuplicateBindingError
            If the name is taken.
        InvalidInputError
            If a value is out of its range, or it is no client.
        """
        given: object = name
        if not isinstance(given, str) or not given.strip() or "/" in given:
            raise InvalidInputError(f"a provider needs a name without a slash, got {name!r}")
        # Refuses figures out of range.
        Target(provider=name, weight=weight, timeout_s=timeout_s)
        whole = model_client(client, name)
        if name in self._entries and not replace:
            raise DuplicateBindingError("provider", name)
        self._registrations += 1
        entry = RegisteredClient(
            client=whole,
            number=self._registrations,
            weight=weight,
            timeout_s=timeout_s,
            models=None if models is None else frozenset(models),
        )
        self._entries = {**self._entries, name: entry}

    def get(self, name: str) -> RegisteredClient:
        """Return a client.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        RegisteredClient
            The client, and what was said about it.

        Raises
        ------
        UnknownProviderError
            If there is none.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownProviderError(name, self._entries)
        return entry

    async def aclose(self) -> None:
        """Close the clients; a failure of one does not keep the others open.

        Raises
        ------
        StrataError
            What the first of them failed with.
        """
        problems: list[StrataError] = []
        for entry in self._entries.values():
            try:
                await entry.client.aclose()
            except StrataError as error:
                problems.append(error)
        if problems:
            raise problems[0]
