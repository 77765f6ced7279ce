"""The cached encoder: each text encoded once, memory bounded, nobody can spoil what is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from stratarouter.encoders.base import CheckedEncoder, ensure_encoder
from stratarouter.encoders.cached import CachedEncoder
from stratarouter.encoders.hashing import HashingEncoder
from stratarouter.errors import ConfigurationError, EncodingError, InvalidInputError


class Recording:
    """Encodes with the hashing encoder and remembers what it was asked."""

    encoder_id = "recording"
    dimension = 32

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.hashing = HashingEncoder(32)

    def encode(self, texts: list[str]) -> Any:
        self.calls.append(texts)
        return self.hashing.encode(texts)


class Awaited(Recording):
    async def aencode(self, texts: list[str]) -> Any:
        return self.encode(texts)


def test_one_call_serves_all_unknown_texts_of_a_batch_each_once() -> None:
    inner = Recording()
    encoder = CachedEncoder(inner)

    encoder.encode(["a", "b"])
    rows = encoder.encode(["c", "a", "d", "c", "b", "d"])

    assert inner.calls == [["a", "b"], ["c", "d"]]
    assert rows.tobytes() == HashingEncoder(32).encode(["c", "a", "d", "c", "b", "d"]).tobytes()


def test_known_texts_need_no_call() -> None:
    inner = Recording()
    encoder = CachedEncoder(inner)
    first = encoder.encode(["a"])

    assert encoder.encode(["a"]).tobytes() == first.tobytes()
    assert encoder.encode([]).shape == (0, 32)
    assert inner.calls == [["a"]]


def test_counters_tell_what_happened() -> None:
    encoder = CachedEncoder(Recording(), max_entries=2)

    encoder.encode(["a", "a", "b"])
    encoder.encode(["c", "b"])
    stats = encoder.stats()

    assert (stats.hits, stats.misses, stats.evictions, stats.entries) == (2, 3, 1, 2)
    assert stats.size_bytes > 2 * 32 * 4


def test_the_text_used_longest_ago_goes_first() -> None:
    inner = Recording()
    encoder = CachedEncoder(inner, max_entries=2)
    for text in ("a", "b", "a", "c"):
        encoder.encode([text])
    inner.calls.clear()

    encoder.encode(["a", "c"])
    encoder.encode(["b"])

    assert inner.calls == [["b"]]


def test_a_batch_larger_than_the_cache_is_still_answered() -> None:
    encoder = CachedEncoder(Recording(), max_entries=2)
    texts = [f"text {i}" for i in range(10)]

    rows = encoder.encode(texts)

    assert rows.tobytes() == HashingEncoder(32).encode(texts).tobytes()
    assert encoder.stats().entries == 2


def test_memory_is_bounded_in_bytes_and_counts_the_texts() -> None:
    encoder = CachedEncoder(Recording(), max_bytes=20_000)

    encoder.encode([f"{i} " + "x" * 5000 for i in range(20)])

    stats = encoder.stats()
    assert 10_000 < stats.size_bytes <= 20_000
    assert stats.entries == 3


def test_a_text_larger_than_the_cache_does_not_empty_it() -> None:
    encoder = CachedEncoder(Recording(), max_bytes=5_000)
    encoder.encode(["short"])

    encoder.encode(["x" * 50_000])

    assert encoder.stats().entries == 1
    assert encoder.stats().evictions == 0


def test_clear_forgets_all() -> None:
    inner = Recording()
    encoder = CachedEncoder(inner)
    encoder.encode(["a"])

    encoder.clear()
    encoder.encode(["a"])

    assert inner.calls == [["a"], ["a"]]
    assert encoder.stats().entries == 1
    assert encoder.stats().misses == 2


def test_writing_into_a_result_spoils_nothing() -> None:
    encoder = CachedEncoder(Recording())
    right = encoder.encode(["a"]).copy()

    encoder.encode(["a"])[:] = 7.0
    encoder.encode(["a", "b"])[:] = 7.0

    assert encoder.encode(["a"]).tobytes() == right.tobytes()


def test_kept_rows_do_not_keep_their_batch_in_memory() -> None:
    encoder = CachedEncoder(Recording())

    encoder.encode(["a", "b"])

    assert all(row.base is None for row in encoder._rows.values())


def test_equal_hashes_of_different_texts_are_different_keys() -> None:
    class SameHash(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 1

    encoder = CachedEncoder(Recording())
    first = encoder.encode([SameHash("first")])
    second = encoder.encode([SameHash("second")])

    assert first.tobytes() != second.tobytes()
    assert encoder.stats().misses == 2


def test_a_failure_keeps_nothing_and_the_next_call_tries_again() -> None:
    class Failing(Recording):
        broken = True

        def encode(self, texts: list[str]) -> Any:
            if self.broken:
                raise OSError("down")
            return super().encode(texts)

    inner = Failing()
    encoder = CachedEncoder(inner)
    with pytest.raises(EncodingError, match="OSError: down"):
        encoder.encode(["a"])
    assert encoder.stats().entries == 0

    inner.broken = False
    assert encoder.encode(["a"]).shape == (1, 32)


def test_the_vector_space_is_that_of_the_wrapped_encoder() -> None:
    encoder = CachedEncoder(Recording())

    assert encoder.encoder_id == "recording"
    assert encoder.dimension == 32
    assert isinstance(encoder.inner, CheckedEncoder)
    assert ensure_encoder(encoder) is encoder


def test_the_lock_is_free_while_the_wrapped_encoder_works() -> None:
    class Calling(Recording):
        outer: CachedEncoder | None = None

        def encode(self, texts: list[str]) -> Any:
            if self.outer is not None:
                # Would never return if the lock were held.
                assert self.outer.encode(["known"]).shape == (1, 32)
            return super().encode(texts)

    inner = Calling()
    encoder = CachedEncoder(inner)
    encoder.encode(["known"])
    inner.outer = encoder

    assert encoder.encode(["new"]).shape == (1, 32)


def test_threads_get_their_own_texts_in_order() -> None:
    encoder = CachedEncoder(Recording(), max_entries=5)
    start = Barrier(8)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        start.wait(timeout=10)
        for _ in range(100):
            texts = [f"text {i}" for i in rng.integers(0, 20, size=6)]
            if encoder.encode(texts).tobytes() != HashingEncoder(32).encode(texts).tobytes():
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    stats = encoder.stats()
    assert stats.hits + stats.misses == 8 * 100 * 6
    assert stats.entries == 5
    again = CachedEncoder(Recording())
    again.encode(list(encoder._rows))
    assert stats.size_bytes == again.stats().size_bytes


def test_aencode_is_only_there_where_the_wrapped_encoder_has_it() -> None:
    assert not hasattr(CachedEncoder(Recording()), "aencode")
    assert hasattr(CachedEncoder(Awaited()), "aencode")


async def test_aencode_and_encode_share_the_memory() -> None:
    inner = Awaited()
    encoder = CachedEncoder(inner)

    awaited = await encoder.aencode(["a", "b", "a"])

    assert awaited.tobytes() == encoder.encode(["a", "b", "a"]).tobytes()
    assert (await encoder.aencode([])).shape == (0, 32)
    assert inner.calls == [["a", "b"]]
    with pytest.raises(InvalidInputError):
        await encoder.aencode("a")


@pytest.mark.parametrize("name", ["max_entries", "max_bytes"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, None, "10"])
def test_limits_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        CachedEncoder(Recording(), **{name: value})
