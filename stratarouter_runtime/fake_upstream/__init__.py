"""A loopback server that speaks the wire formats of language models, and fails on request."""

from __future__ import annotations

from stratarouter_runtime.fake_upstream.exchange import FunctionCall
from stratarouter_runtime.fake_upstream.faults.catalogue import FAULTS
from stratarouter_runtime.fake_upstream.faults.declaring import Fault
from stratarouter_runtime.fake_upstream.records import Billed, ConnectionRecord, RequestRecord
from stratarouter_runtime.fake_upstream.scripts import Reply
from stratarouter_runtime.fake_upstream.upstream import FakeUpstream

__all__ = [
    "FAULTS",
    "Billed",
    "ConnectionRecord",
    "FakeUpstream",
    "Fault",
    "FunctionCall",
    "Reply",
    "RequestRecord",
]
