"""All scores of the candidates of one query."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from stratarouter.algorithms.fusion import FusionWeights, log_odds, similarity
from stratarouter.algorithms.heads import SKETCH_WIDTH, LinearHead, sketch_words
from stratarouter.algorithms.tokenize import words
from stratarouter.scoring.candidates import ScoredCandidates
from stratarouter.scoring.hybrid import HybridScorer
from stratarouter.scoring.keyword import (
    KEYWORD_EMPHASIS,
    compile_keywords,
    count_keywords,
    route_words,
)
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.scoring.semantic import SemanticScorer
from stratarouter.types import Route

WEIGHTS = FusionWeights.published(0.6427, 0.2891, 0.0682)
LEARNED = FusionWeights(0.2, 0.1, 0.3, 0.25, head=0.4, sharpness=31.0, residual=1.5)
ROUTES = (
    Route("bill", examples=["my invoice", "pay the bill"], keywords=["charge"]),
    Route("ship", examples=["my parcel", "the delivery"], patterns=["parcel"]),
    Route("help", description="talk to a person", examples=["call me"], patterns=["human"]),
)
VECTORS = np.array(
    [[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0.8, 0.6], [0, 0, 1], [0.6, 0, 0.8]], dtype=np.float32
)
OFFSETS = np.array([0, 2, 4, 6])


QUERIES = ["my parcel", "human please", "charge", "???"]


def make_head(*, reads_words: bool = False) -> LinearHead:
    """Make a head that prefers other routes than the prototypes do."""
    weights = np.roll(np.eye(3, dtype=np.float32), 1, axis=0)
    sketch = None
    if reads_words:
        sketch = sketch_words([["parcel", "human"], ["charge"]], seed=0)
        rng = np.random.default_rng(0)
        weights = np.hstack([weights, rng.normal(size=(3, SKETCH_WIDTH)).astype(np.float32)])
    bias = np.array([0.0, 0.1, -0.1], dtype=np.float32)
    return LinearHead(weights, bias, -0.5, 1.5, sketch)


def make_scorer(
    max_candidates: int = 10, weights: FusionWeights = WEIGHTS, head: LinearHead | None = None
) -> HybridScorer:
    return HybridScorer(
        SemanticScorer(VECTORS, OFFSETS),
        compile_keywords(ROUTES),
        PatternScorer(ROUTES),
        weights,
        max_candidates,
        head,
    )


def candidates(*totals: float, complete: bool = True) -> ScoredCandidates:
    total = np.array(totals)
    routes = np.arange(len(total))
    return ScoredCandidates(
        routes, None, total, total, total, None, total, total, WEIGHTS, complete
    )


def assert_same(one: ScoredCandidates, other: ScoredCandidates) -> None:
    for entry in fields(one):
        ours, theirs = getattr(one, entry.name), getattr(other, entry.name)
        if isinstance(ours, np.ndarray):
            assert ours == pytest.approx(theirs, abs=1e-6), entry.name
        else:
            assert ours == theirs, entry.name


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

    scores = index.scores(["refund"], range(2))

    assert scores[0] > scores[1] > 0.0


def test_a_readable_id_counts_as_words_of_its_route() -> None:
    assert route_words(Route("card_refund", examples=["pay"])) == ["pay", "card", "refund"]
    assert route_words(Route("r17", examples=["pay"])) == ["pay"]


# Leader, odds and similarity ---------------------------------------------------------------------


def test_the_leader_is_the_first_of_the_best() -> None:
    assert candidates(0.2, 0.7, 0.7, 0.1).leader() == 1


@pytest.mark.parametrize("complete", [True, False])
def test_the_odds_of_a_candidate_are_those_of_its_total(complete: bool) -> None:
    scored = candidates(0.2, 0.7, 0.5, complete=complete)

    assert [scored.log_odds(place) for place in range(3)] == [
        log_odds(scored.total, place, WEIGHTS, complete=complete) for place in range(3)
    ]
    assert scored.log_odds(1) == max(scored.log_odds(place) for place in range(3))


def test_a_tie_has_even_odds() -> None:
    assert candidates(0.4, 0.4).log_odds(0) == 0.0


def test_the_odds_of_a_lone_route_are_its_total() -> None:
    assert candidates(0.3).log_odds(0) == pytest.approx(0.3 * WEIGHTS.sharpness)


def test_odds_leave_the_totals_alone() -> None:
    scored = candidates(0.2, 0.7, complete=False)
    scored.log_odds(1)

    assert scored.total.tolist() == [0.2, 0.7]


@pytest.mark.parametrize("query", QUERIES)
def test_similarity_does_not_depend_on_what_was_learned(query: str) -> None:
    plain = make_scorer().score(query, VECTORS[1])
    learned = make_scorer(weights=LEARNED, head=make_head()).score(query, VECTORS[1])

    for place in range(3):
        expected = similarity(plain.nearest, plain.prototype, plain.keyword)[place]
        assert plain.similarity(place) == pytest.approx(expected)
        assert learned.similarity(place) == pytest.approx(expected)


# Scoring -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("head", [None, make_head(), make_head(reads_words=True)])
def test_scores_equal_the_components_one_route_at_a_time(
    query: str, head: LinearHead | None
) -> None:
    weights = WEIGHTS if head is None else LEARNED
    embedding = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    keywords, patterns = compile_keywords(ROUTES), PatternScorer(ROUTES)

    scored = make_scorer(weights=weights, head=head).score(query, embedding)

    assert scored.routes.tolist() == [0, 1, 2]
    for number in range(len(ROUTES)):
        own = VECTORS[OFFSETS[number] : OFFSETS[number + 1]]
        centre = own.sum(axis=0) / np.linalg.norm(own.sum(axis=0))
        nearest, prototype = float((own @ embedding).max()), float(centre @ embedding)
        keyword = float(keywords.scores(words(query), [number])[0])
        fired = patterns.scores(query, [number])
        head_score = 0.0
        if head is not None:
            assert scored.head is not None
            logit = head.logits(embedding, words(query))[number]
            head_score = min(max((float(logit) - head.low) / (head.high - head.low), 0.0), 1.0)
            assert scored.head[number] == pytest.approx(head_score, abs=1e-6)
        mixed = (
            weights.head * head_score
            + weights.nearest * max(nearest, 0.0)
            + weights.prototype * max(prototype, 0.0)
        )
        mean = mixed + weights.keyword * keyword
        gain = 0.0 if fired is None else weights.pattern * float(fired[0])
        assert scored.nearest[number] == pytest.approx(nearest, abs=1e-6)
        assert scored.prototype[number] == pytest.approx(prototype, abs=1e-6)
        assert scored.keyword[number] == pytest.approx(keyword)
        assert scored.semantic[number] == pytest.approx(mixed / weights.semantic, abs=1e-6)
        assert scored.total[number] == pytest.approx(mean + gain * (1.0 - mean), abs=1e-6)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("head", [None, make_head(reads_words=True)])
def test_scores_of_a_route_do_not_depend_on_the_other_candidates(
    query: str, head: LinearHead | None
) -> None:
    embedding = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    everything = make_scorer(weights=LEARNED, head=head).score(query, embedding)
    narrow = make_scorer(max_candidates=1, weights=LEARNED, head=head)

    for number in range(len(ROUTES)):
        few = narrow.score(query, embedding, with_route=number)
        place = few.routes.tolist().index(number)
        assert few.semantic[place] == pytest.approx(everything.semantic[number], abs=1e-6)
        assert few.keyword[place] == pytest.approx(everything.keyword[number])
        assert few.total[place] == pytest.approx(everything.total[number], abs=1e-6)


def test_components_and_weights_make_the_totals() -> None:
    for weights, head in ((WEIGHTS, None), (LEARNED, make_head())):
        scored = make_scorer(weights=weights, head=head).score("charge", VECTORS[1])
        own = [weights.head, weights.nearest, weights.prototype, weights.keyword]

        assert scored.components().shape == (3, 4)
        assert scored.components() @ own == pytest.approx(scored.total, abs=1e-6)
        assert scored.components().min() >= 0.0


def test_components_without_a_head_have_none_of_it() -> None:
    assert make_scorer().score("charge", VECTORS[1]).components()[:, 0].tolist() == [0.0] * 3


# Candidates --------------------------------------------------------------------------------------


def test_only_the_nearest_prototypes_are_candidates() -> None:
    scored = make_scorer(max_candidates=2).score("hi", VECTORS[0])

    assert scored.routes.tolist() == [0, 2]
    assert not scored.complete
    assert make_scorer(max_candidates=3).score("hi", VECTORS[0]).complete


def test_a_head_finds_the_candidates() -> None:
    head = make_head()
    best = [np.argsort(-head.logits(vector, []))[:2].tolist() for vector in VECTORS]
    scorer = make_scorer(max_candidates=2, weights=LEARNED, head=head)

    found = [scorer.score("hi", vector).routes.tolist() for vector in VECTORS]

    assert found == [sorted(numbers) for numbers in best]
    assert found != [make_scorer(2).score("hi", vector).routes.tolist() for vector in VECTORS]


def test_patterns_count_only_where_they_fire() -> None:
    scored = make_scorer().score("human", VECTORS[4])

    assert scored.pattern is not None
    assert scored.pattern.tolist() == [0.0, 0.0, 1.0]
    assert make_scorer().score("hello", VECTORS[4]).pattern is None


@pytest.mark.parametrize("head", [None, make_head()])
def test_a_wanted_route_is_added_to_the_candidates_in_order(head: LinearHead | None) -> None:
    everything = make_scorer(weights=LEARNED, head=head).score("hi", VECTORS[4])
    scorer = make_scorer(max_candidates=1, weights=LEARNED, head=head)
    found = scorer.score("hi", VECTORS[4]).routes.tolist()

    for wanted in range(3):
        scored = scorer.score("hi", VECTORS[4], with_route=wanted)
        assert scored.routes.tolist() == sorted({*found, wanted})
        assert scored.total == pytest.approx(everything.total[scored.routes], abs=1e-6)


def test_a_wanted_route_that_is_a_candidate_is_not_added_twice() -> None:
    scored = make_scorer().score("hi", VECTORS[4], with_route=2)

    assert scored.routes.tolist() == [0, 1, 2]
    assert_same(scored, make_scorer().score("hi", VECTORS[4]))


def test_a_wanted_route_that_completes_the_candidates_makes_them_complete() -> None:
    scorer = make_scorer(max_candidates=2)

    assert scorer.score("hi", VECTORS[0], with_route=1).complete
    assert not scorer.score("hi", VECTORS[0], with_route=2).complete


@pytest.mark.parametrize("head", [None, make_head()])
def test_more_or_fewer_candidates_can_be_asked_for(head: LinearHead | None) -> None:
    for configured, breadth in ((1, 3), (3, 2), (1, 50)):
        asked = make_scorer(configured, LEARNED, head).score("hi", VECTORS[4], breadth=breadth)

        assert_same(asked, make_scorer(breadth, LEARNED, head).score("hi", VECTORS[4]))


# Revisions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [None, make_head()])
def test_reweighing_equals_scoring_with_other_weights(head: LinearHead | None) -> None:
    other = FusionWeights(0.1, 0.15, 0.5, 0.5, head=0.25, sharpness=12.0)

    for query in QUERIES:
        reweighed = make_scorer(head=head).score(query, VECTORS[1]).reweighed(other)
        assert_same(reweighed, make_scorer(weights=other, head=head).score(query, VECTORS[1]))


def test_reweighing_leaves_the_scores_alone() -> None:
    scored = make_scorer().score("my parcel", VECTORS[1])
    before = scored.total.copy(), scored.semantic.copy()

    scored.reweighed(LEARNED)

    assert np.array_equal(scored.total, before[0])
    assert np.array_equal(scored.semantic, before[1])
    assert scored.weights is WEIGHTS


def test_a_revision_equals_a_scorer_made_so_and_leaves_the_first_alone() -> None:
    scorer, head = make_scorer(), make_head(reads_words=True)

    revised = scorer.revised(LEARNED, head)

    for query in QUERIES:
        assert_same(
            revised.score(query, VECTORS[1]),
            make_scorer(weights=LEARNED, head=head).score(query, VECTORS[1]),
        )
        assert_same(scorer.score(query, VECTORS[1]), make_scorer().score(query, VECTORS[1]))
    assert revised.semantic is scorer.semantic
    assert revised.keyword is scorer.keyword
    assert revised.pattern is scorer.pattern


@pytest.mark.parametrize("head", [None, make_head()])
def test_a_scorer_without_examples_equals_one_that_never_had_them(
    head: LinearHead | None,
) -> None:
    scorer = make_scorer(weights=LEARNED, head=head)

    counts = count_keywords(ROUTES).without([(0, words("pay the bill")), (1, words("my parcel"))])
    reduced = scorer.without(np.array([1, 2]), counts.compiled())

    left = [replace_examples(ROUTES[0], "my invoice"), replace_examples(ROUTES[1], "the delivery")]
    rebuilt = HybridScorer(
        SemanticScorer(VECTORS[[0, 3, 4, 5]], np.array([0, 1, 2, 4])),
        compile_keywords([*left, ROUTES[2]]),
        PatternScorer(ROUTES),
        LEARNED,
        10,
    )
    assert reduced.head is None
    for query in QUERIES:
        assert_same(reduced.score(query, VECTORS[1]), rebuilt.score(query, VECTORS[1]))
        assert_same(
            scorer.score(query, VECTORS[1]),
            make_scorer(weights=LEARNED, head=head).score(query, VECTORS[1]),
        )


def replace_examples(route: Route, *examples: str) -> Route:
    return Route(
        route.id, examples=list(examples), keywords=route.keywords, patterns=route.patterns
    )
