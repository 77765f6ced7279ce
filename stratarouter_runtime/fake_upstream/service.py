"""Decides what is answered to a request; does nothing itself."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.actions import End, Pause, Plan, Send, head
from stratarouter_runtime.fake_upstream.answers import answer
from stratarouter_runtime.fake_upstream.exchange import Call, RequestError, encode
from stratarouter_runtime.fake_upstream.faults.declaring import JSON, Scene, lay_out
from stratarouter_runtime.fake_upstream.formats.listings import listing
from stratarouter_runtime.fake_upstream.formats.routing import Paths
from stratarouter_runtime.fake_upstream.scripts import (
    Script,
    is_script,
    parse_script,
    parse_steps,
)
from stratarouter_runtime.fake_upstream.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratarouter_runtime.fake_upstream.exchange import Ask, WireFormat
    from stratarouter_runtime.fake_upstream.formats.routing import Endpoint
    from stratarouter_runtime.fake_upstream.options import Options
    from stratarouter_runtime.fake_upstream.records import RequestRecord
    from stratarouter_runtime.fake_upstream.scripts import Step

__all__ = ["Service"]

_MOST_MODELS = 10_000


class Service:
    """What the fake upstream answers.

    Parameters
    ----------
    options : Options
        Settings.

    Raises
    ------
    InvalidInputError
        If the default script means nothing.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._default = parse_script(options.default)
        self._paths = Paths()
        self._lists: dict[str, tuple[Script, ...]] = {}
        self._attempts: OrderedDict[str, int] = OrderedDict()
        self._templates = Templates()
        self.port = 0
        """The port that redirects point to."""

    def script(self, model: str, steps: Iterable[Step]) -> None:
        """Say what a model does, call by call.

        Parameters
        ----------
        model : str
            The model name.
        steps : iterable of (str or Reply)
            One per call; the last is repeated for ever.
        """
        self._lists[model] = parse_steps(steps)
        self._templates.clear()
        self._attempts.pop(model, None)

    def forget(self) -> None:
        """Forget the steps of all models, and how often they were called."""
        self._lists.clear()
        self._attempts.clear()

    def plan(self, record: RequestRecord) -> Plan:
        """Decide what happens in answer to a request.

        Parameters
        ----------
        record : RequestRecord
            The request; what is found out about it is written there.

        Returns
        -------
        Plan
            What to do.
        """
        if record.method != "POST":
            return self._look_up(record)
        known = self._templates.find(record)
        if known is not None:
            return known
        endpoint = self._paths.find(record.path)
        if endpoint is None:
            return _json(404, {"error": {"message": f"nothing is at {record.path}"}})
        record.wire = endpoint.wire.name
        try:
            call = _call(endpoint, record)
            record.model = call.model or str(call.body.get("model", ""))
            ask = endpoint.wire.read(call)
            record.operation, record.model = ask.operation, ask.model
            return self._answer(endpoint.wire, ask, record)
        except RequestError as error:
            return _json(error.status, endpoint.wire.error(error.status, str(error)))
        except InvalidInputError as error:
            return _json(501, endpoint.wire.error(501, str(error)))

    def _look_up(self, record: RequestRecord) -> Plan:
        if record.path == "/redirected":
            return _json(200, {"redirected": True})
        if record.method not in {"GET", "HEAD"}:
            return _json(405, {"error": {"message": f"{record.method} is not served"}})
        found = listing(record.path, record.headers)
        if found is None:
            return _json(404, {"error": {"message": f"nothing is at {record.path}"}})
        if record.method == "HEAD":
            return Plan([Send(head(200, JSON, len(encode(found))))], 200)
        return _json(200, found)

    def _answer(self, wire: WireFormat, ask: Ask, record: RequestRecord) -> Plan:
        attempt = self._count(ask.model)
        script = self._script_of(ask.model, attempt)
        spoiled = script.fails(attempt)
        fault = script.fault if spoiled else None
        if fault is not None and (
            fault.perform is None or not fault.applies(ask.operation, wire.name)
        ):
            raise InvalidInputError(_why_not(fault.id, fault.kind, ask.operation, wire.name))
        scene = Scene(
            ask=ask,
            answer=answer(
                ask, script, record.number, self._options.embedding_dimension, spoiled=spoiled
            ),
            wire=wire,
            options=self._options,
            variant=script.variant,
            attempt=attempt,
            port=self.port,
            pace_s=script.pace_s,
        )
        if fault is None or fault.perform is None:
            plan = Plan(lay_out(scene), 200)
        else:
            record.fault = f"{fault.id}-{script.variant}" if script.variant else fault.id
            plan = fault.perform(scene)
        wait_s = script.wait_s + self._options.latency_ms / 1000
        if wait_s > 0:
            actions = [Pause(wait_s), *plan.actions]
            return Plan(actions, plan.status, finishes_alone=plan.finishes_alone)
        if script.fault is None and ask.model not in self._lists:
            self._templates.keep(record, plan)
        return plan

    def _count(self, model: str) -> int:
        attempt = self._attempts.pop(model, 0) + 1
        self._attempts[model] = attempt
        if len(self._attempts) > _MOST_MODELS:
            self._attempts.popitem(last=False)
        return attempt

    def _script_of(self, model: str, attempt: int) -> Script:
        steps = self._lists.get(model)
        if steps is not None:
            return steps[min(attempt, len(steps)) - 1]
        return parse_script(model) if is_script(model) else self._default


def _why_not(fault_id: str, kind: str, operation: str, wire: str) -> str:
    if kind == "connect":
        return f"{fault_id} strikes before a model is named; use connect_url({fault_id!r})"
    return f"{fault_id} cannot happen to {operation!r} in the format of {wire}"


def _call(endpoint: Endpoint, record: RequestRecord) -> Call:
    try:
        body: Any = json.loads(record.body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise RequestError("the body must be a JSON object")
    sse = endpoint.name != "streamGenerateContent" or "alt=sse" in record.target
    return Call(endpoint.name, endpoint.model, body, sse)


def _json(status: int, body: dict[str, Any]) -> Plan:
    data = encode(body)
    sent = Send(head(status, JSON, len(data)) + data)
    # A body that was not understood may hide where the next request begins.
    return Plan([sent, End("close")] if status in {413, 431} else [sent], status)
