"""How a snapshot is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import ConfigurationError, HashingEncoder, NoRoutesError, Route, RouterConfig
from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.building import (
    assemble,
    build_snapshot,
    change_snapshot,
    entries_of,
    require_fallback,
    thresholds_of,
    training_rows,
)
from stratarouter.calibrating import MIN_OUTCOMES
from stratarouter.calibration import PRIOR, ConfidenceMap
from stratarouter.learning import Verdict
from stratarouter.route_vectors import RouteVectors, encode_routes, encoded_texts
from stratarouter.testing import sample_routes

if TYPE_CHECKING:
    from stratarouter.snapshot import Snapshot

ENCODER = HashingEncoder(128)


def built(
    routes: list[Route],
    *,
    earlier: Snapshot | None = None,
    **options: object,
) -> Snapshot:
    return build_snapshot(
        encode_routes(routes, ENCODER),
        RouterConfig.from_options(None, dimension=128, **options),
        encoder_id=ENCODER.encoder_id,
        version=7,
        earlier=earlier,
    )


def rebuilt(entries: list[RouteVectors]) -> Snapshot:
    config = RouterConfig(dimension=128)
    return build_snapshot(entries, config, encoder_id=ENCODER.encoder_id, version=8)


def published(snapshot: Snapshot) -> FusionWeights:
    config = snapshot.config
    return FusionWeights.published(config.dense_weight, config.bm25_weight, config.rule_weight)


def many(n_routes: int, n_examples: int, **fields: str) -> list[Route]:
    return [
        Route(
            f"r{number}",
            examples=[f"topic{number} word{place}" for place in range(n_examples)],
            **fields,  # type: ignore[arg-type]
        )
        for number in range(n_routes)
    ]


def test_a_snapshot_holds_routes_vectors_and_origin() -> None:
    routes = sample_routes()

    snapshot = built(routes)

    assert snapshot.routes == tuple(routes)
    assert (snapshot.version, snapshot.encoder_id) == (7, ENCODER.encoder_id)
    assert snapshot.dimension == 128
    assert snapshot.positions == {route.id: number for number, route in enumerate(routes)}
    for number, route in enumerate(routes):
        assert np.array_equal(snapshot.vectors_of(number), ENCODER.encode(encoded_texts(route)))


def test_the_vectors_of_a_snapshot_cannot_be_written_to() -> None:
    snapshot = built(sample_routes())

    with pytest.raises(ValueError, match="read-only"):
        snapshot.vectors[0, 0] = 1.0


def test_the_threshold_of_a_route_goes_before_that_of_the_settings() -> None:
    routes = [
        Route("own", examples=["a"], threshold=0.9),
        Route("zero", examples=["b"], threshold=0.0),
        Route("none", examples=["c"]),
    ]

    assert built(routes, threshold=0.4).thresholds == (0.9, 0.0, 0.4)


def test_no_routes_are_refused() -> None:
    with pytest.raises(NoRoutesError, match="add some"):
        built([])


def test_an_unknown_fallback_comes_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'billing'"):
        built(sample_routes(), fallback_route="biling")


def test_weights_and_confidence_are_fitted_to_enough_own_examples() -> None:
    snapshot = built(many(4, 10))

    assert snapshot.confidence.source == "examples"
    assert snapshot.built == snapshot.used
    assert snapshot.scorer.weights != published(snapshot)
    assert not snapshot.head_stale


def test_the_settings_and_the_prior_serve_if_calibration_is_turned_off() -> None:
    snapshot = built(many(4, 10), enable_calibration=False)

    assert snapshot.confidence is PRIOR
    assert snapshot.scorer.weights == published(snapshot)
    assert (
        snapshot.built
        == snapshot.plain
        == Verdict(published(snapshot), PRIOR, snapshot.config.max_candidates)
    )


def test_descriptions_do_not_count_as_examples() -> None:
    few = MIN_OUTCOMES // 3 - 1

    assert built(many(3, few, description="one more text")).confidence is PRIOR
    assert built(many(3, few + 1, description="one more text")).confidence.calibrated


def test_vectors_that_are_no_texts_do_not_count_as_examples() -> None:
    entries = entries_of(built(many(4, 10)))
    unaligned = [RouteVectors(entry.route, entry.vectors, aligned=False) for entry in entries]

    assert rebuilt(unaligned).confidence is PRIOR
    # One of them is left out, the others still suffice.
    mixed = rebuilt([unaligned[0], *entries[1:]])
    assert mixed.confidence.calibrated
    assert mixed.report is not None
    assert mixed.report.n_outcomes == 30


def test_words_are_known_of_vectors_that_are_those_of_the_texts() -> None:
    routes = [Route("refunds", examples=["Money back!"], description="on refunds"), *many(1, 2)]
    one, other = encode_routes(routes, ENCODER)
    other = RouteVectors(other.route, other.vectors, aligned=False)
    scorer = assemble([one, other], RouterConfig(dimension=128))

    rows = training_rows(scorer, [one, other])

    assert [list(text) for text in rows.words] == [
        ["money", "back"],
        ["on", "refund"],
        ["refund"],
        [],
        [],
    ]
    assert rows.routes.tolist() == [0, 0, 0, 1, 1]
    assert rows.vectors is scorer.semantic.vectors


def test_texts_without_a_vector_are_known_by_their_words() -> None:
    route = Route("card_fees", examples=["what does it cost", "fees"], description="on fees")
    matrix = np.eye(128, dtype=np.float32)[:2]
    for entry, unseen in (
        (RouteVectors(route, matrix, aligned=True), [(0, ["on", "fee"]), (0, ["card", "fee"])]),
        (RouteVectors(route, matrix, aligned=False), []),
        (encode_routes([route], ENCODER)[0], []),
    ):
        scorer = assemble([entry], RouterConfig(dimension=128))
        assert list(training_rows(scorer, [entry]).unseen) == unseen


# Changes -----------------------------------------------------------------------------------------


def test_a_change_keeps_weights_and_confidence_and_learns_nothing() -> None:
    snapshot = built(many(4, 10))
    weights = FusionWeights(0.2, 0.3, 0.5, 0.0, sharpness=7.0)
    fitted = replace(
        snapshot,
        scorer=snapshot.scorer.revised(weights, None),
        confidence=ConfidenceMap(source="queries", slope=3.0),
    )

    changed = change_snapshot(fitted, entries_of(fitted)[:2], fitted.config, version=8)

    assert changed.version == 8
    assert changed.scorer.weights == weights
    assert changed.confidence is fitted.confidence
    assert changed.built == changed.plain == snapshot.plain
    assert changed.report is None
    assert not changed.head_stale
    assert [route.id for route in changed.routes] == ["r0", "r1"]
    assert changed.vectors.tobytes() == fitted.vectors[:20].tobytes()


def test_a_change_leaves_the_snapshot_before_it_alone() -> None:
    snapshot = built(sample_routes())
    vectors = snapshot.vectors.copy()

    change_snapshot(snapshot, entries_of(snapshot)[1:], snapshot.config, version=8)

    assert snapshot.routes == tuple(sample_routes())
    assert np.array_equal(snapshot.vectors, vectors)


def test_a_change_passes_compiled_patterns_on_and_refuses_what_a_build_refuses() -> None:
    snapshot = built(sample_routes(), fallback_route="billing")
    entries = entries_of(snapshot)

    changed = change_snapshot(snapshot, entries[:2], snapshot.config, version=8)

    for pattern, matcher in changed.scorer.pattern.compiled.items():
        assert matcher is snapshot.scorer.pattern.compiled[pattern]
    with pytest.raises(ConfigurationError, match="'billing' is not a registered route"):
        change_snapshot(snapshot, entries[1:], snapshot.config, version=8)
    with pytest.raises(NoRoutesError, match="add some"):
        change_snapshot(snapshot, [], snapshot.config, version=8)


# The parts ---------------------------------------------------------------------------------------


def test_a_scorer_is_assembled_with_the_weights_of_the_settings_and_no_head() -> None:
    config = RouterConfig(dimension=128, dense_weight=3.0, bm25_weight=1.0, rule_weight=0.5)

    scorer = assemble(encode_routes(sample_routes(), ENCODER), config)

    assert scorer.head is None
    assert scorer.weights == FusionWeights(0.375, 0.375, 0.25, 0.5)
    assert scorer.n_routes == 4


def test_thresholds_and_the_fallback_are_checked_apart() -> None:
    routes = sample_routes()

    assert thresholds_of(routes, RouterConfig(threshold=0.3)) == (0.3, 0.3, 0.3, 0.6)
    require_fallback(None, [])
    require_fallback("billing", [route.id for route in routes])
    with pytest.raises(ConfigurationError, match="'x' is not a registered route"):
        require_fallback("x", [])


def test_equal_routes_and_seeds_give_equal_snapshots() -> None:
    one, other = built(many(4, 10)), built(many(4, 10))

    assert one.built == other.built
    assert np.array_equal(one.vectors, other.vectors)


def test_a_snapshot_can_be_taken_apart_and_put_together() -> None:
    snapshot = built(sample_routes())

    entries = entries_of(snapshot)

    assert [entry.route for entry in entries] == sample_routes()
    assert np.array_equal(np.concatenate([entry.vectors for entry in entries]), snapshot.vectors)
    assert [entry.aligned for entry in entries] == [True] * 4


def test_compiled_patterns_are_passed_on() -> None:
    earlier = built(sample_routes())

    later = built(sample_routes()[:2], earlier=earlier)

    for pattern, matcher in later.scorer.pattern.compiled.items():
        assert matcher is earlier.scorer.pattern.compiled[pattern]
