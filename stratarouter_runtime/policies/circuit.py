"""Leaving alone what fails: a circuit breaker that is told the time."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.policies.windows import SlidingCounts
from stratarouter_runtime.provider_errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = [
    "CircuitBreaker",
    "CircuitOutcome",
    "CircuitPermit",
    "CircuitRules",
    "CircuitState",
    "CircuitTable",
    "circuit_outcome",
]

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]
"""Calls pass, no call passes, or a few do to see."""

CircuitOutcome: TypeAlias = Literal["success", "failure", "ignored"]
"""What a call says about the health of its target; "ignored" if it says nothing."""

_REMEMBERED_CHANGES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRules:
    """When a breaker opens, and how it closes again.

    Raises
    ------
    InvalidInputError
        If a figure is out of its range.
    """

    failures_in_row: int = 5
    """Failures without a success between them that open it, >= 1."""
    failure_share: float = 0.5
    """Share of failures in the window that opens it, in (0, 1]."""
    min_calls: int = 20
    """Calls that the window has to hold before a share says anything, >= 1."""
    window_s: float = 60.0
    """Length of the window, seconds."""
    slow_call_s: float | None = None
    """Duration from which a call is slow, seconds; None: none is."""
    slow_share: float = 1.0
    """Share of slow calls in the window that opens it, in (0, 1]."""
    open_s: float = 30.0
    """How long it stays open, seconds."""
    probes: int = 3
    """Calls at a time that pass half-open, >= 1."""
    successes_to_close: int = 2
    """Successes half-open that close it, >= 1."""
    probe_lease_s: float = 60.0
    """Time after which a probe's place is free again, whatever became of it, seconds."""
    max_half_open_s: float = 120.0
    """Time after which a breaker that cannot make up its mind opens again, seconds."""

    def __post_init__(self) -> None:
        for name in ("failures_in_row", "min_calls", "probes", "successes_to_close"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} must be >= 1, got {getattr(self, name)!r}")
        for name in ("failure_share", "slow_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise InvalidInputError(f"{name} must be in (0, 1], got {getattr(self, name)!r}")
        for name in ("window_s", "slow_call_s", "open_s", "probe_lease_s", "max_half_open_s"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise InvalidInputError(f"{name} must be a finite number > 0, got {value!r}")


@dataclass(frozen=True, slots=True)
class CircuitPermit:
    """Leave to make one call; it is given back with what became of the call."""

    generation: int
    """Which state of the breaker gave it."""
    number: int
    """Which probe it is; 0 for an ordinary call."""

    @property
    def is_probe(self) -> bool:
        """Whether the call decides about closing."""
        return self.number > 0


class CircuitBreaker:
    """One breaker; see `CircuitRules` for what it does.

    A permit of an earlier state is void: an old call that ends late changes nothing. Every permit
    should come back through `record`; a probe that does not loses its place after its lease.

    Parameters
    ----------
    rules : CircuitRules, optional
        The rules; None takes the defaults.

    Examples
    --------
    >>> breaker = CircuitBreaker(CircuitRules(failures_in_row=1, open_s=30.0))
    >>> permit = breaker.acquire(0.0)
    >>> breaker.record(permit, "failure", 1.0)
    >>> breaker.acquire(2.0) is None, breaker.retry_after_s(2.0), breaker.state(31.0)
    (True, 29.0, 'half_open')
    """

    __slots__ = (
        "_changes",
        "_counts",
        "_generation",
        "_issued",
        "_probes",
        "_row",
        "_rules",
        "_since_s",
        "_state",
        "_successes",
    )

    def __init__(self, rules: CircuitRules | None = None) -> None:
        self._rules = CircuitRules() if rules is None else rules
        self._state: CircuitState = "closed"
        self._since_s = -math.inf
        self._generation = 0
        self._row = 0
        self._successes = 0
        self._issued = 0
        self._counts = SlidingCounts(3, self._rules.window_s)
        # Lease by probe.
        self._probes: dict[int, float] = {}
        self._changes: deque[CircuitState] = deque(maxlen=_REMEMBERED_CHANGES)

    def state(self, now_s: float) -> CircuitState:
        """Return the state.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        CircuitState
            The state.
        """
        self._pass_time(now_s)
        return self._state

    def acquire(self, now_s: float) -> CircuitPermit | None:
        """Ask for leave to make a call.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        CircuitPermit or None
            The leave; None if the target is to be left alone.
        """
        self._pass_time(now_s)
        if self._state == "closed":
            return CircuitPermit(self._generation, 0)
        if self._state == "open" or len(self._probes) >= self._rules.probes:
            return None
        self._issued += 1
        self._probes[self._issued] = now_s + self._rules.probe_lease_s
        return CircuitPermit(self._generation, self._issued)

    def record(
        self,
        permit: CircuitPermit,
        outcome: CircuitOutcome,
        now_s: float,
        duration_s: float = 0.0,
    ) -> None:
        """Give a permit back.

        Parameters
        ----------
        permit : CircuitPermit
            The permit.
        outcome : {"success", "failure", "ignored"}
            What became of the call; "ignored" if it was not made, or was cancelled.
        now_s : float
            The time now.
        duration_s : float, seconds, >= 0
            How long it took.
        """
        self._pass_time(now_s)
        if permit.generation != self._generation:
            return
        if permit.is_probe and self._probes.pop(permit.number, None) is None:
            return
        if outcome == "ignored":
            return
        slow_s = self._rules.slow_call_s
        is_slow = slow_s is not None and duration_s >= slow_s
        if self._state == "half_open":
            self._judge_probe(now_s, is_good=outcome == "success" and not is_slow)
        else:
            self._judge_call(now_s, is_failure=outcome == "failure", is_slow=is_slow)

    def retry_after_s(self, now_s: float) -> float:
        """Return when asking for leave may succeed.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        float
            Seconds, >= 0; 0 if it would succeed now. A probe that ends early makes it less.
        """
        self._pass_time(now_s)
        if self._state == "open":
            return max(0.0, self._since_s + self._rules.open_s - now_s)
        if self._state == "half_open" and len(self._probes) >= self._rules.probes:
            return max(0.0, min(self._probes.values()) - now_s)
        return 0.0

    def drain_changes(self) -> tuple[CircuitState, ...]:
        """Return the states entered since the last call, for telemetry.

        Returns
        -------
        tuple of CircuitState
            Oldest first; of very many only the latest.
        """
        changes = tuple(self._changes)
        self._changes.clear()
        return changes

    def _pass_time(self, now_s: float) -> None:
        rules = self._rules
        if self._state == "open" and now_s >= self._since_s + rules.open_s:
            self._enter("half_open", now_s)
        elif self._state == "half_open":
            if now_s >= self._since_s + rules.max_half_open_s:
                self._enter("open", now_s)
                return
            for number in [key for key, lease in self._probes.items() if now_s >= lease]:
                del self._probes[number]

    def _judge_call(self, now_s: float, *, is_failure: bool, is_slow: bool) -> None:
        rules = self._rules
        self._row = self._row + 1 if is_failure else 0
        self._counts.add(now_s, 1, int(is_failure), int(is_slow))
        calls, failures, slow = self._counts.totals(now_s)
        is_telling = calls >= rules.min_calls
        if self._row >= rules.failures_in_row or (
            is_telling
            and (
                failures >= rules.failure_share * calls
                or (rules.slow_call_s is not None and slow >= rules.slow_share * calls)
            )
        ):
            self._enter("open", now_s)

    def _judge_probe(self, now_s: float, *, is_good: bool) -> None:
        if not is_good:
            self._enter("open", now_s)
            return
        self._successes += 1
        if self._successes >= self._rules.successes_to_close:
            self._enter("closed", now_s)

    def _enter(self, state: CircuitState, now_s: float) -> None:
        self._state = state
        self._since_s = now_s
        self._generation += 1
        self._row = 0
        self._successes = 0
        self._probes.clear()
        self._counts.clear()
        self._changes.append(state)


class CircuitTable:
    """A breaker for each key, such as (provider, model, name of the key).

    Parameters
    ----------
    rules : CircuitRules, optional
        Rules of all of them.
    max_keys : int, >= 1
        How many are remembered; the one that was not used for longest goes, and one that is closed
        before one that is not.
    """

    __slots__ = ("_breakers", "_max_keys", "_rules")

    def __init__(self, rules: CircuitRules | None = None, *, max_keys: int = 4096) -> None:
        self._rules = rules
        self._max_keys = max_keys
        self._breakers: OrderedDict[Hashable, CircuitBreaker] = OrderedDict()

    def __len__(self) -> int:
        return len(self._breakers)

    def get(self, key: Hashable, now_s: float) -> CircuitBreaker:
        """Return the breaker of a key.

        Parameters
        ----------
        key : Hashable
            The key.
        now_s : float
            The time now.

        Returns
        -------
        CircuitBreaker
            The breaker; a closed one for a new key.
        """
        breaker = self._breakers.get(key)
        if breaker is None:
            if len(self._breakers) >= self._max_keys:
                self._forget_one(now_s)
            breaker = self._breakers[key] = CircuitBreaker(self._rules)
        self._breakers.move_to_end(key)
        return breaker

    def _forget_one(self, now_s: float) -> None:
        oldest = next(iter(self._breakers))
        closed = (k for k, breaker in self._breakers.items() if breaker.state(now_s) == "closed")
        del self._breakers[next(closed, oldest)]


def circuit_outcome(error: BaseException | None) -> CircuitOutcome:
    """Return what a call says about its target.

    Parameters
    ----------
    error : BaseException, optional
        What the call ended with; None for an answer.

    Returns
    -------
    CircuitOutcome
        A request that the target refuses for its own sake shows that the target is well. What is
        no provider's error, such as a cancellation, shows nothing.
    """
    if error is None or isinstance(error, BadRequestError):
        return "success"
    is_theirs = isinstance(error, ProviderError) and error.origin == "provider"
    return "failure" if is_theirs else "ignored"
