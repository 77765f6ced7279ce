"""Many clients at once: each call is counted once, each bill is what its client was told."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp
import pytest

from stratarouter_runtime.fake_upstream import FAULTS
from stratarouter_runtime.testing import FakeUpstream

N_CLIENTS = 64
N_CALLS_EACH = 20
ENDLESS = {"drip", "never-ends", "late-success", "large-body"}
"""Faults that take long or much even when their waits are scaled to nothing."""


def chat(model: str, *, stream: bool) -> dict[str, Any]:
    """Return the body of a request."""
    messages = [{"role": "user", "content": "Where is my parcel, please?"}]
    return {"model": model, "messages": messages, "stream": stream}


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
async def test_bills_are_what_clients_were_told(process: bool) -> None:
    chance = random.Random(7)
    told = [0, 0, 0]

    async def client(session: aiohttp.ClientSession, url: str, models: list[str]) -> None:
        for model in models:
            async with session.post(url, json=chat(model, stream=False)) as answer:
                body = await answer.json()
            if answer.status == 200:
                told[0] += 1
                told[1] += body["usage"]["prompt_tokens"]
                told[2] += body["usage"]["completion_tokens"]

    def model() -> str:
        size = f"tokens-{chance.randrange(2000)}-{chance.randrange(1, 500)}"
        return chance.choice([size, f"slow-1+{size}", "echo", "fault-503", "fault-429-ms"])

    async with FakeUpstream(process=process) as upstream:
        url = f"{upstream.openai_url}/chat/completions"
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for _ in range(N_CLIENTS):
                models = [model() for _ in range(N_CALLS_EACH)]
                group.create_task(client(session, url, models))
        billed = await asyncio.to_thread(upstream.billed)

        assert [billed.calls, billed.input_tokens, billed.output_tokens] == told
        assert upstream.calls == N_CLIENTS * N_CALLS_EACH
        assert await upstream.until(lambda it: it.open_connections == 0)


async def test_a_storm_of_faults_leaves_nothing_open() -> None:
    chance = random.Random(11)
    names = [
        fault.id for fault in FAULTS.values() if fault.kind != "connect" and fault.id not in ENDLESS
    ]

    async def client(session: aiohttp.ClientSession, url: str, name: str) -> None:
        stream = chance.random() < 0.5
        timeout = aiohttp.ClientTimeout(total=chance.choice([0.001, 0.01, 5.0]))
        body = chat(f"fault-{name}", stream=stream)
        try:
            async with session.post(
                url, json=body, timeout=timeout, allow_redirects=False
            ) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            pass

    async with FakeUpstream(time_scale=0.001) as upstream:
        url = f"{upstream.openai_url}/chat/completions"
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for name in names * 8:
                group.create_task(client(session, url, name))

        assert await upstream.until(lambda it: it.open_connections == 0)
        assert {record.outcome for record in upstream.requests} <= {
            "answered",
            "cut",
            "client_left",
        }
        assert {entry.closed_by for entry in upstream.connections} <= {"client", "server"}


async def test_a_thousand_connections_at_once() -> None:
    async def status(session: aiohttp.ClientSession, url: str) -> int:
        async with session.post(url, json=chat("slow-300", stream=True)) as answer:
            await answer.read()
            found: int = answer.status
            return found

    async with FakeUpstream() as upstream:
        url = f"{upstream.openai_url}/chat/completions"
        connector = aiohttp.TCPConnector(limit=1000)
        async with aiohttp.ClientSession(connector=connector) as session:
            statuses = await asyncio.gather(*(status(session, url) for _ in range(1000)))

        assert statuses == [200] * 1000
        assert upstream.calls == 1000
        assert len(upstream.connections) == 1000
        assert await upstream.until(lambda it: it.open_connections == 0)
