"""A backend that is counted, and never the reason why an execution fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stratarouter_runtime.config_sections import Spec
from stratarouter_runtime.errors import CacheBackendError

if TYPE_CHECKING:
    from stratarouter_runtime.protocols import CacheBackend
    from stratarouter_runtime.types import Partition

__all__ = ["AnswerStore"]

_TTL = Spec(kind=float, above=0)

_logger = logging.getLogger("stratarouter_runtime")


class AnswerStore:
    """Bytes by (partition, key), with one life for all that name none of their own.

    Parameters
    ----------
    backend : CacheBackend
        Where the bytes are.
    ttl_s : float, seconds, > 0
        Life of an entry.
    """

    def __init__(self, backend: CacheBackend, ttl_s: float) -> None:
        self.backend = backend
        """Where the bytes are."""
        self._ttl_s = ttl_s
        self._hits = 0
        self._misses = 0
        self._errors = 0

    async def get(self, partition: Partition, key: str) -> bytes | None:
        """Return an entry, and count the hit or miss.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry.

        Returns
        -------
        bytes or None
            The value, or None.

        Raises
        ------
        CacheBackendError
            If the backend cannot be used.
        """
        data = await self.backend.get(partition, key)
        if data is None:
            self._misses += 1
        else:
            self._hits += 1
        return data

    async def set(
        self, partition: Partition, key: str, value: bytes, ttl_s: float | None = None
    ) -> bool:
        """Store an entry.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry.
        value : bytes
            What to store.
        ttl_s : float, seconds, > 0, optional
            Its life; None takes that of the store.

        Returns
        -------
        bool
            Whether it was stored.

        Raises
        ------
        ConfigurationError
            If the life is not > 0.
        CacheBackendError
            If the backend cannot be used.
        """
        life_s = self._ttl_s if ttl_s is None else _TTL.checked("ttl", ttl_s)
        return await self.backend.set(partition, key, value, ttl_s=life_s)

    async def lookup(self, partition: Partition, key: str) -> bytes | None:
        """Return an entry; a backend that cannot be used is a miss.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry.

        Returns
        -------
        bytes or None
            The value, or None.
        """
        try:
            return await self.get(partition, key)
        except CacheBackendError as error:
            self._misses += 1
            self._note(error)
            return None

    async def keep(
        self, partition: Partition, key: str, value: bytes, ttl_s: float | None = None
    ) -> bool:
        """Store an entry; a backend that cannot be used stores nothing.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry.
        value : bytes
            What to store.
        ttl_s : float, seconds, > 0, optional
            Its life; None takes that of the store.

        Returns
        -------
        bool
            Whether it was stored.
        """
        try:
            return await self.set(partition, key, value, ttl_s)
        except CacheBackendError as error:
            self._note(error)
            return False

    async def stats(self) -> dict[str, float]:
        """Return the counters under the names of the REST interface.

        Returns
        -------
        dict
            ``hit_rate`` in [0, 1], ``total_requests``, ``cache_hits``, ``cache_misses``,
            ``entries``, ``memory_mb``; and ``backend_errors``, failures that were passed over.

        Raises
        ------
        CacheBackendError
            If the backend cannot be used.
        """
        state = await self.backend.stats()
        total = self._hits + self._misses
        return {
            "hit_rate": self._hits / total if total else 0.0,
            "total_requests": total,
            "cache_hits": self._hits,
            "cache_misses": self._misses,
            "entries": state.entries,
            "memory_mb": state.size_bytes / 2**20,
            "backend_errors": self._errors,
        }

    def _note(self, error: CacheBackendError) -> None:
        self._errors += 1
        if self._errors == 1:
            _logger.warning("the cache cannot be used: %s; further failures are counted", error)
