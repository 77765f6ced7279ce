"""The catalogue is complete, and every wire format fails and bills as it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.fake_upstream import FAULTS, FakeUpstream
from tests.raw_http import PATHS, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratarouter_runtime.fake_upstream import Fault

SCALE = 0.001


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short and whose large bodies are small."""
    with FakeUpstream(time_scale=SCALE, large_body_bytes=300_000) as running:
        yield running


def test_the_catalogue_has_58_faults() -> None:
    kinds = [fault.kind for fault in FAULTS.values()]

    assert len(FAULTS) == 58
    assert [kinds.count(kind) for kind in ("connect", "status", "body")] == [6, 15, 10]
    assert [kinds.count(kind) for kind in ("time", "stream", "state")] == [6, 17, 4]


def test_the_page_about_it_lists_every_fault() -> None:
    page = (Path(__file__).parents[4] / "docs" / "fake-upstream.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    listed = {row[0][3:-1]: row[1:] for row in rows if len(row) == 7}

    assert list(listed) == list(FAULTS)
    for name, fault in FAULTS.items():
        assert listed[name][:2] == [fault.kind, fault.summary]
        assert listed[name][2] == ", ".join(f"`{variant}`" for variant in fault.variants)


MODEL_FAULTS = [fault for fault in FAULTS.values() if fault.kind != "connect"]
SLOW = {"drip", "never-ends"}


@pytest.mark.parametrize("fault", MODEL_FAULTS, ids=lambda fault: fault.id)
def test_every_format_fails_as_declared_and_bills_as_declared(
    upstream: FakeUpstream, fault: Fault
) -> None:
    for wire, operation in PATHS:
        upstream.reset()
        timeout_s = 0.2 if fault.id in SLOW else 5.0
        seen = post(upstream.url, f"fault-{fault.id}", operation, wire, timeout_s=timeout_s)
        record = upstream.requests[-1]
        where = f"{wire} {operation}"

        assert record.operation == operation, where
        if not fault.applies(operation, wire):
            assert (seen.status, record.fault) == (501, ""), where
            continue
        assert (record.wire, record.fault, record.status) == (wire, fault.id, seen.status), where
        billed = upstream.billed()
        usual = (14, 12, 20) if operation != "embed" else (9, 14)
        if fault.bills == "nothing" or seen.status == 429:
            assert billed.calls == 0, where
        else:
            assert billed.calls == 1, where
            assert billed.input_tokens in {7, 9, 14}, where
        if fault.bills == "all" and fault.id in {"no-done", "reordered", "crlf-mix"}:
            assert billed.output_tokens in usual, where
        if seen.ended == "answered":
            assert upstream.wait_until(lambda it: it.requests[-1].outcome != "open")


@pytest.mark.parametrize("name", ["refused", "reset"])
def test_a_model_name_cannot_ask_for_a_connect_fault(upstream: FakeUpstream, name: str) -> None:
    seen = post(upstream.url, f"fault-{name}")

    assert seen.status == 501
    assert "connect_url" in seen.json["error"]["message"]
