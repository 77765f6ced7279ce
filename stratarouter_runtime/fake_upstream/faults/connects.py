"""Faults of the connection itself. They have ports of their own."""

from __future__ import annotations

from stratarouter_runtime.fake_upstream.faults.declaring import Fault

__all__ = ["CONNECT_FAULTS"]

CONNECT_FAULTS: tuple[Fault, ...] = (
    Fault(id="refused", kind="connect", summary="nobody listens on the port"),
    Fault(id="black-hole", kind="connect", summary="connecting never ends"),
    Fault(
        id="slow-accept",
        kind="connect",
        summary="connections are taken up 10 s late, and then served well",
        bills="all",
    ),
    Fault(id="reset", kind="connect", summary="the connection is reset as soon as it is there"),
    Fault(
        id="tls-garbage",
        kind="connect",
        summary="the answer to the first bytes is a TLS alert, whatever they are",
    ),
    Fault(
        id="half-close",
        kind="connect",
        summary="our half of the connection is shut after the first bytes, the other stays open",
    ),
)
"""Faults of the connection itself."""
