"""Whom to ask, and whom next."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.policies.selection import TargetSelector, TargetStats
from stratarouter_runtime.policies.targets import (
    FallbackChains,
    Target,
    expand_targets,
    targets_after,
)
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    ContextWindowExceededError,
    RateLimitedError,
    StreamInterruptedError,
)

A, B, C = (Target(provider=name) for name in "abc")
GROUP = (A, B, C)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["openai"], ["openai"]),
        (["openai/gpt-4o", "local/org/model"], ["openai/gpt-4o", "local/org/model"]),
        (["fast"], ["groq/llama", "openai/mini"]),
        (["default", "smart"], ["groq/llama", "openai/mini", "openai/gpt-4o"]),
        (["self"], ["self"]),
        ([A, "b"], ["a", "b"]),
    ],
)
def test_names_become_targets(names: list[str | Target], expected: list[str]) -> None:
    aliases = {
        "fast": ["groq/llama", "openai/mini"],
        "smart": ["openai/gpt-4o", "openai/mini"],
        "default": "fast",
        "self": "self",
    }

    assert [str(target) for target in expand_targets(names, aliases)] == expected


@pytest.mark.parametrize(
    ("names", "aliases", "problem"),
    [
        ([], {}, "no target"),
        (["a", "b", "a"], {}, "'a' is its own fallback"),
        ([A, "a"], {}, "'a' is its own fallback"),
        (["x"], {"x": "y", "y": ["b", "x"]}, "x -> y -> x"),
        (["x"], {"x": ["x", "b"]}, "x -> x"),
        (["x"], {"x": []}, "no target"),
        (["a/"], {}, "names no model"),
        ([" "], {}, "name of a provider"),
    ],
)
def test_loops_and_blanks_are_refused(
    names: list[str | Target], aliases: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        expand_targets(names, aliases)


@pytest.mark.parametrize("bad", [{"weight": -1.0}, {"weight": float("nan")}, {"timeout_s": 0.0}])
def test_impossible_targets_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        Target(provider="p", **bad)  # type: ignore[arg-type]


CHAINS = FallbackChains(context_window=(C,), content_policy=(A,))


@pytest.mark.parametrize(
    ("error", "chains", "expected"),
    [
        (RateLimitedError("a", "x"), None, [B]),
        (AuthenticationError("a", "x"), CHAINS, [B]),
        (BadRequestError("a", "x"), CHAINS, []),
        (StreamInterruptedError("a", "x", "so far"), CHAINS, []),
        (ContextWindowExceededError("a", "x"), None, [B]),
        (ContextWindowExceededError("a", "x"), CHAINS, [C]),
        (ContentPolicyError("a", "x"), None, []),
        (ContentPolicyError("a", "x"), FallbackChains(context_window=(C,)), []),
        (ContentPolicyError("a", "x"), CHAINS, [A]),
        (ValueError("x"), CHAINS, []),
    ],
    ids=repr,
)
def test_the_error_decides_who_is_next(
    error: Exception, chains: FallbackChains | None, expected: list[Target]
) -> None:
    assert list(targets_after(error, [B], chains)) == expected


def failing(stats: TargetStats, target: Target, calls: int = 5, now_s: float = 0.0) -> None:
    """Let a target fail some calls."""
    for _ in range(calls):
        stats.started(target.key)
        stats.ended(target.key, now_s, 0.1, is_success=False)


def test_priority_is_taken_as_written() -> None:
    stats = TargetStats()
    failing(stats, A)

    assert TargetSelector("priority", stats).order(GROUP, 0.0, Random(1).random) == GROUP


@pytest.mark.parametrize("strategy", ["round_robin", "weighted", "least_latency", "health"])
def test_the_unhealthy_go_last_and_nobody_is_left_out(strategy: Any) -> None:
    stats = TargetStats()
    selector = TargetSelector(strategy, stats)
    failing(stats, A)
    draw = Random(1).random
    for _ in range(20):
        ordered = selector.order(GROUP, 0.0, draw)
        assert ordered[-1] == A
        assert sorted(map(str, ordered)) == ["a", "b", "c"]

    failing(stats, B)
    failing(stats, C)
    assert len(selector.order(GROUP, 0.0, draw)) == 3
    # A minute later it is forgotten.
    assert selector.is_healthy(A, 61.0)


def test_a_few_failures_make_nobody_unhealthy() -> None:
    stats = TargetStats()
    failing(stats, A, calls=4)
    selector = TargetSelector("health", stats)

    assert selector.order(GROUP, 0.0, Random(1).random) == GROUP
    failing(stats, A, calls=1)
    assert selector.order(GROUP, 0.0, Random(1).random) == (B, C, A)


def test_feedback_counts_as_health() -> None:
    stats = TargetStats()
    for good in (True, False, False, False):
        stats.judged(A.key, 0.0, is_good=good)

    assert stats.health(A.key, 0.0) == (0.25, 4)
    assert stats.health(B.key, 0.0) == (1.0, 0)


def test_weights_are_kept() -> None:
    heavy, light = Target(provider="h", weight=3.0), Target(provider="l", weight=1.0)
    never = Target(provider="n", weight=0.0)
    selector = TargetSelector("weighted", TargetStats())
    draw = Random(7).random
    orders = [selector.order((never, light, heavy), 0.0, draw) for _ in range(4000)]

    first = Counter(str(order[0]) for order in orders)
    assert first["h"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert all(order[-1] == never for order in orders)


def test_the_faster_of_two_is_asked() -> None:
    stats = TargetStats()
    for target, took_s in ((A, 0.3), (B, 0.1), (C, 0.2)):
        stats.started(target.key)
        stats.ended(target.key, 0.0, took_s, is_success=True)
    selector = TargetSelector("least_latency", stats)
    draw = Random(7).random
    first = Counter(str(selector.order(GROUP, 0.0, draw)[0]) for _ in range(3000))

    # The slowest of three never wins, and the fastest wins two draws of three.
    assert first["a"] == 0
    assert first["b"] / 3000 == pytest.approx(2 / 3, abs=0.04)


def test_calls_under_way_count_as_load() -> None:
    stats = TargetStats()
    stats.started(A.key)
    stats.ended(A.key, 0.0, 0.1, is_success=True)
    alone = stats.load_s(A.key)
    stats.started(A.key)

    assert stats.load_s(A.key) == 2 * alone
    stats.ended(A.key, 0.0, 9.0, is_success=None)
    assert stats.load_s(A.key) == alone


def test_quick_refusals_do_not_look_fast() -> None:
    stats = TargetStats()
    for _ in range(3):
        stats.started(A.key)
        stats.ended(A.key, 0.0, 1.0, is_success=True)
    before_s = stats.latency_s(A.key)
    failing(stats, A, calls=3)

    assert stats.latency_s(A.key) > before_s


def test_old_latencies_give_way() -> None:
    stats = TargetStats()
    stats.ended(A.key, 0.0, 5.0, is_success=True)
    stats.ended(A.key, 100.0, 0.1, is_success=True)

    assert stats.latency_s(A.key) == pytest.approx(0.1, abs=0.01)


def test_the_memory_of_targets_is_bounded() -> None:
    stats = TargetStats(max_targets=2)
    for target in GROUP:
        failing(stats, target)

    assert stats.health(A.key, 0.0) == (1.0, 0)
    assert stats.health(C.key, 0.0) == (0.0, 5)


@pytest.mark.parametrize(
    ("strategy", "threshold", "problem"),
    [("fastest", 0.8, "unknown strategy"), ("helth", 0.8, "did you mean 'health'"),
     ("health", 1.5, "health_threshold")],
)  # fmt: skip
def test_impossible_selectors_are_refused(strategy: Any, threshold: float, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        TargetSelector(strategy, TargetStats(), health_threshold=threshold)


@pytest.mark.parametrize(("threshold", "is_healthy"), [(0.0, True), (0.8, True), (0.81, False)])
def test_who_just_reaches_the_threshold_is_healthy(threshold: float, is_healthy: bool) -> None:
    stats = TargetStats()
    for good in (True, True, True, True, False):
        stats.judged(A.key, 0.0, is_good=good)
    selector = TargetSelector("health", stats, health_threshold=threshold)

    assert selector.is_healthy(A, 0.0) == is_healthy
    assert TargetSelector("health", stats, health_threshold=1.0).is_healthy(B, 0.0)
