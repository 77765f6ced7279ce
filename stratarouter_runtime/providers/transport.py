"""How bytes get to a provider and back, whoever carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OpenAnswer", "Transport"]


class OpenAnswer(Protocol):
    """An answer whose head is here and whose body is on its way.

    Its methods raise `ConnectionFailedError` where the connection breaks. When one of them is
    cancelled, only `aclose` may follow.
    """

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers; look-ups ignore case."""
        ...

    def rest(self) -> bytes | None:
        """Return what is left of the body if all of it is here already.

        Returns
        -------
        bytes or None
            None if it has to be waited for.
        """
        ...

    async def read(self) -> bytes:
        """Wait for the next piece of the body.

        Returns
        -------
        bytes
            The piece; empty at the end.
        """
        ...

    async def aclose(self) -> None:
        """Let the connection go: to others if the body has ended, else closed; may be repeated."""
        ...


class Transport(Protocol):
    """Sends requests, each exactly once."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys that it sends along; they are masked in messages."""
        ...

    async def send(self, path: str, body: dict[str, Any]) -> OpenAnswer:
        """Send a request and wait for the head of its answer.

        Cancelled, it leaves no connection behind that is still at work.

        Parameters
        ----------
        path : str
            Path below the base address.
        body : dict
            JSON data.

        Returns
        -------
        OpenAnswer
            The answer, whatever its status; redirections are not followed.

        Raises
        ------
        ConnectionFailedError
            If there is none.
        ProviderTimeoutError
            If no connection comes about in time.
        """
        ...

    async def aclose(self) -> None:
        """Close what it opened in this event loop; may be repeated."""
        ...
