"""Answers in the memory of this process."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Collection

    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.types import Partition

__all__ = ["ENTRY_OVERHEAD_BYTES", "MemoryBackend", "MemoryStats"]

ENTRY_OVERHEAD_BYTES = 600
"""Most that an entry costs beside its texts: 365 bytes among many of a partition, 607 where each
has a partition of its own (64-bit CPython 3.11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStats:
    """State of a memory backend at one moment."""

    entries: int
    """Number of stored entries, expired ones that nobody asked for included."""
    size_bytes: int
    """Memory that they take."""
    evictions: int = 0
    """Entries that went because of a limit, since the start."""
    expirations: int = 0
    """Entries that were found too old, since the start."""


class _Entry:
    __slots__ = ("expires_at_s", "key", "partition", "size_bytes", "value")

    def __init__(self, partition: Partition, key: str, value: bytes, expires_at_s: float) -> None:
        self.partition = partition
        self.key = key
        self.value = value
        self.expires_at_s = expires_at_s
        names = len(partition.tenant or "") + len(partition.user or "")
        self.size_bytes = len(value) + len(key) + names + ENTRY_OVERHEAD_BYTES


class MemoryBackend:
    """Keeps values in one dictionary per partition, within limits over all of them.

    When a limit is reached the least recently used entry of all partitions goes. Reading an entry
    makes it recent, but never prolongs its life.

    Parameters
    ----------
    max_entries : int, >= 1
        Most entries.
    max_bytes : int, >= 1
        Most memory, the cost of keeping an entry included.
    ttl_s : float, seconds, > 0
        Life of an entry that is stored without its own.
    max_age_s : float, seconds, > 0, optional
        Age at which an entry ends even if it was stored with a longer life.
    clock : Clock, optional
        Where the time comes from; None takes the machine's.
    """

    def __init__(
        self,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 1 << 30,
        ttl_s: float = 3600.0,
        max_age_s: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._max_age_s = math.inf if max_age_s is None else max_age_s
        self._clock = SystemClock() if clock is None else clock
        self._stores: dict[Partition, dict[str, _Entry]] = {}
        self._by_use: OrderedDict[_Entry, None] = OrderedDict()
        self._size_bytes = 0
        self._evictions = 0
        self._expirations = 0

    async def get(self, partition: Partition, key: str) -> bytes | None:
        """Return what is stored and not expired.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry inside the partition.

        Returns
        -------
        bytes or None
            The value, or None.
        """
        store = self._stores.get(partition)
        entry = None if store is None else store.get(key)
        if entry is None:
            return None
        if entry.expires_at_s <= self._clock.now_s():
            self._remove(entry)
            self._expirations += 1
            return None
        self._by_use.move_to_end(entry)
        return entry.value

    async def set(
        self, partition: Partition, key: str, value: bytes, *, ttl_s: float | None = None
    ) -> bool:
        """Store a value, replacing an older one.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry inside the partition.
        value : bytes
            What to store.
        ttl_s : float, seconds, > 0, optional
            Life of this entry; None takes that of the backend.

        Returns
        -------
        bool
            Whether it was stored; False if it alone is larger than the limit. An older value is
            gone in any case.
        """
        await self.delete(partition, key)
        life_s = min(self._ttl_s if ttl_s is None else ttl_s, self._max_age_s)
        entry = _Entry(partition, key, value, self._clock.now_s() + life_s)
        if entry.size_bytes > self._max_bytes:
            return False
        self._stores.setdefault(partition, {})[key] = entry
        self._by_use[entry] = None
        self._size_bytes += entry.size_bytes
        while len(self._by_use) > self._max_entries or self._size_bytes > self._max_bytes:
            self._remove(next(iter(self._by_use)))
            self._evictions += 1
        return True

    async def delete(self, partition: Partition, key: str) -> bool:
        """Remove an entry.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry inside the partition.

        Returns
        -------
        bool
            Whether there was one.
        """
        entry = self._stores.get(partition, {}).get(key)
        if entry is None:
            return False
        self._remove(entry)
        return True

    async def clear(self, partition: Partition | None = None) -> int:
        """Remove the entries of one partition, or all.

        Parameters
        ----------
        partition : Partition, optional
            Whose entries; None means everybody's.

        Returns
        -------
        int
            How many were removed.
        """
        entries = [*self._entries(partition)]
        for entry in entries:
            self._remove(entry)
        return len(entries)

    async def stats(self, partition: Partition | None = None) -> MemoryStats:
        """Return the state of one partition, or of the whole.

        Parameters
        ----------
        partition : Partition, optional
            Whose state; None means everybody's together.

        Returns
        -------
        MemoryStats
            Entries and bytes; evictions and expirations are those of the whole.
        """
        entries = self._entries(partition)
        size = self._size_bytes
        if partition is not None:
            size = sum(entry.size_bytes for entry in entries)
        return MemoryStats(
            entries=len(entries),
            size_bytes=size,
            evictions=self._evictions,
            expirations=self._expirations,
        )

    def _entries(self, partition: Partition | None) -> Collection[_Entry]:
        if partition is None:
            return self._by_use.keys()
        return self._stores.get(partition, {}).values()

    def _remove(self, entry: _Entry) -> None:
        store = self._stores[entry.partition]
        del store[entry.key]
        if not store:
            # Partitions come and go with users; an empty one must not stay.
            del self._stores[entry.partition]
        del self._by_use[entry]
        self._size_bytes -= entry.size_bytes
