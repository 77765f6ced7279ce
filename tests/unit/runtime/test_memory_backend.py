"""The memory backend: order of eviction, ends of life, honest sizes, partitions."""

from __future__ import annotations

import pytest

from stratarouter_runtime.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryBackend
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import ANONYMOUS, Partition

ANN, BOB = Partition("acme", "ann"), Partition("acme", "bob")


async def test_what_is_set_is_got_in_its_partition_only() -> None:
    backend = MemoryBackend(clock=ManualClock())
    await backend.set(ANN, "k", b"ann's")
    await backend.set(BOB, "k", b"bob's")

    assert await backend.get(ANN, "k") == b"ann's"
    assert await backend.get(BOB, "k") == b"bob's"
    assert await backend.get(ANONYMOUS, "k") is None
    assert await backend.get(Partition("acme", "ann", "session"), "k") is None


async def test_an_entry_ends_with_its_life() -> None:
    clock = ManualClock()
    backend = MemoryBackend(ttl_s=10.0, clock=clock)
    await backend.set(ANN, "default", b"1")
    await backend.set(ANN, "short", b"2", ttl_s=5.0)
    clock.advance(4.5)
    assert await backend.get(ANN, "short") == b"2"
    clock.advance(0.5)
    assert await backend.get(ANN, "short") is None
    clock.advance(4.5)
    assert await backend.get(ANN, "default") == b"1"
    clock.advance(0.5)
    assert await backend.get(ANN, "default") is None
    assert (await backend.stats()).expirations == 2
    assert (await backend.stats()).entries == 0


async def test_reading_does_not_prolong_a_life() -> None:
    clock = ManualClock()
    backend = MemoryBackend(ttl_s=10.0, clock=clock)
    await backend.set(ANN, "k", b"1")
    for _ in range(9):
        clock.advance(1.0)
        assert await backend.get(ANN, "k") == b"1"
    clock.advance(1.0)

    assert await backend.get(ANN, "k") is None


async def test_no_life_is_longer_than_the_greatest_age() -> None:
    clock = ManualClock()
    backend = MemoryBackend(ttl_s=10.0, max_age_s=20.0, clock=clock)
    await backend.set(ANN, "k", b"1", ttl_s=1000.0)
    clock.advance(20.0)

    assert await backend.get(ANN, "k") is None


async def test_the_least_recently_used_entry_of_all_partitions_goes_first() -> None:
    backend = MemoryBackend(max_entries=3, clock=ManualClock())
    for partition, key in ((ANN, "1"), (BOB, "2"), (ANN, "3")):
        await backend.set(partition, key, b"x")
    await backend.get(ANN, "1")
    await backend.set(BOB, "4", b"x")

    assert await backend.get(BOB, "2") is None
    assert await backend.get(ANN, "1") == b"x"
    assert await backend.get(ANN, "3") == b"x"
    assert await backend.get(BOB, "4") == b"x"
    assert (await backend.stats()).evictions == 1


async def test_memory_is_limited_in_bytes() -> None:
    size = ENTRY_OVERHEAD_BYTES + len("k0") + 100
    backend = MemoryBackend(max_bytes=3 * size, clock=ManualClock())
    for index in range(5):
        await backend.set(ANONYMOUS, f"k{index}", bytes(100))

    state = await backend.stats()
    assert (state.entries, state.size_bytes) == (3, 3 * size)
    assert await backend.get(ANONYMOUS, "k1") is None
    assert await backend.get(ANONYMOUS, "k2") == bytes(100)


async def test_an_entry_larger_than_the_cache_is_not_stored_and_drives_nothing_out() -> None:
    backend = MemoryBackend(max_bytes=2000, clock=ManualClock())
    await backend.set(ANN, "small", b"x")
    await backend.set(ANN, "big", b"old")

    assert not await backend.set(ANN, "big", bytes(2000))
    assert await backend.get(ANN, "small") == b"x"
    assert await backend.get(ANN, "big") is None, "the old value would be wrong by now"


async def test_replacing_does_not_count_twice() -> None:
    backend = MemoryBackend(clock=ManualClock())
    await backend.set(ANN, "k", bytes(1000))
    await backend.set(ANN, "k", bytes(10))

    state = await backend.stats()
    assert state.entries == 1
    assert state.size_bytes < 1000


async def test_clearing_one_partition_leaves_the_others() -> None:
    backend = MemoryBackend(clock=ManualClock())
    for key in "abc":
        await backend.set(ANN, key, b"x")
    await backend.set(BOB, "a", b"y")

    assert await backend.clear(ANN) == 3
    assert await backend.get(BOB, "a") == b"y"
    assert await backend.clear(ANN) == 0
    assert await backend.clear() == 1
    assert (await backend.stats()).size_bytes == 0


async def test_the_state_of_one_partition() -> None:
    backend = MemoryBackend(clock=ManualClock())
    await backend.set(ANN, "a", bytes(50))
    await backend.set(BOB, "b", bytes(70))
    ann, bob, everybody = [await backend.stats(whose) for whose in (ANN, BOB, None)]

    assert (ann.entries, bob.entries, everybody.entries) == (1, 1, 2)
    assert ann.size_bytes + bob.size_bytes == everybody.size_bytes


@pytest.mark.parametrize("remove", ["delete", "expire", "evict", "clear"])
async def test_empty_partitions_leave_nothing_behind(remove: str) -> None:
    clock = ManualClock()
    backend = MemoryBackend(max_entries=1, ttl_s=1.0, clock=clock)
    await backend.set(ANN, "k", b"x")
    if remove == "delete":
        assert await backend.delete(ANN, "k")
    elif remove == "expire":
        clock.advance(1.0)
        await backend.get(ANN, "k")
    elif remove == "evict":
        await backend.set(BOB, "k", b"x")
    else:
        await backend.clear(ANN)

    assert ANN not in backend._stores
