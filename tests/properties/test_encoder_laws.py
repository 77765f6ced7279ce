"""Laws of unit vectors, of the hashing encoder and of the cache in front of an encoder."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stratarouter.algorithms.vectors import as_unit_rows, as_unit_vector
from stratarouter.encoders.cached import CachedEncoder
from stratarouter.encoders.hashing import HashingEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Every code point, lone surrogates and unassigned ones too.
any_text = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=40).filter(
    lambda text: not text.isspace()
)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
matrices = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=finite
).filter(lambda rows: bool(np.any(rows, axis=1).all()))

NARROW = HashingEncoder(3)
HASHING = HashingEncoder(32)


@given(matrices)
def test_rows_get_length_1_and_keep_their_direction(rows: NDArray[np.float32]) -> None:
    unit = as_unit_rows(rows).astype(np.float64)

    wide = rows.astype(np.float64)
    assert np.abs(np.linalg.norm(unit, axis=1) - 1.0).max() <= 1.5e-6
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(unit * lengths, wide, atol=float(lengths.max()) * 2e-6)


@given(matrices)
def test_normalising_twice_changes_no_bit(rows: NDArray[np.float32]) -> None:
    unit = as_unit_rows(rows)

    assert as_unit_rows(unit).tobytes() == unit.tobytes()
    assert as_unit_rows(unit.astype(np.float64)).tobytes() == unit.tobytes()
    for row in unit:
        assert as_unit_vector(row).tobytes() == row.tobytes()


@given(matrices)
def test_a_row_does_not_depend_on_the_others(rows: NDArray[np.float32]) -> None:
    unit = as_unit_rows(rows)

    for row, expected in zip(rows, unit, strict=True):
        # A row whose length is 1 within rounding may pass one check untouched and not the other.
        np.testing.assert_allclose(as_unit_vector(row), expected, atol=1e-6)
        np.testing.assert_allclose(as_unit_vector(row[np.newaxis]), expected, atol=1e-6)


@given(st.lists(any_text, min_size=1, max_size=5))
def test_any_texts_get_unit_rows_that_do_not_depend_on_each_other(texts: list[str]) -> None:
    for encoder in (NARROW, HASHING):
        rows = encoder.encode(texts)

        assert np.abs(np.linalg.norm(rows, axis=1) - 1.0).max() < 1e-6
        for text, row in zip(texts, rows, strict=True):
            assert encoder.encode([text])[0].tobytes() == row.tobytes()


@given(any_text)
def test_what_was_seen_before_does_not_matter(text: str) -> None:
    assert HashingEncoder(32).encode([text]).tobytes() == HASHING.encode([text]).tobytes()


@given(st.text(st.characters(max_codepoint=127)).filter(lambda text: any(map(str.isalnum, text))))
def test_ascii_is_read_the_same_alone_and_beside_other_letters(text: str) -> None:
    # ASCII is cut into words on a faster way, which the invisible character prevents.
    assert HASHING.encode([text]).tobytes() == HASHING.encode([f"{text}\u200b"]).tobytes()


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=12), st.integers(1, 5))
def test_a_cache_answers_like_its_encoder_and_keeps_the_latest(
    batches: list[list[str]], max_entries: int
) -> None:
    cached = CachedEncoder(HASHING, max_entries=max_entries)
    model: OrderedDict[str, None] = OrderedDict()
    n_misses = 0

    for batch in batches:
        assert cached.encode(batch).tobytes() == HASHING.encode(batch).tobytes()
        missing = [text for text in dict.fromkeys(batch) if text not in model]
        n_misses += len(missing)
        for text in batch:
            if text in model:
                model.move_to_end(text)
        model.update(dict.fromkeys(missing))
        while len(model) > max_entries:
            model.popitem(last=False)

    stats = cached.stats()
    assert list(cached._rows) == list(model)
    assert (stats.misses, stats.hits) == (n_misses, sum(map(len, batches)) - n_misses)
    assert stats.evictions == n_misses - len(model)
