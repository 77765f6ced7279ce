"""Settings of a router."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from stratarouter import ConfigurationError, RouterConfig


def test_the_published_defaults() -> None:
    config = RouterConfig()

    assert (config.dimension, config.threshold, config.top_k) == (384, 0.5, 5)
    assert (config.max_candidates, config.fallback_route) == (10, None)
    assert (config.enable_calibration, config.enable_simd) == (True, True)
    assert (config.m, config.ef_construction, config.ef_search) == (16, 200, 50)
    weights = (config.dense_weight, config.bm25_weight, config.rule_weight)
    assert weights == (0.6427, 0.2891, 0.0682)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RouterConfig().threshold = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": 1},
        {"rule_weight": 0.0},
        {"dense_weight": 0.0},
        {"bm25_weight": 0.0},
        {"dense_weight": 30.0},
        {"max_candidates": 1},
        {"fallback_route": "help"},
        {"index_type": "flat"},
        {"index_type": "hnsw"},
        {"seed": 0},
        {"enable_simd": False, "enable_calibration": False},
    ],
)
def test_values_at_the_edges_are_accepted(options: dict[str, Any]) -> None:
    config = RouterConfig(**options)

    assert {name: getattr(config, name) for name in options} == options


BAD: dict[str, list[Any]] = {
    "dimension": [0, -1, 1.5, True, "384", None],
    "top_k": [0, True, 2.0],
    "max_candidates": [0, False, None],
    "m": [0, 1],
    "ef_construction": [0],
    "ef_search": [-3],
    "threshold": [-0.1, 1.2, math.nan, math.inf, "0.5", True, None],
    "rule_weight": [-0.1, 1.1, math.nan],
    "dense_weight": [-1.0, math.inf, math.nan, "1"],
    "bm25_weight": [-1.0, math.inf, True],
    "fallback_route": ["", "  ", 5, ["help"]],
    "index_type": ["faiss", None],
    "enable_calibration": ["no", 1, None],
    "enable_simd": ["yes"],
    "seed": [-1, 1.5, True, "0"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_values_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        RouterConfig(**{name: value})


def test_not_both_weights_can_be_zero() -> None:
    with pytest.raises(ConfigurationError, match="cannot both be 0"):
        RouterConfig(dense_weight=0.0, bm25_weight=0.0)


@pytest.mark.parametrize(
    ("alias", "name"), [("default_threshold", "threshold"), ("sparse_weight", "bm25_weight")]
)
def test_published_aliases_are_accepted(alias: str, name: str) -> None:
    assert getattr(RouterConfig.from_options(None, **{alias: 0.25}), name) == 0.25
    assert getattr(RouterConfig.from_options(None, **{alias: 0.25, name: 0.25}), name) == 0.25
    with pytest.raises(ConfigurationError, match="same setting and differ"):
        RouterConfig.from_options(None, **{alias: 0.25, name: 0.5})


def test_options_replace_fields_of_the_base() -> None:
    base = RouterConfig(threshold=0.2, max_candidates=3)

    changed = RouterConfig.from_options(base, threshold=0.0)

    assert (changed.threshold, changed.max_candidates) == (0.0, 3)
    assert base.threshold == 0.2


def test_a_base_without_options_is_equal() -> None:
    base = RouterConfig(threshold=0.2, fallback_route="help")

    assert RouterConfig.from_options(base) == base
    assert RouterConfig.from_options(**asdict(base)) == base


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("treshold", "threshold"),
        ("fallback", "fallback_route"),
        ("dimensions", "dimension"),
        ("max_candidate", "max_candidates"),
        ("default_treshold", "default_threshold"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name!r}; did you mean {nearest!r}\?"):
        RouterConfig.from_options(None, **{name: 1})


def test_an_unknown_name_like_no_other_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown router setting 'zzz'$"):
        RouterConfig.from_options(zzz=1)
