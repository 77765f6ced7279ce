"""The memory backend against a model of a few lines, over any sequence of operations."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stratarouter_runtime.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryBackend
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import ANONYMOUS, Partition

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

MAX_ENTRIES = 4
MAX_BYTES = 4 * ENTRY_OVERHEAD_BYTES
TTL_S, MAX_AGE_S = 10, 20

partitions = st.sampled_from(
    [ANONYMOUS, Partition("t"), Partition("t", "u"), Partition("t", "u", "session")]
)
keys = st.sampled_from("abc")
sizes = st.sampled_from([0, 1, 200, 900, MAX_BYTES])
lives = st.sampled_from([None, 1, 5, 15, 100])


@dataclass
class Entry:
    partition: Partition
    key: str
    value: bytes
    ends_at_s: float

    @property
    def size(self) -> int:
        names = len(self.partition.tenant or "") + len(self.partition.user or "")
        return len(self.value) + len(self.key) + names + ENTRY_OVERHEAD_BYTES


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("the memory backend must not wait")


class CacheMachine(RuleBasedStateMachine):
    """Keeps a list of entries, least recently used first, beside the real thing."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.backend = MemoryBackend(
            max_entries=MAX_ENTRIES,
            max_bytes=MAX_BYTES,
            ttl_s=TTL_S,
            max_age_s=MAX_AGE_S,
            clock=self.clock,
        )
        self.model: list[Entry] = []
        self.count = 0

    def find(self, partition: Partition, key: str) -> Entry | None:
        for entry in self.model:
            if (entry.partition, entry.key) == (partition, key):
                return entry
        return None

    @rule(partition=partitions, key=keys, size=sizes, life=lives)
    def store(self, partition: Partition, key: str, size: int, life: int | None) -> None:
        self.count += 1
        value = str(self.count).encode().ljust(size, b".")
        ends_at_s = self.clock.now_s() + min(TTL_S if life is None else life, MAX_AGE_S)
        entry = Entry(partition, key, value, ends_at_s)
        self.model = [known for known in self.model if known != self.find(partition, key)]
        fits = entry.size <= MAX_BYTES
        if fits:
            self.model.append(entry)
            while len(self.model) > MAX_ENTRIES or sum(e.size for e in self.model) > MAX_BYTES:
                self.model.pop(0)

        assert run(self.backend.set(partition, key, value, ttl_s=life)) is fits

    @rule(partition=partitions, key=keys)
    def read(self, partition: Partition, key: str) -> None:
        entry = self.find(partition, key)
        expected = None
        if entry is not None:
            self.model.remove(entry)
            if entry.ends_at_s > self.clock.now_s():
                self.model.append(entry)
                expected = entry.value

        assert run(self.backend.get(partition, key)) == expected

    @rule(partition=partitions, key=keys)
    def remove(self, partition: Partition, key: str) -> None:
        entry = self.find(partition, key)
        if entry is not None:
            self.model.remove(entry)

        assert run(self.backend.delete(partition, key)) is (entry is not None)

    @rule(partition=st.none() | partitions)
    def clear(self, partition: Partition | None) -> None:
        kept = [e for e in self.model if partition is not None and e.partition != partition]
        removed = len(self.model) - len(kept)
        self.model = kept

        assert run(self.backend.clear(partition)) == removed

    @rule(seconds=st.sampled_from([0, 1, 4, 10, 30]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def sizes_agree(self) -> None:
        state = run(self.backend.stats())

        assert state.entries == len(self.model) <= MAX_ENTRIES
        assert state.size_bytes == sum(entry.size for entry in self.model) <= MAX_BYTES

    @invariant()
    def partitions_agree(self) -> None:
        for partition in {entry.partition for entry in self.model}:
            mine = [entry for entry in self.model if entry.partition == partition]
            state = run(self.backend.stats(partition))

            assert state.entries == len(mine)
            assert state.size_bytes == sum(entry.size for entry in mine)

    @invariant()
    def no_empty_store_stays(self) -> None:
        assert set(self.backend._stores) == {entry.partition for entry in self.model}


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(stateful_step_count=40)


def test_the_backend_never_waits_even_in_a_loop() -> None:
    async def several() -> list[bytes | None]:
        backend = MemoryBackend()
        await backend.set(ANONYMOUS, "k", b"1")
        return await asyncio.gather(*(backend.get(ANONYMOUS, "k") for _ in range(3)))

    assert asyncio.run(several()) == [b"1"] * 3
