"""What a figure was measured on."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workers import ONE_THREAD

__all__ = ["describe_machine", "import_seconds", "save_results"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def describe_machine() -> dict[str, str]:
    """Describe this machine and the state of this tree.

    Returns
    -------
    dict
        Names and values, in the order in which they are worth reading.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": str(_cores()),
        "load": _first_line(Path("/proc/loadavg")),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": "1 (BLAS pinned)",
    }


def import_seconds(python: Path, statement: str, passes: int) -> float:
    """Measure how long a fresh interpreter needs for an import, its own start taken off.

    Parameters
    ----------
    python : Path
        Interpreter.
    statement : str
        The import.
    passes : int
        How often; the median counts.

    Returns
    -------
    float, seconds
        Time.
    """
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # The first run may compile.
    runs = [_output("env", *ONE_THREAD, python, "-E", "-s", "-c", code) for _ in range(passes + 1)]
    return statistics.median(float(run) for run in runs[1:])


def save_results(name: str, results: dict[str, Any]) -> Path:
    """Keep the figures of a run as JSON.

    Parameters
    ----------
    name : str
        What was measured.
    results : dict
        Figures.

    Returns
    -------
    Path
        The file, below ``benchmarks/results/``.
    """
    RESULTS.mkdir(exist_ok=True)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    path = RESULTS / f"{name}-{moment}.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return path


def _commit() -> str:
    try:
        commit = _output("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD")
        changed = _output("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}, with changes" if changed else commit


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return "unknown"


def _output(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
