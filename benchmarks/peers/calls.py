"""Makes calls to one upstream in one way, and says how long they took. Started by providers.py.

    python benchmarks/peers/calls.py JOB

JOB is a JSON object: ``url``, ``ways`` (several take turns, call by call), ``calls``, ``tasks`` and
``seconds`` for the crowd, ``growth`` for the memory. Prints a JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], Awaitable[str]]

_MODEL = "ok"
_MESSAGES: list[Any] = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "Where is my invoice for April?"},
]
_MAX_TOKENS = 64
_WARM_UP = 200
_CROWD_WARM_UP_S = 0.5


def aiohttp_alone(url: str) -> Call:
    """Return calls with nothing but the HTTP client."""
    import aiohttp

    session = aiohttp.ClientSession()
    body = {"model": _MODEL, "messages": _MESSAGES, "max_tokens": _MAX_TOKENS}

    async def call() -> str:
        async with session.post(f"{url}/chat/completions", json=body) as answer:
            text: str = (await answer.json())["choices"][0]["message"]["content"]
            return text

    return call


def openai_alone(url: str) -> Call:
    """Return calls with the official SDK."""
    import openai

    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)

    async def call() -> str:
        answer: Any = await client.chat.completions.create(
            model=_MODEL, messages=_MESSAGES, max_tokens=_MAX_TOKENS
        )
        text: str = answer.choices[0].message.content
        return text

    return call


def client_alone(kind: str) -> Callable[[str], Call]:
    """Return what calls a client of this project without registry and engine."""

    def make(url: str) -> Call:
        from stratarouter_runtime import CompletionRequest, Message

        client = _client(kind, url)
        request = CompletionRequest(
            messages=tuple(Message(entry["role"], entry["content"]) for entry in _MESSAGES),
            model=_MODEL,
            params={"max_tokens": _MAX_TOKENS},
        )

        async def call() -> str:
            text: str = (await client.complete(request)).content
            return text

        return call

    return make


def registry_over(kind: str) -> Callable[[str], Call]:
    """Return what calls a client through registry and engine, with prices and a deadline."""

    def make(url: str) -> Call:
        from stratarouter_runtime import LLMClientRegistry

        registry = LLMClientRegistry(prices={f"{kind}/*": {"input_usd": 1, "output_usd": 2}})
        registry.register(kind, _client(kind, url))

        async def call() -> str:
            answer = await registry.complete(
                kind,
                messages=_MESSAGES,
                model=_MODEL,
                params={"max_tokens": _MAX_TOKENS},
                timeout_s=30.0,
            )
            return answer.content

        return call

    return make


def bridge_over(kind: str) -> Callable[[str], Call]:
    """Return what carries out a decision by a client, with prices, a prompt and no cache."""

    def make(url: str) -> Call:
        from stratarouter_runtime import CoreRuntimeBridge
        from stratarouter_runtime.testing import make_decision

        bridge = CoreRuntimeBridge(prices={f"{kind}/*": {"input_usd": 1, "output_usd": 2}})
        bridge.register_client(kind, _client(kind, url))
        bridge.bind(
            "billing",
            provider=kind,
            model=_MODEL,
            system=_MESSAGES[0]["content"],
            params={"max_tokens": _MAX_TOKENS},
            cacheable=False,
        )
        decision = make_decision("billing", _MESSAGES[1]["content"])

        async def call() -> str:
            text: str = (await bridge.execute(decision)).response
            return text

        return call

    return make


def litellm_alone(url: str) -> Call:
    """Return calls with litellm."""
    import litellm

    async def call() -> str:
        answer: Any = await litellm.acompletion(
            model=f"openai/{_MODEL}",
            messages=_MESSAGES,
            max_tokens=_MAX_TOKENS,
            api_base=url,
            api_key="none",
        )
        text: str = answer.choices[0].message.content
        return text

    return call


def pydantic_ai_alone(url: str) -> Call:
    """Return calls with pydantic-ai."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(_MODEL, provider=OpenAIProvider(base_url=url, api_key="none"))
    agent = Agent(model, system_prompt=_MESSAGES[0]["content"])
    settings: Any = {"max_tokens": _MAX_TOKENS}

    async def call() -> str:
        answer = await agent.run(_MESSAGES[1]["content"], model_settings=settings)
        text: str = answer.output
        return text

    return call


WAYS: dict[str, Callable[[str], Call]] = {
    "aiohttp": aiohttp_alone,
    "openai": openai_alone,
    "OpenAIClient": client_alone("openai"),
    "registry over OpenAIClient": registry_over("openai"),
    "LocalClient": client_alone("local"),
    "registry over LocalClient": registry_over("local"),
    "bridge over OpenAIClient": bridge_over("openai"),
    "bridge over LocalClient": bridge_over("local"),
    "litellm": litellm_alone,
    "pydantic-ai": pydantic_ai_alone,
}
"""What can be measured."""


async def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Make the calls.

    Parameters
    ----------
    job : dict
        What to do.

    Returns
    -------
    dict
        ``ns``: times of single calls by way; ``per_second`` and ``cpu_us`` of the crowd;
        ``growth_bytes``.
    """
    calls = {way: WAYS[way](job["url"]) for way in job["ways"]}
    found: dict[str, Any] = {"ns": {way: [] for way in calls}}
    for call in calls.values():
        for _ in range(_WARM_UP):
            if not await call():
                raise SystemExit("an answer without text")
    for _ in range(job["calls"]):
        for way, call in calls.items():
            started = time.perf_counter_ns()
            await call()
            found["ns"][way].append(time.perf_counter_ns() - started)
    last = next(reversed(calls.values()))
    if job["seconds"] > 0:
        await _crowd(last, job["tasks"], _CROWD_WARM_UP_S)
        used = time.process_time()
        done, took_s = await _crowd(last, job["tasks"], job["seconds"])
        found["per_second"] = done / took_s
        found["cpu_us"] = (time.process_time() - used) / done * 1e6
    if job["growth"] > 0:
        found["growth_bytes"] = await _growth(last, job["tasks"], job["growth"])
    return found


async def _crowd(call: Call, tasks: int, seconds: float) -> tuple[int, float]:
    started = time.perf_counter()
    end, done = started + seconds, 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call()
            done += 1

    await asyncio.gather(*(caller() for _ in range(tasks)))
    return done, time.perf_counter() - started


async def _growth(call: Call, tasks: int, calls: int) -> int:
    async def caller(count: int) -> None:
        for _ in range(count):
            await call()

    async def crowd(count: int) -> int:
        await asyncio.gather(*(caller(count // tasks) for _ in range(tasks)))
        gc.collect()
        return _resident_bytes()

    # Accounts remember a fixed number of calls, and the allocator has to settle.
    before = await crowd(calls // 2)
    return await crowd(calls) - before


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def _client(kind: str, url: str) -> Any:
    import stratarouter_runtime as runtime

    if kind == "local":
        return runtime.LocalClient(url)
    return runtime.OpenAIClient("none", base_url=url)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1])))))
