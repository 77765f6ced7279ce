"""How a snapshot is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import ConfigurationError, HashingEncoder, NoRoutesError, Route, RouterConfig
from stratarouter.building import build_snapshot, cross_fitted_confidence, entries_of
from stratarouter.calibration import MIN_OUTCOMES, PRIOR, ConfidenceMap
from stratarouter.route_vectors import RouteVectors, encode_routes
from stratarouter.testing import sample_routes

if TYPE_CHECKING:
    from stratarouter.snapshot import Snapshot

ENCODER = HashingEncoder(128)


def built(
    routes: list[Route],
    *,
    inherited: tuple[ConfidenceMap, ConfidenceMap] | None = None,
    earlier: Snapshot | None = None,
    **options: object,
) -> Snapshot:
    return build_snapshot(
        encode_routes(routes, ENCODER),
        RouterConfig.from_options(None, dimension=128, **options),
        encoder_id=ENCODER.encoder_id,
        version=7,
        inherited=inherited,
        earlier=earlier,
    )


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
        assert np.array_equal(snapshot.vectors_of(number), ENCODER.encode(route.texts))


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


def test_the_confidence_is_fitted_to_enough_own_examples() -> None:
    snapshot = built(many(4, 10))

    assert snapshot.confidence.source == "examples"
    assert snapshot.confidence == snapshot.built_confidence


def test_the_prior_serves_if_calibration_is_turned_off() -> None:
    assert built(many(4, 10), enable_calibration=False).confidence is PRIOR


def test_descriptions_do_not_count_as_examples() -> None:
    few = MIN_OUTCOMES // 3 - 1

    assert built(many(3, few, description="one more text")).confidence is PRIOR
    assert built(many(3, few + 1, description="one more text")).confidence.calibrated


def test_vectors_that_are_no_texts_do_not_count_as_examples() -> None:
    snapshot = built(many(4, 10))
    config = snapshot.config
    entries = entries_of(snapshot)
    unaligned = [RouteVectors(entry.route, entry.vectors, aligned=False) for entry in entries]

    assert cross_fitted_confidence(snapshot.scorer, unaligned, config) is PRIOR
    # One of them is left out, the others still suffice.
    mixed = cross_fitted_confidence(snapshot.scorer, [unaligned[0], *entries[1:]], config)
    assert mixed.calibrated


def test_an_inherited_confidence_is_kept() -> None:
    in_use, at_build = ConfidenceMap(source="queries", margin=3.0), ConfidenceMap(margin=4.0)

    snapshot = built(many(4, 10), inherited=(in_use, at_build))

    assert snapshot.confidence is in_use
    assert snapshot.built_confidence is at_build


def test_equal_routes_and_seeds_give_equal_snapshots() -> None:
    one, other = built(many(4, 10)), built(many(4, 10))

    assert one.confidence == other.confidence
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
