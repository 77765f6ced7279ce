"""The kernels and the scores of a router against independent implementations."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from stratarouter import HashingEncoder, Route, Router
from stratarouter.algorithms.bm25 import compile_bm25
from stratarouter.algorithms.isotonic import isotonic_blocks
from stratarouter.algorithms.logistic import fit_logistic
from stratarouter.algorithms.tokenize import words
from stratarouter.index.flat import FlatIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

# BM25 --------------------------------------------------------------------------------------------

WORDS = st.sampled_from(["refund", "parcel", "card", "login", "the", "a"])
# "the" stands in most documents, so that its idf is negative before the floor.
DOCUMENTS = st.lists(
    st.lists(WORDS, max_size=8).map(lambda document: [*document, *["the"] * (len(document) % 3)]),
    min_size=1,
    max_size=8,
).filter(any)
QUERIES = st.lists(st.one_of(WORDS, st.just("unknown")), max_size=7)


def raw_scores(documents: list[list[str]], query: list[str]) -> np.ndarray:
    index = compile_bm25(documents, floored=False)
    return np.array([sum(index.contributions(query, number)) for number in range(len(documents))])


@settings(max_examples=300)
@given(DOCUMENTS, QUERIES)
def test_raw_bm25_equals_rank_bm25(documents: list[list[str]], query: list[str]) -> None:
    expected = BM25Okapi(documents).get_scores(query)

    assert raw_scores(documents, query) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_raw_bm25_equals_rank_bm25_on_larger_corpora(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vocabulary = [f"w{number}" for number in range(500)]
    # A few words are everywhere, most are rare, as in language.
    documents = [
        [vocabulary[place] for place in np.minimum(rng.zipf(1.3, size=rng.integers(0, 60)), 499)]
        for _ in range(200)
    ]
    reference = BM25Okapi(documents)
    for _ in range(20):
        query = [vocabulary[place] for place in np.minimum(rng.zipf(1.3, size=12), 499)]
        expected = reference.get_scores(query)
        assert raw_scores(documents, query) == pytest.approx(expected, abs=1e-6)


# Regressions -------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.floats(-2.0, 2.0, width=16)), min_size=1, max_size=40)
)
def test_isotonic_blocks_equal_scikit_learn(points: list[tuple[int, float]]) -> None:
    x, y = np.array(points, dtype=float).T
    expected = IsotonicRegression().fit(x, y).predict(np.unique(x))

    centres, values, sizes = isotonic_blocks(x, y)

    distinct, counts = np.unique(x, return_counts=True)
    # Blocks are runs of neighbouring inputs, so their sizes say which inputs they hold.
    owner = np.searchsorted(np.cumsum(sizes), np.cumsum(counts) - 0.5)
    assert values[owner] == pytest.approx(expected, abs=1e-9)
    for block, centre in enumerate(centres):
        inside = owner == block
        assert centre == pytest.approx(np.average(distinct[inside], weights=counts[inside]))


@pytest.mark.parametrize("seed", range(12))
def test_logistic_regression_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(10, 300)), int(rng.integers(1, 6))
    features = rng.normal(size=(n, p)) * rng.uniform(0.1, 5.0, p)
    outcomes = (rng.random(n) < 0.5).astype(float)
    outcomes[:2] = [0.0, 1.0]
    precision = rng.uniform(0.05, 5.0, p)
    # Their penalty is the same for all coefficients, so the features are scaled instead.
    theirs = LogisticRegression(
        C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-12, max_iter=1_000
    ).fit(features / np.sqrt(precision), outcomes)

    ours = fit_logistic(features, outcomes, prior_mean=np.zeros(p), prior_precision=precision)

    assert ours == pytest.approx(theirs.coef_[0] / np.sqrt(precision), abs=1e-6)


# Candidates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 50, 199])
@pytest.mark.parametrize("seed", range(4))
def test_flat_search_equals_sorting_everything(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(200, 16)).astype(np.float32)
    query = rng.normal(size=16).astype(np.float32)

    rows, _ = FlatIndex(matrix).search(query, k)

    assert rows.tolist() == sorted(np.argsort(-(matrix @ query))[:k].tolist())


# Scores of a router ------------------------------------------------------------------------------


class NaiveScores:
    """What the documentation says about the scores, in plain loops over plain lists."""

    def __init__(self, routes: Sequence[Route], encoder: HashingEncoder) -> None:
        self.routes = routes
        # A readable id is one more example; "r4" says nothing.
        texts = [[*route.texts, *READABLE.get(route.id, [])] for route in routes]
        self.vectors = [encoder.encode(own).astype(float).tolist() for own in texts]
        self.documents = [
            [word for text in [*own, *route.keywords * 3] for word in words(text)]
            for own, route in zip(texts, routes, strict=True)
        ]

    def semantic(self, route: int, embedding: list[float]) -> float:
        rows = self.vectors[route]
        cosines = [sum(a * b for a, b in zip(row, embedding, strict=True)) for row in rows]
        centre = [sum(column) for column in zip(*rows, strict=True)]
        length = math.sqrt(sum(value * value for value in centre))
        to_centre = sum(a * b for a, b in zip(centre, embedding, strict=True)) / length
        blended: float = (max(*cosines, 0.0) + max(to_centre, 0.0)) / 2
        return min(blended, 1.0)

    def idf(self, word: str) -> float:
        n = len(self.documents)

        def okapi(known: str) -> float:
            spread = sum(known in document for document in self.documents)
            return math.log((n - spread + 0.5) / (spread + 0.5))

        value = okapi(word)
        if value < 0.0:
            vocabulary = {known for document in self.documents for known in document}
            value = 0.25 * sum(map(okapi, vocabulary)) / len(vocabulary)
        return max(value, 0.5 * math.log(1.0 + math.exp(okapi(word))))

    def keyword(self, route: int, query: str) -> float:
        asked = words(query)
        bound = sum(2.5 * self.idf(word) for word in asked)
        mean_length = sum(map(len, self.documents)) / len(self.documents)
        norm = 1.5 * (0.25 + 0.75 * len(self.documents[route]) / mean_length)
        counts = Counter(self.documents[route])
        raw = sum(self.idf(word) * counts[word] * 2.5 / (counts[word] + norm) for word in asked)
        return raw / bound if asked else 0.0

    def pattern(self, route: int, query: str) -> float:
        return float(
            any(
                re.search(pattern[3:], query, re.IGNORECASE) is not None
                if pattern.startswith("re:")
                else pattern.casefold() in query.casefold()
                for pattern in self.routes[route].patterns
            )
        )

    def total(self, route: int, query: str, embedding: list[float]) -> float:
        semantic, keyword = self.semantic(route, embedding), self.keyword(route, query)
        mean = (0.6427 * semantic + 0.2891 * keyword) / (0.6427 + 0.2891)
        return mean + 0.0682 * self.pattern(route, query) * (1.0 - mean)

    def similarity(self, route: int, query: str, embedding: list[float]) -> float:
        rows = self.vectors[route]
        nearest = max(sum(a * b for a, b in zip(row, embedding, strict=True)) for row in rows)
        centre = [sum(column) for column in zip(*rows, strict=True)]
        length = math.sqrt(sum(value * value for value in centre))
        to_centre = sum(a * b for a, b in zip(centre, embedding, strict=True)) / length
        likeness: float = 0.345 * (nearest + to_centre) + 0.31 * self.keyword(route, query)
        return likeness

    def confidence(self, totals: list[float], route: int, similarity: float) -> float:
        # All routes are candidates, and there are too few examples to learn from.
        others = [math.exp(24.0 * total) for other, total in enumerate(totals) if other != route]
        odds = 24.0 * totals[route] - (math.log(sum(others)) if others else 0.0)
        below = -math.log1p(math.exp(-1.702 * (similarity - 0.35) / 0.12)) - math.log(0.2)
        odds += 4.0 * min(0.0, below)
        bent = float(np.interp(odds, [-50.0, 0.0, 3.0, 30.0], [-50.0, 0.0, 2.0, 4.0]))
        return 1.0 / (1.0 + math.exp(-max(bent, -30.0)))


READABLE = {"card_refund": ["card refund"], "lateParcel": ["late parcel"]}
IDS = ["r0", "card_refund", "r2", "lateParcel", "r4"]
LEXICON = ["refund", "parcel", "late", "my", "card", "login", "the", "invoice", "42", "données"]
TEXTS = st.lists(st.sampled_from(LEXICON), min_size=1, max_size=5).map(" ".join)
PATTERNS = st.sampled_from(["parcel", "REFUND", r"re:\bcard\b", r"re:\d+", "nothing"])


@st.composite
def route_sets(draw: st.DrawFn) -> list[Route]:
    return [
        Route(
            IDS[number],
            examples=draw(st.lists(TEXTS, min_size=1, max_size=4)),
            description=draw(st.none() | TEXTS),
            keywords=draw(st.lists(TEXTS, max_size=2)),
            patterns=draw(st.lists(PATTERNS, max_size=2)),
        )
        for number in range(draw(st.integers(1, 5)))
    ]


@settings(max_examples=120)
@given(route_sets(), st.one_of(TEXTS, st.sampled_from(["???", "xyz 7", "Card, late!"])))
def test_scores_of_a_router_equal_a_naive_implementation(routes: list[Route], query: str) -> None:
    encoder = HashingEncoder(64)
    router = Router(encoder=encoder, threshold=0.0)
    router.add_routes(routes)
    naive = NaiveScores(routes, encoder)
    embedding = encoder.encode([query])[0].astype(float).tolist()

    result = router.route(query, k=len(routes))

    named: dict[Any, Any] = {entry.route_id: entry.scores for entry in result.alternatives}
    named[result.route_id] = result.scores
    totals = []
    for number, route in enumerate(routes):
        scores = named[route.id]
        assert scores.semantic == pytest.approx(naive.semantic(number, embedding), abs=1e-6)
        assert scores.keyword == pytest.approx(naive.keyword(number, query), abs=1e-9)
        assert scores.pattern == naive.pattern(number, query)
        totals.append(naive.total(number, query, embedding))
        assert scores.total == pytest.approx(totals[-1], abs=1e-6)
    assert result.scores.total == pytest.approx(max(totals), abs=1e-6)
    for number, route in enumerate(routes):
        likeness = naive.similarity(number, query, embedding)
        expected = naive.confidence(totals, number, likeness)
        assert named[route.id].confidence == pytest.approx(expected, abs=1e-5)
