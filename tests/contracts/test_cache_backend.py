"""What every cache backend promises; run over each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.cache.memory import MemoryBackend
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import ANONYMOUS, Partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratarouter_runtime.protocols import CacheBackend, Clock

    Factory = Callable[[Clock], CacheBackend]

FACTORIES: dict[str, Factory] = {
    "memory": lambda clock: MemoryBackend(clock=clock, ttl_s=60.0),
}
PARTITIONS = [
    ANONYMOUS,
    Partition("a"),
    Partition(user="a"),
    Partition(user="a", user_kind="session"),
    Partition("a", "a"),
    Partition("a", "a", "session"),
    Partition("b", "a"),
    Partition('a", "a'),
]


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test turns."""
    return ManualClock()


@pytest.fixture(params=list(FACTORIES))
def backend(request: pytest.FixtureRequest, clock: ManualClock) -> CacheBackend:
    """Return an empty backend of each kind."""
    return FACTORIES[request.param](clock)


async def test_an_absent_key_is_none(backend: CacheBackend) -> None:
    assert await backend.get(ANONYMOUS, "k") is None
    assert not await backend.delete(ANONYMOUS, "k")
    assert await backend.clear() == 0


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"x" * 100_000])
async def test_bytes_come_back_as_they_were(backend: CacheBackend, value: bytes) -> None:
    assert await backend.set(ANONYMOUS, "k", value)

    assert await backend.get(ANONYMOUS, "k") == value


@pytest.mark.parametrize("key", ["", "k", "a:b", 'quote"', "ü\u2028", "x" * 1000])
async def test_any_text_is_a_key(backend: CacheBackend, key: str) -> None:
    await backend.set(ANONYMOUS, key, b"1")

    assert await backend.get(ANONYMOUS, key) == b"1"
    assert await backend.get(ANONYMOUS, key + "x") is None


async def test_a_later_value_replaces_the_earlier(backend: CacheBackend) -> None:
    await backend.set(ANONYMOUS, "k", b"1")
    await backend.set(ANONYMOUS, "k", b"2")

    assert await backend.get(ANONYMOUS, "k") == b"2"
    assert (await backend.stats()).entries == 1


async def test_partitions_share_no_key(backend: CacheBackend) -> None:
    for index, partition in enumerate(PARTITIONS):
        await backend.set(partition, "k", str(index).encode())

    values = [await backend.get(partition, "k") for partition in PARTITIONS]
    assert values == [str(index).encode() for index in range(len(PARTITIONS))]


@pytest.mark.parametrize("how", ["delete", "clear"])
async def test_removing_in_one_partition_touches_no_other(backend: CacheBackend, how: str) -> None:
    for partition in PARTITIONS:
        await backend.set(partition, "k", b"1")
    first, *others = PARTITIONS
    if how == "delete":
        assert await backend.delete(first, "k")
    else:
        assert await backend.clear(first) == 1

    assert await backend.get(first, "k") is None
    assert [await backend.get(partition, "k") for partition in others] == [b"1"] * len(others)


async def test_clearing_everything(backend: CacheBackend) -> None:
    for partition in PARTITIONS:
        await backend.set(partition, "k", b"1")

    assert await backend.clear() == len(PARTITIONS)
    assert (await backend.stats()).entries == 0


async def test_entries_end(backend: CacheBackend, clock: ManualClock) -> None:
    await backend.set(ANONYMOUS, "own", b"1", ttl_s=10.0)
    await backend.set(ANONYMOUS, "default", b"1")
    clock.advance(10.0)
    assert await backend.get(ANONYMOUS, "own") is None
    assert await backend.get(ANONYMOUS, "default") == b"1"
    clock.advance(50.0)
    assert await backend.get(ANONYMOUS, "default") is None


async def test_replacing_gives_a_new_life(backend: CacheBackend, clock: ManualClock) -> None:
    await backend.set(ANONYMOUS, "k", b"1", ttl_s=10.0)
    clock.advance(9.0)
    await backend.set(ANONYMOUS, "k", b"2", ttl_s=10.0)
    clock.advance(9.0)

    assert await backend.get(ANONYMOUS, "k") == b"2"


async def test_the_state_counts_entries_and_bytes(backend: CacheBackend) -> None:
    await backend.set(Partition("a"), "k", bytes(1000))
    await backend.set(Partition("b"), "k", bytes(1000))

    whole, part = await backend.stats(), await backend.stats(Partition("a"))
    assert (whole.entries, part.entries) == (2, 1)
    assert whole.size_bytes >= 2000
    assert 1000 <= part.size_bytes < whole.size_bytes
