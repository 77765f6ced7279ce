"""A registry over planned clients, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.testing import RecordingSink

if TYPE_CHECKING:
    from stratarouter_runtime.ledger.budgets import Budget
    from stratarouter_runtime.stream_events import StreamEvent
    from stratarouter_runtime.testing import ManualClock
    from tests.planned_client import PlannedClient

__all__ = ["PRICES", "Setting"]

PRICES = {"a/*": {"input_usd": 1, "output_usd": 1}, "b/*": {"input_usd": 1, "output_usd": 1}}
"""One dollar for a million tokens; "c" has no price."""


class Setting:
    """A registry over planned clients, in virtual time."""

    def __init__(
        self,
        clock: ManualClock,
        *clients: PlannedClient,
        budgets: tuple[Budget, ...] = (),
        random: float = 0.5,
        **settings: Any,
    ) -> None:
        self.sink = RecordingSink()
        self.ledger = MemoryLedger(clock, budgets)
        journal = settings.pop("journal", lambda ledger: ledger)(self.ledger)
        self.engine = ExecutionEngine(
            journal=journal,
            clock=clock,
            events=[self.sink],
            random=lambda: random,
            **settings,
        )
        self.registry = LLMClientRegistry(self.engine, prices=PRICES)
        self.clients = clients
        for name, client in zip("abc", clients, strict=False):
            self.registry.register(name, client)

    @property
    def calls(self) -> list[int]:
        """How often each client was called."""
        return [client.calls for client in self.clients]

    async def ask(self, primary: Any = "a", fallback: Any = (), **options: Any) -> str:
        """Return the text of one answer."""
        found = await self.registry.complete(primary, fallback, "hello", **options)
        return found.content

    def states(self) -> list[str]:
        """Return how the attempts ended, oldest first."""
        return [row.state for row in self.ledger.rows()]

    async def read(
        self,
        primary: Any = "a",
        fallback: Any = (),
        seen: list[StreamEvent] | None = None,
        **options: Any,
    ) -> list[StreamEvent]:
        """Return the events of one stream; `seen` holds them even if it breaks off."""
        found = [] if seen is None else seen
        async for event in self.registry.stream(primary, fallback, "hello", **options):
            found.append(event)
        return found
