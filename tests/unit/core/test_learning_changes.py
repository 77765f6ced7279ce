"""A learned head belongs to the routes that it was learned for, and is saved with them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import HashingEncoder, Route, Router
from stratarouter.testing import sample_routes
from tests.learned_routers import (
    DIMENSION,
    KINDS,
    built,
    decided,
    queries,
    report_of,
    snapshot_of,
)

if TYPE_CHECKING:
    from pathlib import Path

NEW = Route("new", examples=["something new"])
NEW_VECTOR = np.append(np.zeros(DIMENSION - 1), 1.0)
CHANGES: list[Any] = [
    lambda router: router.add_route(NEW, embeddings=NEW_VECTOR),
    lambda router: router.remove_route("r1"),
    lambda router: router.update_route(
        Route("r1", examples=["other"]), embeddings=NEW_VECTOR[np.newaxis]
    ),
]


@pytest.mark.parametrize("change", CHANGES, ids=["add", "remove", "update"])
def test_a_change_makes_the_head_stale_until_the_next_build(tmp_path: Path, change: Any) -> None:
    router = built()
    texts, _, vectors = queries()
    assert not router.route(texts[0], vectors[0]).head_stale

    change(router)

    for result in [router.route(texts[0], vectors[0]), *router.route_batch(texts, vectors)]:
        assert result.head_stale
        assert result.to_dict()["head_stale"] is True
    assert router.build_report is None
    assert snapshot_of(router, tmp_path / "changed").scorer.head is None

    router.build_index()

    assert not router.route(texts[0], vectors[0]).head_stale
    assert report_of(router).head in KINDS
    assert snapshot_of(router, tmp_path / "rebuilt").scorer.head is not None


def test_a_stale_router_decides_like_one_that_never_had_a_head() -> None:
    stale, plain = built(), built(head="similarity")
    before = decided(stale)

    for router in (stale, plain):
        router.add_route(NEW, embeddings=NEW_VECTOR)

    assert decided(stale) == decided(plain)
    assert decided(stale) != before
    assert not plain.route("query", NEW_VECTOR).head_stale


def test_after_changing_back_a_build_learns_the_same_again() -> None:
    router = built()
    before = decided(router)
    router.add_route(NEW, embeddings=NEW_VECTOR)
    router.remove_route("new")
    assert router.route("query", NEW_VECTOR).head_stale

    router.build_index()

    assert decided(router) == before


def test_a_router_without_a_head_never_becomes_stale() -> None:
    router = Router(encoder=HashingEncoder(DIMENSION))
    router.add_routes(sample_routes())
    router.build_index()

    router.add_route(NEW)

    assert not router.route("query").head_stale


def test_a_fit_keeps_the_head_and_what_it_learned_goes_with_it(tmp_path: Path) -> None:
    router = built()
    texts, labels, vectors = queries()
    before = snapshot_of(router, tmp_path / "built")

    router.fit(texts, labels, vectors)

    fitted = snapshot_of(router, tmp_path / "fitted")
    assert fitted.scorer.head is not None
    assert before.scorer.head is not None
    assert np.array_equal(fitted.scorer.head.weights, before.scorer.head.weights)
    assert fitted.confidence.source == "queries"
    assert (fitted.built, fitted.plain) == (before.built, before.plain)
    assert not router.route("query", vectors[0]).head_stale

    router.remove_route("r0")

    changed = snapshot_of(router, tmp_path / "changed")
    assert changed.confidence == before.plain.confidence
    assert changed.scorer.weights == before.plain.weights


# Saving ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [None, *CHANGES], ids=["built", "add", "remove", "update"])
def test_a_saved_router_decides_and_is_stale_like_the_router(tmp_path: Path, change: Any) -> None:
    router = built()
    if change is not None:
        change(router)

    loaded = Router.load(router.save(tmp_path / "saved"))

    texts, _, vectors = queries()
    assert decided(loaded) == decided(router)
    assert loaded.route(texts[0], vectors[0]).head_stale is (change is not None)
    assert loaded.build_report is None


def worded(n_examples: int = 30) -> Router:
    """Return a router that has learned a head which reads words, with an encoder of its own."""
    rng = np.random.default_rng(0)
    subjects = ["invoice", "parcel", "refund", "password", "warranty"]
    fillers = ["please", "today", "again", "my", "the", "where", "how", "when", "order", "shop"]
    routes = [
        Route(
            f"r{number}",
            examples=[
                " ".join([*rng.choice(fillers, 4), subject, *rng.choice(fillers, 3)])
                for _ in range(n_examples)
            ],
        )
        for number, subject in enumerate(subjects)
    ]
    router = Router(encoder=HashingEncoder(64), threshold=0.0)
    router.add_routes(routes)
    router.build_index()
    return router


SERVE = """
import json, sys
from stratarouter import HashingEncoder, Router
router = Router.load(sys.argv[1], encoder=HashingEncoder(int(sys.argv[2])))
results = [router.route(text, k=3) for text in json.loads(sys.argv[3])]
batch = router.route_batch(json.loads(sys.argv[3]), k=3)
for name in sys.modules:
    assert name.split(".")[0] not in {"sklearn", "scipy", "joblib"}, name
rows = [{**result.to_dict(), "latency_ms": 0} for result in [*results, *batch]]
print(json.dumps(rows))
"""


def test_a_saved_head_serves_without_the_library_that_trained_it(tmp_path: Path) -> None:
    router = worded()
    head = snapshot_of(router, tmp_path / "saved").scorer.head
    assert head is not None
    assert report_of(router).head in KINDS
    texts = ["where is my invoice", "refund please", "the shop lost a parcel", "warranty", "?!"]

    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "saved"), "64", json.dumps(texts)],
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    own = [*(router.route(text, k=3) for text in texts), *router.route_batch(texts, k=3)]
    expected = [{**result.to_dict(), "latency_ms": 0} for result in own]
    # Equal as JSON: every float in all its digits.
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))
