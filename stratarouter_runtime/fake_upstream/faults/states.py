"""Faults of a service that remembers something else than its client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.actions import Pause, Plan
from stratarouter_runtime.fake_upstream.faults.declaring import Fault, lay_out
from stratarouter_runtime.fake_upstream.faults.statuses import refuse
from stratarouter_runtime.fake_upstream.faults.times import SLOW_S

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.faults.declaring import Scene

__all__ = ["STATE_FAULTS"]


def _late_success(scene: Scene) -> Plan:
    pause = Pause(SLOW_S * scene.options.time_scale)
    return Plan([pause, *lay_out(scene)], 200, finishes_alone=True)


def _answers_twice(scene: Scene) -> Plan:
    return Plan([*lay_out(scene), *lay_out(scene, billed=False)], 200)


def _changes_model(scene: Scene) -> Plan:
    other = replace(scene.answer, model=f"{scene.answer.model}-other")
    return Plan(lay_out(replace(scene, answer=other)), 200)


def _limit_reset(scene: Scene) -> Plan:
    refused = 1 if scene.variant == "early" else 2
    if scene.attempt > refused:
        return Plan(lay_out(scene), 200)
    retry_s = scene.options.retry_after_s
    # With `early` the client is told to wait a thousand times longer than it has to.
    told_s = retry_s * 1000 if scene.variant == "early" else retry_s
    headers = [
        ("retry-after", f"{told_s:g}"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", f"{told_s:g}s"),
    ]
    return refuse(scene, 429, headers)


STATE_FAULTS: tuple[Fault, ...] = (
    Fault(
        id="late-success",
        kind="state",
        summary="answers after 10 s and bills all of it, whether the client still waits or not",
        bills="all",
        perform=_late_success,
    ),
    Fault(
        id="answers-twice",
        kind="state",
        summary="sends the whole answer twice on one connection and bills it once",
        bills="all",
        perform=_answers_twice,
    ),
    Fault(
        id="changes-model",
        kind="state",
        summary="answers under the name of another model, where the format has a place for it",
        bills="all",
        perform=_changes_model,
    ),
    Fault(
        id="limit-reset",
        kind="state",
        summary=(
            "429 twice, though the limit should be over the second time; "
            "`early`: 429 once, and the limit is over long before it is announced to be"
        ),
        variants=("early",),
        bills="all",
        perform=_limit_reset,
    ),
)
"""Faults of a service that remembers something else than its client."""
