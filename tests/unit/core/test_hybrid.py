"""All scores of the candidates of one query."""

from __future__ import annotations

import numpy as np
import pytest

from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.scoring.hybrid import HybridScorer, ScoredCandidates
from stratarouter.scoring.keyword import KEYWORD_EMPHASIS, compile_keywords, route_words
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.scoring.semantic import SemanticScorer
from stratarouter.types import Route

WEIGHTS = FusionWeights(0.6427, 0.2891, 0.0682)
ROUTES = (
    Route("bill", examples=["my invoice", "pay the bill"], keywords=["charge"]),
    Route("ship", examples=["my parcel", "the delivery"], patterns=["parcel"]),
    Route("help", description="talk to a person", examples=["call me"], patterns=["human"]),
)
VECTORS = np.array(
    [[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0.8, 0.6], [0, 0, 1], [0.6, 0, 0.8]], dtype=np.float32
)
OFFSETS = np.array([0, 2, 4, 6])


def make_scorer(max_candidates: int = 10) -> HybridScorer:
    return HybridScorer(
        SemanticScorer(VECTORS, OFFSETS),
        compile_keywords(ROUTES),
        PatternScorer(ROUTES),
        WEIGHTS,
        max_candidates,
    )


def candidates(*totals: float) -> ScoredCandidates:
    total = np.array(totals)
    return ScoredCandidates(np.arange(len(total)), total, total, None, total)


# Words of routes ---------------------------------------------------------------------------------


def test_a_keyword_counts_several_times() -> None:
    route = Route("r", examples=["pay now"], description="money", keywords=["card"])

    assert sorted(route_words(route)) == sorted(
        ["pay", "now", "money", *["card"] * KEYWORD_EMPHASIS]
    )


def test_a_keyword_makes_its_route_score_higher() -> None:
    with_keyword = Route("a", examples=["late parcel"], keywords=["refund"])
    mentioned = Route("b", examples=["late refund"])
    index = compile_keywords([with_keyword, mentioned])

    scores = index.scores(["refund"], np.arange(2))

    assert scores[0] > scores[1] > 0.0


# Leader and margin -------------------------------------------------------------------------------


def test_the_leader_is_the_first_of_the_best() -> None:
    assert candidates(0.2, 0.7, 0.7, 0.1).leader() == 1


def test_the_margin_is_the_distance_to_the_best_of_the_others() -> None:
    scored = candidates(0.2, 0.7, 0.5)

    assert [scored.margin(place) for place in range(3)] == pytest.approx([-0.5, 0.2, -0.2])


def test_a_tie_has_no_margin() -> None:
    assert candidates(0.4, 0.4).margin(0) == 0.0


def test_the_margin_of_a_lone_candidate_is_its_total() -> None:
    assert candidates(0.3).margin(0) == pytest.approx(0.3)


def test_the_margin_leaves_the_totals_alone() -> None:
    scored = candidates(0.2, 0.7)
    scored.margin(1)

    assert scored.total.tolist() == [0.2, 0.7]


# Scoring -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["my parcel", "human please", "charge", "???"])
def test_scores_of_a_route_do_not_depend_on_the_other_candidates(query: str) -> None:
    scorer = make_scorer()
    embedding = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    everything = scorer.score(query, embedding)

    for number in range(len(ROUTES)):
        alone = scorer.score_candidates(
            query, embedding, np.array([number]), scorer.prototypes[[number]] @ embedding
        )
        assert alone.semantic[0] == pytest.approx(everything.semantic[number], abs=1e-6)
        assert alone.keyword[0] == pytest.approx(everything.keyword[number])
        assert alone.total[0] == pytest.approx(everything.total[number], abs=1e-6)


def test_only_the_nearest_prototypes_are_candidates() -> None:
    scored = make_scorer(max_candidates=2).score("hi", VECTORS[0])

    assert scored.routes.tolist() == [0, 2]


def test_patterns_count_only_where_they_fire() -> None:
    scored = make_scorer().score("human", VECTORS[4])

    assert scored.pattern is not None
    assert scored.pattern.tolist() == [0.0, 0.0, 1.0]
    assert make_scorer().score("hello", VECTORS[4]).pattern is None


def test_a_wanted_route_is_added_to_the_candidates_in_order() -> None:
    scorer = make_scorer(max_candidates=1)

    scored = scorer.with_route("hi", VECTORS[4], 0)

    assert scored.routes.tolist() == [0, 2]
    assert scored.total == pytest.approx(make_scorer().score("hi", VECTORS[4]).total[[0, 2]])


def test_a_wanted_route_that_is_a_candidate_is_not_added_twice() -> None:
    assert make_scorer().with_route("hi", VECTORS[4], 2).routes.tolist() == [0, 1, 2]


def test_more_candidates_can_be_asked_for() -> None:
    scored = make_scorer(max_candidates=1).with_route("hi", VECTORS[4], 2, breadth=3)

    assert scored.routes.tolist() == [0, 1, 2]


def test_reweighing_equals_scoring_with_other_weights() -> None:
    other = FusionWeights(0.2, 0.8, 0.5)
    scorer = make_scorer()
    again = HybridScorer(scorer.semantic, scorer.keyword, scorer.pattern, other, 10)

    reweighed = scorer.score("my parcel", VECTORS[1]).reweighed(other)

    assert reweighed.total == pytest.approx(again.score("my parcel", VECTORS[1]).total)
