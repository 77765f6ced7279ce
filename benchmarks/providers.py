"""What a call to a model costs beside the model: bridge, registry and clients, and their peers.

    python benchmarks/providers.py [--peers] [--calls 2000] [--seconds 4] [--growth 100000]

Runs in the environment that it is started in, which needs the extras ``openai`` and ``local``.
The upstream is a fake one in a process of its own that answers at once. Every way has a fresh
process for each round, and rounds go through all ways before the next begins. Overheads are taken
by turns, call by call in one process, so that both sides meet the same machine. With --peers
litellm and pydantic-ai are installed into environments of their own below ``.bench/``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from contestants import Contestant, ready
from machine import ROOT, describe_machine, save_results
from tables import show
from workers import ONE_THREAD, PEERS

from stratarouter_runtime.testing import FakeUpstream

_HERE = (
    "aiohttp",
    "openai",
    "OpenAIClient",
    "registry over OpenAIClient",
    "LocalClient",
    "registry over LocalClient",
    "bridge over LocalClient",
)
_PAIRS = (
    ("openai", "registry over OpenAIClient"),
    ("LocalClient", "registry over LocalClient"),
    ("aiohttp", "registry over LocalClient"),
    ("openai", "bridge over OpenAIClient"),
    ("LocalClient", "bridge over LocalClient"),
)
_PEERS = (
    Contestant(
        name="litellm",
        script="calls.py",
        requirement="litellm==1.106.2",
        statement="import litellm",
        variants=(),
    ),
    Contestant(
        name="pydantic-ai",
        script="calls.py",
        requirement="pydantic-ai-slim[openai]==2.68.0",
        statement="import pydantic_ai",
        variants=(),
    ),
)
_MIB = 2.0**20


def main() -> None:
    """Measure and print."""
    options = _options()
    field = dict.fromkeys(_HERE, Path(sys.executable))
    missing: dict[str, str] = {}
    for peer in _PEERS if options.peers else ():
        python = ready(peer, options.folder)
        if isinstance(python, str):
            missing[peer.name] = python
        else:
            field[peer.name] = python
    with FakeUpstream(process=True) as upstream:
        job = {"url": upstream.openai_url, "tasks": options.tasks, "growth": 0, "seconds": 0.0}
        pairs = [_pair(pair, {**job, "calls": options.calls}) for pair in _PAIRS]
        crowd = {**job, "calls": options.calls // 4, "seconds": options.seconds}
        rounds = [
            {way: _run(python, {**crowd, "ways": [way]}) for way, python in field.items()}
            for _ in range(options.rounds)
        ]
        grown = _run(
            Path(sys.executable),
            {**job, "calls": 1, "ways": ["registry over LocalClient"], "growth": options.growth},
        )
    _show(pairs, rounds, options)
    print(f"memory grown over {options.growth:,} calls: {grown['growth_bytes'] / _MIB:.2f} MiB")
    for name, reason in missing.items():
        print(f"NOT MEASURED: {name}: {reason}")
    figures = {"pairs": pairs, "rounds": [_brief(entry) for entry in rounds], "grown": grown}
    print(save_results("providers", {"machine": describe_machine(), **figures}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="store_true", help="measure litellm and pydantic-ai too")
    parser.add_argument("--calls", type=int, default=2_000, help="single calls by turns")
    parser.add_argument("--tasks", type=int, default=64, help="tasks of the crowd")
    parser.add_argument("--seconds", type=float, default=4.0, help="time of the crowd")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, default=100_000, help="calls, for the memory")
    parser.add_argument(
        "--folder", type=Path, default=Path(".bench"), help="where the environments are"
    )
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    return options


def _run(python: Path, job: dict[str, Any]) -> dict[str, Any]:
    command = ["env", *ONE_THREAD, f"PYTHONPATH={ROOT}", str(python), "-s", str(PEERS / "calls.py")]
    answer = subprocess.run(
        [*command, json.dumps(job)], capture_output=True, text=True, check=False, timeout=600
    )
    if answer.returncode != 0:
        raise SystemExit(f"{job['ways']}: {answer.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _pair(pair: tuple[str, str], job: dict[str, Any]) -> dict[str, Any]:
    found = _run(Path(sys.executable), {**job, "ways": list(pair)})["ns"]
    below, above = (np.asarray(found[way]) / 1e3 for way in pair)
    return {
        "below": pair[0],
        "above": pair[1],
        "below_us": float(np.median(below)),
        "above_us": float(np.median(above)),
        "overhead_us": float(np.median(above) - np.median(below)),
    }


def _brief(round_: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        way: {
            "p50_us": float(np.percentile(entry["ns"][way], 50)) / 1e3,
            "p99_us": float(np.percentile(entry["ns"][way], 99)) / 1e3,
            "per_second": entry["per_second"],
            "cpu_us": entry["cpu_us"],
        }
        for way, entry in round_.items()
    }


def _show(
    pairs: list[dict[str, Any]],
    rounds: list[dict[str, dict[str, Any]]],
    options: argparse.Namespace,
) -> None:
    rows = [
        [
            f"{entry['above']} over {entry['below']}",
            *(f"{entry[name]:,.0f}" for name in ("below_us", "above_us", "overhead_us")),
        ]
        for entry in pairs
    ]
    show("Overhead by turns, µs, p50", ["", "below", "above", "overhead"], rows)
    briefs = [_brief(entry) for entry in rounds]
    columns = (("p50_us", "p50 µs"), ("p99_us", "p99 µs"), ("per_second", "/s"), ("cpu_us", "CPU"))
    rows = [
        [way, *(f"{statistics.median(b[way][key] for b in briefs):,.0f}" for key, _ in columns)]
        for way in briefs[0]
    ]
    notes = [
        f"medians of {len(rounds)} rounds; p50 and p99 of single calls one after the other",
        f"calls per second with {options.tasks} tasks; CPU of the client, µs per call, then",
    ]
    show("Ways to call", ["way", *(title for _, title in columns)], rows, notes=notes)


if __name__ == "__main__":
    main()
