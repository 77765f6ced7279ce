"""In which order the targets of a group are asked, from how they did lately."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.policies.windows import SlidingCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter_runtime.policies.targets import Target, TargetKey

__all__ = ["SelectionStrategy", "TargetSelector", "TargetStats"]

SelectionStrategy: TypeAlias = Literal[
    "priority", "round_robin", "weighted", "least_latency", "health"
]
"""As written; in turn; by weight; the faster of two drawn by lot; the healthy ones first."""

_STRATEGIES = ("priority", "round_robin", "weighted", "least_latency", "health")
_HEALTH_WINDOW_S = 60.0
# Latencies older than this hardly count.
_LATENCY_MEMORY_S = 10.0
# Low, so that a target nobody has tried yet is tried soon.
_UNKNOWN_LATENCY_S = 1e-3
_MAX_LATENCY_S = 600.0


@dataclass(slots=True)
class _Record:
    counts: SlidingCounts = field(default_factory=lambda: SlidingCounts(2, _HEALTH_WINDOW_S))
    latency_s: float | None = None
    updated_s: float = 0.0
    in_flight: int = 0


class TargetStats:
    """How targets did lately; shared by the groups that they are in.

    Parameters
    ----------
    max_targets : int, >= 1
        How many are remembered; those that were not used for longest are forgotten.
    """

    __slots__ = ("_max_targets", "_records")

    def __init__(self, *, max_targets: int = 4096) -> None:
        self._max_targets = max_targets
        self._records: OrderedDict[TargetKey, _Record] = OrderedDict()

    def started(self, key: TargetKey) -> None:
        """Count a call that begins; each is followed by one `ended`.

        Parameters
        ----------
        key : TargetKey
            Its target.
        """
        self._record(key).in_flight += 1

    def ended(
        self, key: TargetKey, now_s: float, duration_s: float, *, is_success: bool | None
    ) -> None:
        """Count a call that is over.

        Parameters
        ----------
        key : TargetKey
            Its target.
        now_s : float
            The time now.
        duration_s : float, seconds, >= 0
            How long it took.
        is_success : bool or None
            Whether the target answered; None if the call says nothing, as when it was cancelled.
        """
        record = self._record(key)
        record.in_flight = max(0, record.in_flight - 1)
        if is_success is None:
            return
        record.counts.add(now_s, 1, int(is_success))
        known_s = record.latency_s
        # A quick refusal must not look like a fast answer.
        sample_s = duration_s if is_success else 2.0 * max(duration_s, self.latency_s(key))
        if known_s is not None:
            keep = math.exp(-max(0.0, now_s - record.updated_s) / _LATENCY_MEMORY_S)
            # The newest call counts a tenth even if many end at the same moment.
            keep = min(keep, 0.9)
            sample_s = keep * known_s + (1.0 - keep) * sample_s
        record.latency_s = min(sample_s, _MAX_LATENCY_S)
        record.updated_s = now_s

    def judged(self, key: TargetKey, now_s: float, *, is_good: bool) -> None:
        """Count what a user says about an answer.

        Parameters
        ----------
        key : TargetKey
            Who had answered.
        now_s : float
            The time now.
        is_good : bool
            Whether the answer was good.
        """
        self._record(key).counts.add(now_s, 1, int(is_good))

    def health(self, key: TargetKey, now_s: float) -> tuple[float, int]:
        """Return the share of successes in the last minute.

        Parameters
        ----------
        key : TargetKey
            The target.
        now_s : float
            The time now.

        Returns
        -------
        score : float, in [0, 1]
            Successes per call; 1.0 without calls.
        calls : int
            How many calls that is.
        """
        record = self._records.get(key)
        if record is None:
            return 1.0, 0
        calls, successes = record.counts.totals(now_s)
        return (successes / calls if calls else 1.0), calls

    def latency_s(self, key: TargetKey) -> float:
        """Return about how long a call takes.

        Parameters
        ----------
        key : TargetKey
            The target.

        Returns
        -------
        float
            Seconds; nearly 0 if nobody knows.
        """
        record = self._records.get(key)
        if record is None or record.latency_s is None:
            return _UNKNOWN_LATENCY_S
        return record.latency_s

    def load_s(self, key: TargetKey) -> float:
        """Return the latency times the calls under way, the next one included.

        Parameters
        ----------
        key : TargetKey
            The target.

        Returns
        -------
        float
            Seconds; less is better.
        """
        record = self._records.get(key)
        return self.latency_s(key) * (1 + (0 if record is None else record.in_flight))

    def _record(self, key: TargetKey) -> _Record:
        record = self._records.get(key)
        if record is None:
            if len(self._records) >= self._max_targets:
                self._records.popitem(last=False)
            record = self._records[key] = _Record()
        self._records.move_to_end(key)
        return record


class TargetSelector:
    """Orders the targets of one group; it never leaves one out.

    Parameters
    ----------
    strategy : {"priority", "round_robin", "weighted", "least_latency", "health"}
        How to order. All but "priority" ask unhealthy targets last.
    stats : TargetStats
        How the targets did.
    health_threshold : float, in [0, 1]
        Share of successes below which a target is unhealthy.
    min_calls : int, >= 1
        Calls in the last minute below which nobody is called unhealthy.

    Raises
    ------
    InvalidInputError
        If the strategy is unknown or the threshold is no share.

    Examples
    --------
    >>> from stratarouter_runtime.policies.targets import Target
    >>> a, b = Target(provider="a"), Target(provider="b")
    >>> selector = TargetSelector("round_robin", TargetStats())
    >>> [[str(t) for t in selector.order([a, b], 0.0, lambda: 0.5)] for _ in range(2)]
    [['a', 'b'], ['b', 'a']]
    """

    __slots__ = ("_health_threshold", "_min_calls", "_stats", "_strategy", "_turn")

    def __init__(
        self,
        strategy: SelectionStrategy,
        stats: TargetStats,
        *,
        health_threshold: float = 0.8,
        min_calls: int = 5,
    ) -> None:
        if strategy not in _STRATEGIES:
            hint = nearest_name_hint(str(strategy), _STRATEGIES)
            raise InvalidInputError(f"unknown strategy {strategy!r}{hint}")
        if not 0.0 <= health_threshold <= 1.0:
            raise InvalidInputError(
                f"health_threshold must be a number from 0 to 1, got {health_threshold!r}"
            )
        self._strategy: SelectionStrategy = strategy
        self._stats = stats
        self._health_threshold = health_threshold
        self._min_calls = min_calls
        self._turn = 0

    def order(
        self, targets: Sequence[Target], now_s: float, random: Callable[[], float]
    ) -> tuple[Target, ...]:
        """Return the targets in the order in which they are to be asked.

        Parameters
        ----------
        targets : sequence of Target
            The group.
        now_s : float
            The time now.
        random : callable
            Returns a random number, uniform in [0, 1).

        Returns
        -------
        tuple of Target
            All of them.
        """
        if self._strategy == "priority" or len(targets) < 2:
            return tuple(targets)
        ordered = self._by_strategy(targets, random)
        well = [target for target in ordered if self.is_healthy(target, now_s)]
        return (*well, *(target for target in ordered if target not in well))

    def is_healthy(self, target: Target, now_s: float) -> bool:
        """Say whether a target answers often enough.

        Parameters
        ----------
        target : Target
            The target.
        now_s : float
            The time now.

        Returns
        -------
        bool
            Whether; True as long as little is known.
        """
        score, calls = self._stats.health(target.key, now_s)
        return calls < self._min_calls or score >= self._health_threshold

    def _by_strategy(
        self, targets: Sequence[Target], random: Callable[[], float]
    ) -> Sequence[Target]:
        match self._strategy:
            case "round_robin":
                turn = self._turn % len(targets)
                self._turn += 1
                return [*targets[turn:], *targets[:turn]]
            case "weighted":
                return sorted(targets, key=lambda target: _lot(target.weight, random()))
            case "least_latency":
                return self._fastest_of_two(targets, random)
            case _:
                return targets

    def _fastest_of_two(
        self, targets: Sequence[Target], random: Callable[[], float]
    ) -> Sequence[Target]:
        first = int(random() * len(targets))
        second = int(random() * (len(targets) - 1))
        second += second >= first
        loads = [self._stats.load_s(target.key) for target in targets]
        best = min((first, second), key=lambda index: loads[index])
        others = sorted(range(len(targets)), key=lambda index: (index != best, loads[index]))
        return [targets[index] for index in others]


def _lot(weight: float, fraction: float) -> float:
    # The least of exponential variables falls on each with its share of the weights.
    return math.inf if weight == 0.0 else -math.log(1.0 - fraction) / weight
