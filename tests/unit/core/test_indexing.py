"""A router searches its candidates by the index that its settings ask for, or the better one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import ConfigurationError, CorruptSaveError, MissingExtraError, Route, Router
from stratarouter.config import RouterConfig
from stratarouter.index import FlatIndex, HnswIndex, choosing
from stratarouter.indexing import indexed_again
from stratarouter.scoring.semantic import likely_queries, prototypes
from tests.learned_routers import built as built_with_head
from tests.learned_routers import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from stratarouter.index import IndexReport
    from stratarouter.snapshot import Snapshot

DIMENSION, N_ROUTES, N_EXAMPLES = 16, 300, 2
RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(N_ROUTES, DIMENSION))


def near(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows = centres + 0.4 * rng.normal(size=centres.shape)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32)


VECTORS = near(np.repeat(CENTRES, N_EXAMPLES, axis=0), RNG)
OFFSETS = np.arange(0, len(VECTORS) + 1, N_EXAMPLES)
PROBES = near(CENTRES[:100], RNG)
ROUTES = [Route(f"r{n}", examples=[f"text {n} a", f"text {n} b"]) for n in range(N_ROUTES)]


def built(**options: Any) -> Router:
    settings: dict[str, Any] = {"head": "similarity", "enable_calibration": False, "threshold": 0.0}
    router = Router(dimension=DIMENSION, **{**settings, **options})
    router.add_routes(ROUTES)
    router.build_index(VECTORS)
    return router


def snapshot_of(router: Router) -> Snapshot:
    snapshot = router._registry.snapshot
    assert snapshot is not None
    return snapshot


def index_report(router: Router) -> IndexReport:
    report = report_of(router).index
    assert report is not None
    return report


def answers(router: Router) -> list[dict[str, Any]]:
    results = router.route_batch(["text"] * len(PROBES), PROBES, k=3)
    return [{**result.to_dict(), "latency_ms": 0, "snapshot_version": 0} for result in results]


@pytest.fixture
def early_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let "auto" take a graph for hundreds of rows instead of thousands."""
    monkeypatch.setattr(choosing, "_ROWS_PER_BREADTH", 1)


# Which index -------------------------------------------------------------------------------------


def test_few_routes_are_searched_exactly() -> None:
    router = built()

    assert isinstance(snapshot_of(router).scorer.index, FlatIndex)
    assert (index_report(router).kind, index_report(router).recall) == ("flat", 1.0)
    assert str(report_of(router)).endswith("index: flat (fastest at this size)")


def test_a_graph_that_was_asked_for_finds_the_candidates() -> None:
    router, exact = built(index_type="hnsw", ef_search=64), built(index_type="flat")

    index = snapshot_of(router).scorer.index
    assert isinstance(index, HnswIndex)
    assert np.array_equal(index.matrix, prototypes(VECTORS, OFFSETS))
    assert index_report(router).recall > 0.99
    assert str(report_of(router)).endswith("% found (asked for)")
    assert "index: hnsw at breadth 64, " in str(report_of(router))
    for one, other in zip(answers(router), answers(exact), strict=True):
        assert one["route_id"] == other["route_id"]
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)


@pytest.mark.usefixtures("early_graphs")
def test_auto_takes_the_graph_where_it_is_faster_and_as_good() -> None:
    report = index_report(built())

    assert (report.kind, report.requested, report.reason) == (
        "hnsw",
        "auto",
        "fastest at this size",
    )
    assert report.recall >= 0.99


@pytest.mark.usefixtures("early_graphs")
def test_auto_stays_exact_where_the_graph_misses_too_much() -> None:
    report = index_report(built(m=2, ef_construction=1, ef_search=160))

    assert report.kind == "flat"
    assert report.reason.startswith("the graph finds only")


@pytest.mark.usefixtures("early_graphs")
def test_auto_is_exact_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    assert index_report(built()).reason == "faiss is not installed"


def test_a_graph_without_faiss_is_refused_and_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    with pytest.raises(MissingExtraError, match="faiss"):
        built(index_type="hnsw")


def test_a_learned_head_finds_the_candidates_itself() -> None:
    router = built_with_head(index_type="hnsw")

    assert report_of(router).head != "similarity"
    assert report_of(router).index is None
    assert isinstance(snapshot_of(router).scorer.index, FlatIndex)


def test_a_graph_needs_two_neighbours() -> None:
    with pytest.raises(ConfigurationError, match="m must be a whole number >= 2"):
        RouterConfig(m=1)


# Changes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["metadata", "threshold", "keywords", "patterns"])
def test_a_change_that_leaves_the_examples_leaves_the_graph(field: str) -> None:
    router = built(index_type="hnsw")
    graph = snapshot_of(router).scorer.index
    values: dict[str, Any] = {"metadata": {"a": 1}, "threshold": 0.1}

    fields = {**ROUTES[5].to_dict(), field: values.get(field, ["word"])}
    router.update_route(Route(**fields))

    assert snapshot_of(router).scorer.index is graph


def test_a_fit_leaves_the_graph() -> None:
    router = built(index_type="hnsw")
    graph = snapshot_of(router).scorer.index

    router.fit(["text"] * 40, [f"r{n}" for n in range(40)], PROBES[:40])

    assert snapshot_of(router).scorer.index is graph


def test_after_other_changes_the_search_is_exact_until_the_next_build() -> None:
    router = built(index_type="hnsw")
    new = PROBES[:1]

    router.add_route(Route("new", examples=["new"]), embeddings=new)

    assert isinstance(snapshot_of(router).scorer.index, FlatIndex)
    assert router.route("query", new[0]).route_id == "new"
    router.build_index()
    assert isinstance(snapshot_of(router).scorer.index, HnswIndex)
    assert router.route("query", new[0]).route_id == "new"


# Saved routers -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("early_graphs")
@pytest.mark.parametrize("asked", ["auto", "hnsw", "flat"])
def test_a_saved_router_is_searched_as_before(tmp_path: Path, asked: str) -> None:
    router = built(index_type=asked, ef_search=40)

    loaded = Router.load(router.save(tmp_path / "saved"))

    one, other = snapshot_of(router).scorer.index, snapshot_of(loaded).scorer.index
    assert type(one) is type(other)
    assert getattr(one, "ef_search", None) == getattr(other, "ef_search", None)
    assert answers(loaded) == answers(router)


def test_a_changed_router_is_exact_after_loading_too(tmp_path: Path) -> None:
    router = built(index_type="hnsw")
    router.remove_route("r7")

    loaded = Router.load(router.save(tmp_path / "saved"))

    assert isinstance(snapshot_of(loaded).scorer.index, FlatIndex)


@pytest.mark.usefixtures("early_graphs")
def test_without_faiss_a_saved_graph_that_nobody_asked_for_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, asked = built(), built(index_type="hnsw")
    chosen.save(tmp_path / "chosen")
    asked.save(tmp_path / "asked")
    monkeypatch.setitem(sys.modules, "faiss", None)

    loaded = Router.load(tmp_path / "chosen")

    assert isinstance(snapshot_of(loaded).scorer.index, FlatIndex)
    assert [result["route_id"] for result in answers(loaded)] == [
        result["route_id"] for result in answers(chosen)
    ]
    with pytest.raises(MissingExtraError, match="faiss"):
        Router.load(tmp_path / "asked")


@pytest.mark.parametrize("breadth", [0, -1, True, 1.5, "50", 10**9, []])
def test_an_impossible_breadth_is_refused(breadth: Any) -> None:
    snapshot = snapshot_of(built())

    with pytest.raises(CorruptSaveError, match="breadth"):
        indexed_again(snapshot.scorer, breadth, snapshot.config)


def test_the_graph_itself_is_not_saved(tmp_path: Path) -> None:
    folder = built(index_type="hnsw").save(tmp_path / "saved")

    assert json.loads((folder / "router.json").read_text())["breadth"] == 50
    assert sorted(path.name.partition("-")[0] for path in folder.iterdir()) == [
        "offsets",
        "router.json",
        "vectors",
    ]


# Probes ------------------------------------------------------------------------------------------


def test_likely_queries_are_as_far_from_their_routes_as_new_ones() -> None:
    means = prototypes(VECTORS, OFFSETS)
    rng = np.random.default_rng(1)

    likely = likely_queries(VECTORS, OFFSETS, 3_000, rng)

    assert likely is not None
    assert likely.dtype == np.float32
    assert np.linalg.norm(likely, axis=1) == pytest.approx(np.ones(3_000), abs=1e-6)
    new = near(np.repeat(CENTRES, 10, axis=0), rng)
    levels = {
        name: float((rows @ means.T).max(axis=1).mean())
        for name, rows in (("likely", likely), ("new", new), ("examples", VECTORS))
    }
    assert levels["likely"] == pytest.approx(levels["new"], abs=0.02)
    assert levels["examples"] > levels["likely"] + 0.04


def test_likely_queries_repeat_with_the_seed() -> None:
    one, other = (
        likely_queries(VECTORS, OFFSETS, 5, np.random.default_rng(seed)) for seed in (3, 3)
    )
    assert one is not None
    assert other is not None
    assert np.array_equal(one, other)


def test_lone_examples_tell_nothing_about_queries() -> None:
    assert likely_queries(VECTORS, np.arange(len(VECTORS) + 1), 5, RNG) is None


def test_opposite_examples_give_usable_queries() -> None:
    axes = np.eye(4, dtype=np.float32)
    rows = np.vstack([axes[:1], -axes[:1], axes[1:2], -axes[1:2]])

    likely = likely_queries(rows, np.array([0, 2, 4]), 50, np.random.default_rng(0))

    assert likely is not None
    assert np.linalg.norm(likely, axis=1) == pytest.approx(np.ones(50), abs=1e-6)
