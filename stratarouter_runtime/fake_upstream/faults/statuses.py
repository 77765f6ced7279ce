"""Faults that are an HTTP status."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.actions import Plan, Send, head
from stratarouter_runtime.fake_upstream.exchange import encode
from stratarouter_runtime.fake_upstream.faults.declaring import JSON, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter_runtime.fake_upstream.faults.declaring import Scene

__all__ = ["STATUS_FAULTS", "refuse"]


def refuse(
    scene: Scene, status: int, headers: Sequence[tuple[str, str]] = (), reason: str = ""
) -> Plan:
    """Return an answer that is an error.

    Parameters
    ----------
    scene : Scene
        The request.
    status : int
        HTTP status.
    headers : sequence of (str, str)
        Further headers.
    reason : str
        "context", "content" or "quota" where the status alone does not say it.

    Returns
    -------
    Plan
        The error in the words of the wire format; it costs nothing.
    """
    message = f"the fake upstream was asked for status {status}"
    body = encode(scene.wire.error(status, message, reason))
    request_id = f"req_{scene.answer.number:08d}"
    return Plan([Send(head(status, JSON, len(body), headers, request_id) + body)], status)


def _status(status: int, scene: Scene) -> Plan:
    return refuse(scene, status, reason=scene.variant)


def _redirect(scene: Scene) -> Plan:
    # Another name of the same machine is another origin: a key must not follow.
    location = f"http://localhost:{scene.port}/redirected"
    return refuse(scene, 302, [("location", location)])


def _too_many(scene: Scene) -> Plan:
    retry_s = scene.options.retry_after_s
    headers = {
        "": [],
        "seconds": [("retry-after", f"{retry_s:g}")],
        "ms": [("retry-after-ms", f"{retry_s * 1000:g}")],
        "date": [("retry-after", _date_in(retry_s))],
        "absurd": [("retry-after", "999999999")],
        "negative": [("retry-after", "-5")],
        "quota": [],
    }
    return refuse(scene, 429, headers[scene.variant], scene.variant)


def _date_in(seconds: float) -> str:
    # The time of the machine, because that is what a client compares it with.
    now = datetime.now(UTC).replace(microsecond=0)
    return format_datetime(now + timedelta(seconds=math.ceil(seconds)), usegmt=True)


def _plain(status: int, summary: str, variants: tuple[str, ...] = ()) -> Fault:
    return Fault(
        id=f"status-{status}",
        kind="status",
        summary=summary,
        variants=variants,
        perform=partial(_status, status),
    )


STATUS_FAULTS: tuple[Fault, ...] = (
    _plain(
        400,
        "bad request; `context`: the conversation is too long; `content`: it breaks a policy",
        ("context", "content"),
    ),
    _plain(401, "the key is wrong"),
    _plain(403, "the key may not do this"),
    _plain(404, "the model does not exist"),
    _plain(408, "the request came too slowly"),
    _plain(409, "the request is in conflict with another"),
    _plain(413, "the request is too large"),
    _plain(422, "the request is well formed and makes no sense"),
    Fault(
        id="status-429",
        kind="status",
        summary="too many requests; variants say when to come back, `quota` that it never helps",
        variants=("seconds", "ms", "date", "absurd", "negative", "quota"),
        perform=_too_many,
    ),
    _plain(500, "the service failed"),
    _plain(502, "the service behind the service failed"),
    _plain(503, "the service is not there now"),
    _plain(504, "the service behind the service took too long"),
    _plain(529, "the service is overloaded"),
    Fault(
        id="status-302",
        kind="status",
        summary="sends the client to another origin, which records who comes",
        perform=_redirect,
    ),
)
"""Faults that are an HTTP status."""
