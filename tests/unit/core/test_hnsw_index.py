"""The graph finds what the exact product finds, and is chosen where that pays."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import pytest

from stratarouter.config import RouterConfig
from stratarouter.errors import ConfigurationError, InvalidInputError, MissingExtraError
from stratarouter.index import FlatIndex, HnswIndex, choose_index

if TYPE_CHECKING:
    from stratarouter.types import FloatArray

SMALL_GRAPH = {"m": 8, "ef_construction": 40}


def clustered_rows(n: int, *, width: int = 16, seed: int = 0) -> FloatArray:
    """Return unit rows around common centres, as sentences have."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, width))
    rows = centres[rng.integers(40, size=n)] + 0.5 * rng.standard_normal((n, width))
    unit: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def random_rows(n: int, *, width: int) -> FloatArray:
    """Return unit rows without any neighbourhoods, which no graph can find."""
    rows = np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)
    unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def config(**settings: Any) -> RouterConfig:
    return RouterConfig.from_options(None, **{**SMALL_GRAPH, **settings})


def hnsw_config(**settings: Any) -> RouterConfig:
    """Return settings that ask for the graph, with no word about what the router makes of it."""
    changed = config(**settings)
    object.__setattr__(changed, "index_type", "hnsw")
    return changed


def test_equal_inputs_give_equal_graphs_and_results() -> None:
    rows = clustered_rows(600)
    first, second = HnswIndex(rows, ef_search=12), HnswIndex(rows.copy(), ef_search=12)

    assert bytes(faiss.serialize_index(first._graph)) == bytes(faiss.serialize_index(second._graph))
    for probe in clustered_rows(20, seed=1):
        for one, other in zip(first.search(probe, 5), second.search(probe, 5), strict=True):
            assert one.tobytes() == other.tobytes()


def test_building_leaves_the_threads_of_faiss_as_they_were() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        HnswIndex(clustered_rows(50))
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


def test_a_broader_search_finds_more_in_the_same_graph() -> None:
    rows = random_rows(3000, width=48)
    narrow = HnswIndex(rows, m=4, ef_construction=40, ef_search=4)

    broad = narrow.with_ef_search(2000)

    recalls = [index.recall(64, 10, np.random.default_rng(2)) for index in (narrow, broad)]
    assert recalls[0] < 0.8
    assert recalls[1] > 0.98
    assert broad._graph is narrow._graph
    assert (narrow.ef_search, broad.ef_search) == (4, 2000)


def test_recall_is_the_share_of_the_rows_that_an_exact_search_finds() -> None:
    rows, probes = random_rows(2000, width=48), random_rows(2050, width=48)[2000:]
    index, exact = HnswIndex(rows, m=4, ef_construction=20, ef_search=10), FlatIndex(rows)

    shared = [
        len(set(index.search(probe, 10)[0].tolist()) & set(exact.search(probe, 10)[0].tolist()))
        for probe in probes
    ]

    assert 0.1 < index.recall_for(probes, 10) < 0.95
    assert index.recall_for(probes, 10) == pytest.approx(sum(shared) / 500)


def test_a_row_instead_of_an_equal_one_is_no_miss() -> None:
    rows = np.repeat(clustered_rows(4), 30, axis=0)

    assert HnswIndex(rows).recall_for(rows[::30], 10) == 1.0


def test_where_the_walk_finds_too_little_the_exact_search_answers() -> None:
    # Opposite groups, hardly linked: a walk from one sees nothing of the other.
    rows = np.repeat(clustered_rows(6, width=4), 40, axis=0)
    index = HnswIndex(rows, m=2, ef_construction=2, ef_search=1)

    for probe in rows[::40]:
        found, similarities = index.search(probe, 200)
        assert len(set(found.tolist())) == 200
        assert found.min() >= 0
        assert np.abs(rows[found] @ probe - similarities).max() < 1e-6


def test_threads_get_what_one_thread_gets() -> None:
    rows, probes = clustered_rows(800), clustered_rows(50, seed=1)
    index = HnswIndex(rows)
    expected = [index.search(probe, 7)[0].tolist() for probe in probes]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: [index.search(p, 7)[0].tolist() for p in probes], range(8)):
            assert found == expected


@pytest.mark.parametrize(
    "settings",
    [{"m": 1}, {"m": 2.0}, {"m": True}, {"ef_construction": 0}, {"ef_search": 0}],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        HnswIndex(clustered_rows(10), **settings)


@pytest.mark.parametrize("shape", [(0, 4), (4,), (3, 0)])
def test_a_matrix_without_rows_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="must have rows"):
        HnswIndex(np.empty(shape, dtype=np.float32))


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    with pytest.raises(MissingExtraError, match=r"stratarouter\[faiss\]"):
        HnswIndex(clustered_rows(10))
    with pytest.raises(MissingExtraError):
        choose_index(clustered_rows(10), hnsw_config())


def test_flat_and_few_rows_never_touch_faiss() -> None:
    code = (
        "import sys, numpy; from stratarouter.index import choose_index; "
        "from stratarouter import RouterConfig; rows = numpy.eye(50, dtype=numpy.float32); "
        "choose_index(rows, RouterConfig()); choose_index(rows, RouterConfig(index_type='flat')); "
        "sys.exit('faiss' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("index_type", ["auto", "flat"])
def test_few_rows_are_searched_exactly(index_type: str) -> None:
    rows = clustered_rows(999)

    index, report = choose_index(rows, config(index_type=index_type, ef_search=10))

    assert isinstance(index, FlatIndex)
    assert (report.kind, report.requested, report.n) == ("flat", index_type, 999)
    assert (report.recall, report.ef_search) == (1.0, None)


def test_many_rows_get_the_graph_if_it_finds_enough() -> None:
    rows, held_out = np.split(clustered_rows(5300), [5000])

    index, report = choose_index(rows, config(ef_search=50))

    assert isinstance(index, HnswIndex)
    assert (report.kind, report.requested, report.n) == ("hnsw", "auto", 5000)
    assert (report.ef_search, index.ef_search) == (50, 50)
    assert 0.99 <= report.recall <= 1.0
    assert index.recall_for(held_out, 10) > 0.98


def test_searches_are_widened_until_they_find_enough() -> None:
    rows = clustered_rows(5000, width=32)
    narrow = HnswIndex.from_config(rows, config(ef_search=10))
    assert narrow.recall_for(rows[:300], 10) < 0.99

    index, report = choose_index(rows, config(ef_search=10), probes=rows)

    assert isinstance(index, HnswIndex)
    assert report.ef_search == index.ef_search
    assert report.ef_search in {20, 40}
    assert report.recall >= 0.99


def test_rows_that_a_graph_cannot_find_are_searched_exactly() -> None:
    rows = random_rows(1500, width=64)

    index, report = choose_index(rows, config(ef_search=10))

    assert isinstance(index, FlatIndex)
    assert report.kind == "flat"
    assert report.recall == 1.0
    assert "the graph finds only" in report.reason


def test_without_faiss_auto_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    index, report = choose_index(clustered_rows(5000), config())

    assert isinstance(index, FlatIndex)
    assert report.reason == "faiss is not installed"


def test_the_graph_that_is_asked_for_is_built_whatever_it_finds() -> None:
    rows = random_rows(1500, width=64)

    index, report = choose_index(rows, hnsw_config(ef_search=10))

    assert isinstance(index, HnswIndex)
    assert report.kind == "hnsw"
    assert report.ef_search == 10
    assert report.recall < 0.9


def test_the_choice_is_the_same_every_time() -> None:
    rows = clustered_rows(1200)

    reports = [choose_index(rows, config(ef_search=10, seed=3))[1] for _ in range(2)]

    assert reports[0] == reports[1]


def test_probes_decide_what_recall_means() -> None:
    rows = random_rows(1500, width=64)

    by_rows = choose_index(rows, hnsw_config(ef_search=10), probes=rows[:5])[1]
    no_probes = choose_index(rows, hnsw_config(ef_search=10), probes=rows[:0])[1]
    by_default = choose_index(rows, hnsw_config(ef_search=10))[1]

    assert by_rows.recall != by_default.recall
    assert no_probes == by_default
