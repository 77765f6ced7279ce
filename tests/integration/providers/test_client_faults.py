"""Every fault, for every kind of call, against what is written down about it."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.fake_upstream.faults.catalogue import FAULTS
from stratarouter_runtime.fake_upstream.samples import sample_vector
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import ProviderTimeoutError
from stratarouter_runtime.stream_events import TextDelta
from stratarouter_runtime.testing import FakeUpstream
from tests.integration.providers.clients import KEY, KINDS, all_but, asked, make_client, texts
from tests.integration.providers.fault_oracle import (
    LIMITS,
    TIME_SCALE,
    TIMEOUT_S,
    Cell,
    Outcome,
    cells,
    outcome,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratarouter_runtime.conversation import Completion, Usage
    from stratarouter_runtime.provider_protocol import ModelClient

LARGE_BYTES, MOST_BYTES = 3_000_000, 1_000_000
TRUE_USAGE = {"complete": (3, 14), "stream": (3, 14), "embed": (4, 0)}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short."""
    with FakeUpstream(time_scale=TIME_SCALE, large_body_bytes=LARGE_BYTES) as running:
        yield running


class Call:
    """One call and what came of it."""

    def __init__(self) -> None:
        self.delivered = ""
        self.answer: Any = None
        self.error: ProviderError | None = None
        self.took_s = 0.0

    async def make(self, client: ModelClient, cell: Cell, model: str) -> None:
        timeout_s = TIMEOUT_S if cell.is_timed else 30.0
        start_s = monotonic()
        try:
            if cell.operation == "complete":
                self.answer = await client.complete(asked(model), timeout_s=timeout_s)
            elif cell.operation == "embed":
                self.answer = await client.embed(texts(model), timeout_s=timeout_s)
            else:
                self.answer = await self._streamed(client, model, timeout_s)
        except ProviderError as error:
            self.error = error
        self.took_s = monotonic() - start_s

    async def _streamed(self, client: ModelClient, model: str, timeout_s: float) -> Completion:
        assembler = StreamAssembler("p", asked(model))
        async for event in client.stream(asked(model), timeout_s=timeout_s):
            assembler.feed(event)
            if isinstance(event, TextDelta):
                self.delivered += event.text
        assert assembler.is_finished
        return assembler.completion()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take the whole grid for `make prove`, and of what takes seconds a third otherwise."""
    if "cell" not in metafunc.fixturenames:
        return
    grid = [(kind, cell) for kind in KINDS for cell in cells()]
    if metafunc.config.getoption("--hypothesis-profile") != "prove":
        timed = [entry for entry in grid if entry[1].is_timed]
        grid = [entry for entry in grid if not entry[1].is_timed] + timed[::3]
    ids = [f"{kind}-{cell}" for kind, cell in grid]
    metafunc.parametrize(("kind", "cell"), grid, ids=ids)


async def test_the_outcome_is_the_one_written_down(
    upstream: FakeUpstream, kind: str, cell: Cell
) -> None:
    upstream.reset()
    expected = outcome(cell)
    url = upstream.connect_url(cell.fault) if cell.kind == "connect" else upstream.url
    model = "ok" if cell.kind == "connect" else f"fault-{cell.name}"
    settings = {"max_answer_bytes": MOST_BYTES, **(LIMITS if cell.is_timed else {})}
    client, call = make_client(kind, url, **settings), Call()
    before = asyncio.all_tasks()
    try:
        await call.make(client, cell, model)
    finally:
        await client.aclose()

    if expected.error is None:
        assert call.error is None, repr(call.error)
        assert_answer(call, cell, expected, model)
    else:
        assert_error(call, expected, kind)
    assert await upstream.until(lambda it: has_settled(it, cell))
    assert await upstream.until(lambda it: expected.calls[0] <= it.calls <= expected.calls[1])
    assert await upstream.until(lambda it: is_billed(it, cell, expected))
    assert call.took_s <= expected.longest_s
    assert await all_but(before) == set()


def assert_error(call: Call, expected: Outcome, kind: str) -> None:
    error = call.error
    assert type(error) is expected.error, repr(error)
    assert (error.provider, bool(error.model)) == (kind, error.model is not None)
    assert KEY not in f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
    if expected.phase is not None:
        assert isinstance(error, ProviderTimeoutError)
        assert error.phase == expected.phase
    bounds = expected.retry_after_s
    if bounds is None:
        assert error.retry_after_s is None
    else:
        assert error.retry_after_s is not None
        assert bounds[0] <= error.retry_after_s <= bounds[1]
    if expected.phase == "total":
        assert call.delivered.startswith(expected.text)
    else:
        assert call.delivered == expected.text


def assert_answer(call: Call, cell: Cell, expected: Outcome, model: str) -> None:
    answer = call.answer
    assert answer.model == model + expected.model_suffix
    read, written = (count * expected.factor for count in TRUE_USAGE[cell.operation])
    usage: Usage = answer.usage
    assert usage.estimated == expected.estimated
    if not expected.estimated and not expected.has_call and cell.fault != "two-choices":
        assert (usage.input_tokens, usage.output_tokens) == (read, written)
    assert any(expected.warning in text for text in answer.warnings) or not expected.warning
    if cell.operation == "embed":
        wanted = [sample_vector(text, 8) for text in ("Hello", "there")]
        assert np.allclose(answer.vectors, np.asarray(wanted, dtype=np.float32))
        return
    assert (answer.content, answer.finish_reason) == (expected.text, expected.finish)
    if expected.has_call:
        (tool_call,) = answer.tool_calls
        assert (tool_call.name, tool_call.arguments) == ("look_up", '{"query":"caf\\u00e9"}')
    else:
        assert answer.tool_calls == ()


def is_billed(upstream: FakeUpstream, cell: Cell, expected: Outcome) -> bool:
    billed = upstream.billed()
    read, written = TRUE_USAGE[cell.operation]
    if expected.bill == "nothing":
        return (billed.input_tokens, billed.output_tokens) == (0, 0)
    if expected.bill == "part":
        return billed.input_tokens == read and billed.output_tokens < max(written, 1)
    if expected.bill == "all" and not expected.has_call and cell.fault != "two-choices":
        return (billed.input_tokens, billed.output_tokens) == (read, written)
    return True


def has_settled(upstream: FakeUpstream, cell: Cell) -> bool:
    # What is taken up late would be seen by the next test.
    is_seen = cell.fault != "slow-accept" or bool(upstream.connections)
    return is_seen and upstream.open_connections == 0


def test_every_fault_is_in_the_grid() -> None:
    assert {cell.fault for cell in cells()} == set(FAULTS)
    assert all(isinstance(outcome(cell), Outcome) for cell in cells())
