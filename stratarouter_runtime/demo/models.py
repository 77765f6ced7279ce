"""The job of ``stratarouter demo --llm``: calls of models that go wrong in the usual ways."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING, Any

from stratarouter import HashingEncoder, Route, Router
from stratarouter_runtime.accounting_errors import BudgetExceededError
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.fake_upstream import FakeUpstream
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.stream_events import TextDelta
from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter_runtime.types import ExecutionResult

__all__ = ["ModelsReport", "Scene", "run_models", "scene_table", "story"]

_DIMENSION = 512
_INPUT_USD, _OUTPUT_USD = Decimal("0.15"), Decimal("0.60")
_PRICE = {"input_usd": str(_INPUT_USD), "output_usd": str(_OUTPUT_USD)}
_LIMIT_USD = Decimal("0.01")
_MILLION = 1_000_000
_DEADLINE_S = 1.0
_WHO = {"user_id": "ann", "org_id": "acme", "user_name": "Ann"}

# Route, example, and who answers it: model names of the upstream say what goes wrong.
_ROUTES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "invoices",
        "please send me the invoice of April",
        {"provider": "cloud", "model": "flaky-2-503"},
    ),
    (
        "refunds",
        "I want my money back for the broken lamp",
        {"provider": "cloud", "model": "fault-status-500", "fallback": ["spare/small"]},
    ),
    (
        "parcels",
        "where is my parcel, the courier never came",
        {"provider": "cloud", "model": "slow-60000", "fallback": ["spare/small"]},
    ),
    (
        "advice",
        "which headphones are good for travelling by train",
        {"provider": "spare", "model": "small", "system": "You advise {user_name}."},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One execution, and what it was to show."""

    what: str
    """What goes wrong, and what is done about it."""
    query: str
    """The query."""
    route_id: str | None
    """Where it went."""
    response: str
    """The answer; streams show their pieces."""
    provider: str | None
    """Who answered."""
    model: str | None
    """Which model."""
    attempts: int
    """How many calls it took."""
    cost_usd: float | None
    """What it cost, US dollars."""
    elapsed_ms: float
    """How long it took, milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsReport:
    """What the demo saw."""

    scenes: tuple[Scene, ...]
    """The executions, in order."""
    refusal: str
    """What is said where a budget has no room."""
    calls: int
    """Calls that the upstream counted."""
    billed_usd: Decimal
    """What the upstream would charge, US dollars."""
    spent_usd: Decimal
    """What our accounts say, US dollars."""

    @property
    def holds(self) -> bool:
        """Whether every scene was answered, and both bills are the same."""
        return self.billed_usd == self.spent_usd and all(scene.response for scene in self.scenes)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            Every figure by its field name.
        """
        return {
            "scenes": [asdict(scene) for scene in self.scenes],
            "refusal": self.refusal,
            "calls": self.calls,
            "billed_usd": f"{self.billed_usd:.8f}",
            "spent_usd": f"{self.spent_usd:.8f}",
            "holds": self.holds,
        }


def run_models() -> ModelsReport:
    """Let models fail in front of a bridge, and see what becomes of it.

    The models are a server on the loopback that fails on request; no other network is used.

    Returns
    -------
    ModelsReport
        What happened.

    Raises
    ------
    MissingExtraError
        If the package that the client needs is not installed.
    """
    with FakeUpstream() as upstream:
        return asyncio.run(_Demo(upstream).run())


class _Demo:
    def __init__(self, upstream: FakeUpstream) -> None:
        self._upstream = upstream
        router = Router(dimension=_DIMENSION, threshold=0.0, encoder=HashingEncoder(_DIMENSION))
        router.add_routes([Route(name, examples=[example]) for name, example, _ in _ROUTES])
        router.build_index()
        self._router = router
        budget = Budget(name="ann", limit_usd=_LIMIT_USD, route_id="invoices")
        self._ledger = MemoryLedger(SystemClock(), [budget])
        self._scenes: list[Scene] = []

    async def run(self) -> ModelsReport:
        config = RuntimeConfig(retry_delay_ms=20, log_level="critical")
        bridge = CoreRuntimeBridge(
            config,
            core_router=self._router,
            ledger=self._ledger,
            prices={"cloud/*": _PRICE, "spare/*": _PRICE},
        )
        cloud, spare = (
            LocalClient(self._upstream.openai_url, name=name) for name in ("cloud", "spare")
        )
        try:
            async with bridge:
                bridge.register_client("cloud", cloud)
                bridge.register_client("spare", spare)
                for route_id, _, target in _ROUTES:
                    bridge.bind(route_id, params={"max_tokens": 200}, **target)
                refusal = await self._play(bridge)
        finally:
            await cloud.aclose()
            await spare.aclose()
        bill = self._upstream.billed()
        return ModelsReport(
            scenes=tuple(self._scenes),
            refusal=refusal,
            calls=self._upstream.calls,
            billed_usd=(bill.input_tokens * _INPUT_USD + bill.output_tokens * _OUTPUT_USD)
            / _MILLION,
            spent_usd=self._ledger.totals().spent_usd,
        )

    async def _play(self, bridge: CoreRuntimeBridge) -> str:
        texts = [example for _, example, _ in _ROUTES]
        await self._ask(bridge, "two 503s, so it is asked again", texts[0])
        await self._ask(bridge, "asked before, so it is in the cache", texts[0])
        await self._ask(bridge, "down, so somebody else is asked", texts[1])
        await self._ask(bridge, f"hangs, {_DEADLINE_S} s for all", texts[2], timeout_s=_DEADLINE_S)
        await self._stream(bridge, "as a stream, piece by piece", texts[3])
        bridge.bind("invoices", provider="cloud", params={"max_tokens": 10**6}, replace=True)
        try:
            await bridge.execute(query=texts[0], context=_WHO)
        except BudgetExceededError as error:
            return str(error)
        return ""

    async def _ask(
        self, bridge: CoreRuntimeBridge, what: str, query: str, timeout_s: float | None = None
    ) -> None:
        started_s = perf_counter()
        result = await bridge.execute(query=query, context=_WHO, timeout_s=timeout_s)
        self._note(what, query, result, str(result.response), started_s)

    async def _stream(self, bridge: CoreRuntimeBridge, what: str, query: str) -> None:
        started_s = perf_counter()
        stream = bridge.stream(query=query, context=_WHO)
        pieces = [event.text async for event in stream if isinstance(event, TextDelta)]
        if stream.result is not None:
            self._note(what, query, stream.result, "|".join(pieces), started_s)

    def _note(
        self, what: str, query: str, result: ExecutionResult, response: str, started_s: float
    ) -> None:
        self._scenes.append(
            Scene(
                what=what,
                query=query,
                route_id=result.route_id,
                response=response,
                provider=result.provider,
                model=result.model,
                attempts=result.attempts,
                cost_usd=result.cost_usd,
                elapsed_ms=(perf_counter() - started_s) * 1000.0,
            )
        )


def scene_table(
    report: ModelsReport,
) -> tuple[str, Sequence[str], list[tuple[str, ...]]]:
    """Arrange the executions for people.

    Parameters
    ----------
    report : ModelsReport
        What happened.

    Returns
    -------
    title : str
        Line above the table.
    header : sequence of str
        Names of the columns.
    rows : list of tuple of str
        One for each execution.
    """
    header = ("what happens", "route", "answered by", "calls", "cost", "time")
    rows: list[tuple[str, ...]] = [
        (
            scene.what,
            str(scene.route_id),
            f"{scene.provider}/{scene.model}",
            str(scene.attempts),
            "unknown" if scene.cost_usd is None else f"${scene.cost_usd:.6f}",
            f"{scene.elapsed_ms:.0f} ms",
        )
        for scene in report.scenes
    ]
    return "Models that fail, as the caller of the bridge sees them", header, rows


def story(report: ModelsReport) -> str:
    """Write down what was said, and what it cost.

    Parameters
    ----------
    report : ModelsReport
        What happened.

    Returns
    -------
    str
        Plain text of several lines.
    """
    lines = ["What was said (these models repeat what they hear)"]
    for scene in report.scenes:
        lines += [f"  > {scene.query}", f"    [{scene.provider}] {scene.response}"]
    verdict = "the same" if report.billed_usd == report.spent_usd else "NOT THE SAME"
    lines += [
        "",
        "A budget without room, before any call",
        f"  {report.refusal}",
        "",
        f"The upstream counted {report.calls} calls and would charge ${report.billed_usd:.8f}; "
        f"our accounts say ${report.spent_usd:.8f}, {verdict}.",
    ]
    return "\n".join(lines)
