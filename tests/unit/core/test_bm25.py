"""BM25 statistics: bounds, unknown words, the floor of the idf, and taking texts out again."""

from __future__ import annotations

from itertools import chain, compress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.bm25 import K1, B, compile_bm25, count_words, okapi_idf
from stratarouter.errors import InvalidInputError

WORDS = st.sampled_from(["a", "b", "c", "d", "e"])
DOCUMENTS = st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=6)


def test_a_word_of_one_document_scores_only_there() -> None:
    scores = compile_bm25([["refund"], ["parcel"], ["login"]]).scores(["parcel"], range(3))

    assert scores[1] > 0.0
    assert [scores[0], scores[2]] == [0.0, 0.0]


def test_the_weight_of_a_posting_is_the_published_formula() -> None:
    documents = [["a", "a", "b"], ["b"], ["c", "c", "c", "d"]]
    index = compile_bm25(documents, floored=False)
    idf = np.log((3 - 1 + 0.5) / (1 + 0.5))
    mean_length = (3 + 1 + 4) / 3
    expected = idf * 2 * (K1 + 1) / (2 + K1 * (1 - B + B * 3 / mean_length))

    contribution = index.contributions(["a"], 0)

    assert contribution[0] == pytest.approx(expected, rel=1e-12)


def test_repeats_in_the_query_count_each_time() -> None:
    index = compile_bm25([["a", "b"], ["c"], ["d"]])

    once, twice = (sum(index.contributions(query, 0)) for query in (["a"], ["a", "a"]))

    assert twice == pytest.approx(2 * once)


def test_an_unknown_word_lowers_the_score() -> None:
    index = compile_bm25([["refund", "money"], ["late", "parcel"]])
    known, mixed = (
        index.scores(query, range(2))[0] for query in (["refund"], ["refund", "unicorn"])
    )

    assert 0.0 < mixed < known


def test_a_query_without_known_words_scores_nothing() -> None:
    index = compile_bm25([["a"], ["b"]])

    assert index.scores(["z", "y"], range(2)) == [0.0, 0.0]
    assert index.scores([], range(2)) == [0.0, 0.0]


def test_a_document_without_words_scores_nothing() -> None:
    assert compile_bm25([[], ["a"]]).scores(["a"], range(2))[0] == 0.0


def test_documents_without_any_word_are_allowed() -> None:
    assert compile_bm25([[], []]).scores(["a"], range(2)) == [0.0, 0.0]


def test_no_document_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one document"):
        compile_bm25([])


@pytest.mark.parametrize("n_documents", [1, 2, 3, 10])
def test_the_floor_makes_every_idf_positive(n_documents: int) -> None:
    spread = np.arange(n_documents + 1)

    assert (okapi_idf(spread, n_documents, floored=True) > 0.0).all()
    assert okapi_idf(spread, n_documents, floored=False).min() <= 0.0


@given(DOCUMENTS, st.lists(st.sampled_from(["a", "b", "c", "d", "e", "z"]), max_size=6))
def test_scores_stay_below_the_bound_of_the_query(
    documents: list[list[str]], query: list[str]
) -> None:
    scores = compile_bm25(documents).scores(query, range(len(documents)))

    assert all(0.0 <= score < 1.0 for score in scores)


@given(DOCUMENTS, st.lists(WORDS, min_size=1, max_size=4))
def test_a_document_is_scored_alike_among_any_others(
    documents: list[list[str]], query: list[str]
) -> None:
    index = compile_bm25(documents)
    together = index.scores(query, range(len(documents)))
    alone = [index.scores(query, [number])[0] for number in range(len(documents))]

    assert together == pytest.approx(alone, abs=1e-12)


@given(st.data())
def test_without_equals_statistics_of_what_is_left(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.lists(st.lists(WORDS, max_size=4), max_size=4), min_size=1))
    removed = [[data.draw(st.booleans()) for _ in document] for document in texts]
    everything = [list(chain.from_iterable(document)) for document in texts]
    left = [
        list(chain.from_iterable(compress(document, [not out for out in flags])))
        for document, flags in zip(texts, removed, strict=True)
    ]
    gone = [
        (number, text)
        for number, document in enumerate(texts)
        for text in compress(document, removed[number])
    ]
    for floored in (True, False):
        counts = count_words(everything).without(gone)
        reduced = counts.compiled(floored=floored)
        anew = compile_bm25(left, floored=floored)
        query = ["a", "b", "b", "c", "d", "e", "z"]
        numbers = range(len(texts))
        assert counts.lengths.tolist() == count_words(left).lengths.tolist()
        assert reduced.unknown_idf == pytest.approx(anew.unknown_idf)
        for number in numbers:
            assert reduced.contributions(query, number) == pytest.approx(
                anew.contributions(query, number), abs=1e-12
            )
        if floored:
            assert reduced.scores(query, numbers) == pytest.approx(
                anew.scores(query, numbers), abs=1e-12
            )


def test_without_leaves_the_original_alone() -> None:
    counts = count_words([["a", "b"], ["c"]])
    before = counts.compiled().scores(["a"], range(2))

    counts.without([(0, ["a"])])

    assert counts.compiled().scores(["a"], range(2)) == before
