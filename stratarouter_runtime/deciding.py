"""From a query to a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter.errors import ConfigurationError, EncoderRequiredError
from stratarouter_runtime.execution.embedding import embed_query
from stratarouter_runtime.reporting import error_code

if TYPE_CHECKING:
    from stratarouter.types import RouteResult
    from stratarouter_runtime.execution.pool import BlockingPool
    from stratarouter_runtime.execution.supervision import Supervisor
    from stratarouter_runtime.execution_request import ExecutionRequest
    from stratarouter_runtime.protocols import CoreRouter
    from stratarouter_runtime.telemetry.events import EventBus

__all__ = ["Decider"]


class Decider:
    """Asks the router about requests without a decision.

    Parameters
    ----------
    router : CoreRouter, optional
        The router.
    door : BlockingPool
        Where blocking work runs.
    supervisor : Supervisor
        Who awaits foreign coroutines.
    bus : EventBus
        Where telemetry goes.
    """

    def __init__(
        self,
        router: CoreRouter | None,
        door: BlockingPool,
        supervisor: Supervisor,
        bus: EventBus,
    ) -> None:
        self._router = router
        self._door = door
        self._supervisor = supervisor
        self._bus = bus
        self._has_routed = False

    @property
    def encoder_id(self) -> str | None:
        """Encoder that decisions rest on; None if it has no name, or there is none."""
        encoder = None if self._router is None else self._router.encoder
        return None if encoder is None else getattr(encoder, "encoder_id", None)

    async def decide(self, request: ExecutionRequest) -> RouteResult:
        """Return the decision of a request, its own or a new one.

        Parameters
        ----------
        request : ExecutionRequest
            What was asked for.

        Returns
        -------
        RouteResult
            The decision.

        Raises
        ------
        ConfigurationError
            If there is no router.
        EncoderRequiredError
            If there is neither an embedding nor an encoder.
        ExecutionTimeoutError
            If the time is over.
        """
        if request.decision is not None:
            return request.decision
        router = self._router
        if router is None:
            raise ConfigurationError(
                "a query can only be routed with a router: CoreRuntimeBridge(core_router=...); "
                "or pass a decision: execute(router.route(query, embedding))"
            )
        work = self._routed(router, request)
        try:
            decision = await self._supervisor.run(work, request.deadline, "routing the query")
        except Exception as error:
            self._bus.emit("router.route_error", request.execution_id, error=error_code(error))
            raise
        self._bus.emit(
            "router.decide",
            request.execution_id,
            route_id=decision.route_id,
            confidence=decision.confidence,
            reason=decision.reason,
        )
        return decision

    async def _routed(self, router: CoreRouter, request: ExecutionRequest) -> RouteResult:
        vector = request.embedding
        if vector is None:
            if router.encoder is None:
                raise EncoderRequiredError(
                    "the router has no encoder; pass embedding=, or give the router an encoder"
                )
            vector = await embed_query(router.encoder, request.query, self._door)
        if self._has_routed:
            return router.route(request.query, vector)
        # The first query may find the router unbuilt, and building takes its time.
        decision = await self._door.run(router.route, request.query, vector, what="routing")
        self._has_routed = True
        return decision
