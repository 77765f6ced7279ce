"""The side of a measured library: it runs in an environment of its own and obeys the runner.

A peer is a script beside this one that calls `serve`. Jobs come as JSON lines on standard input,
arrays as files in a folder, results go out as JSON lines. Only numpy is needed here, and nothing of
this project, because a peer may bear its name.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Answer", "FloatArray", "IntArray", "Labelled", "Peer", "Routes", "serve"]

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.intp]
Answer: TypeAlias = tuple[int, float, bool]
"""Number of the best route, confidence, and whether the default threshold lets it through."""

_WARM_UP = 50
_QUERIES = "queries"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Queries whose route is known, for peers that calibrate on such."""

    texts: list[str]
    """Query texts."""
    vectors: FloatArray
    """One row per query."""
    labels: list[str | None]
    """Route id per query, None for out of scope."""


@dataclass(frozen=True, slots=True)
class Routes:
    """What a router is built from."""

    ids: list[str]
    """Route ids."""
    descriptions: list[str]
    """One per route, empty where there is none."""
    examples: list[list[str]]
    """Example texts per route."""
    vectors: FloatArray
    """One unit row per example, in the order of the routes."""
    labelled: Labelled | None
    """Labelled queries, where the job has some."""

    @property
    def owners(self) -> IntArray:
        """Route number of each row of the vectors."""
        return np.repeat(np.arange(len(self.ids)), [len(texts) for texts in self.examples])

    @property
    def texts(self) -> list[str]:
        """All examples, in the order of the vectors."""
        return [text for texts in self.examples for text in texts]


class Peer(ABC):
    """One way to use a library as a router, threshold off."""

    def warm(self) -> None:  # noqa: B027 -- most peers have nothing to do here
        """Import what the library imports on its first use."""

    @abstractmethod
    def build(self, routes: Routes) -> None:
        """Make the router; it keeps what it needs, and nothing of `routes` beyond that."""

    @abstractmethod
    def ask(self, text: str, vector: FloatArray) -> Any:
        """Route one query; this call is what is timed."""

    def ask_many(self, texts: Sequence[str], vectors: FloatArray) -> Sequence[Any]:
        """Route many queries, by the library's own batch call where it has one."""
        return [self.ask(text, vector) for text, vector in zip(texts, vectors, strict=True)]

    @abstractmethod
    def read(self, answer: Any) -> Answer:
        """Translate what `ask` returned; not timed."""

    def save(self, folder: Path) -> None:
        """Save the router."""
        raise NotImplementedError(f"{type(self).__name__} cannot be saved")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        raise NotImplementedError(f"{type(self).__name__} cannot be loaded")


class _Jobs:
    """Carries out the jobs of the runner, in one process, for one peer at a time."""

    def __init__(
        self, distributions: Sequence[str], variants: Mapping[str, Callable[[], Peer]]
    ) -> None:
        self._distributions = distributions
        self._variants = variants
        self._peer: Peer | None = None
        self._variant = ""

    def describe(self) -> dict[str, Any]:
        names = dict.fromkeys((*self._distributions, "numpy"))
        return {"versions": {name: version(name) for name in names}}

    def open(self, variant: str) -> dict[str, Any]:
        self._peer = None
        gc.collect()
        self._peer = self._variants[variant]()
        self._variant = variant
        return {}

    def warm(self) -> dict[str, Any]:
        self._current.warm()
        # What a library loads or sets aside once per process belongs to no router.
        self._variants[self._variant]().build(_small_job())
        return {}

    def build(self, folder: str) -> dict[str, Any]:
        before = _resident_bytes()
        routes = _read_routes(Path(folder))
        started = perf_counter()
        self._current.build(routes)
        seconds = perf_counter() - started
        del routes
        return {"seconds": seconds, "added_bytes": _resident_bytes() - before}

    def save(self, folder: str) -> dict[str, Any]:
        self._current.save(Path(folder))
        return {}

    def load(self, folder: str) -> dict[str, Any]:
        before = _resident_bytes()
        started = perf_counter()
        self._current.load(Path(folder))
        seconds = perf_counter() - started
        return {
            "seconds": seconds,
            "added_bytes": _resident_bytes() - before,
            "imported": sorted({name.partition(".")[0] for name in sys.modules}),
        }

    def route(self, folder: str, answers: str, limit_s: float, passes: int = 1) -> dict[str, Any]:
        peer = self._current
        texts, vectors = _read_queries(Path(folder))
        for text, vector in zip(texts[:_WARM_UP], vectors, strict=False):
            peer.ask(text, vector)
        rows: list[Answer] = []
        times: list[list[int]] = []
        for number in range(passes):
            ends = perf_counter() + limit_s
            nanoseconds: list[int] = []
            for text, vector in zip(texts, vectors, strict=True):
                started = perf_counter_ns()
                answer = peer.ask(text, vector)
                nanoseconds.append(perf_counter_ns() - started)
                if number == 0:
                    rows.append(peer.read(answer))
                if perf_counter() > ends:
                    break
            times.append(nanoseconds)
        shortest = min(map(len, times))
        np.savez(
            answers,
            picks=np.array([row[0] for row in rows]),
            confidences=np.array([row[1] for row in rows], dtype=np.float64),
            accepted=np.array([row[2] for row in rows], dtype=bool),
            nanoseconds=np.array([entry[:shortest] for entry in times]),
        )
        return {"n": len(rows)}

    def batch(self, folder: str, limit_s: float, passes: int = 1) -> dict[str, Any]:
        peer = self._current
        texts, vectors = _read_queries(Path(folder))
        started = perf_counter()
        peer.ask_many(texts[:_WARM_UP], vectors[:_WARM_UP])
        share = (perf_counter() - started) / min(_WARM_UP, len(texts))
        n = max(1, min(len(texts), int(limit_s / max(share, 1e-9))))
        rates = []
        for _ in range(passes):
            started = perf_counter()
            peer.ask_many(texts[:n], vectors[:n])
            rates.append(n / (perf_counter() - started))
        return {"per_second": rates, "n": n}

    @property
    def _current(self) -> Peer:
        if self._peer is None:
            raise RuntimeError("the first job must be `open`")
        return self._peer


def serve(distributions: Sequence[str], variants: Mapping[str, Callable[[], Peer]]) -> None:
    """Answer jobs until standard input ends.

    Parameters
    ----------
    distributions : sequence of str
        Distributions whose versions are reported.
    variants : mapping of str to callable
        What makes the peer of each variant.
    """
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints must not end up between the answers.
    os.dup2(2, 1)
    jobs = _Jobs(distributions, variants)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = getattr(jobs, job.pop("op"))(**job)
        except Exception as error:  # noqa: BLE001 -- delivered to the runner, who reports it
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        channel.write(json.dumps(answer) + "\n")
        channel.flush()


def _small_job() -> Routes:
    rng = np.random.default_rng(0)
    ids = [f"route {number}" for number in range(20)]
    vectors = rng.standard_normal((10 * len(ids), 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    examples = [[f"example {place} of {name}" for place in range(10)] for name in ids]
    labelled = Labelled([texts[0] for texts in examples], vectors[::10], [*ids])
    return Routes(ids, [""] * len(ids), examples, vectors, labelled)


def _read_routes(folder: Path) -> Routes:
    routes = json.loads((folder / "routes.json").read_text(encoding="utf-8"))
    labels = folder / "labels.json"
    labelled = None
    if labels.exists():
        texts, vectors = _read_queries(folder / "labelled")
        labelled = Labelled(texts, vectors, json.loads(labels.read_text(encoding="utf-8")))
    return Routes(
        [route["id"] for route in routes],
        [route["description"] for route in routes],
        [route["examples"] for route in routes],
        np.load(folder / "routes.npy", allow_pickle=False),
        labelled,
    )


def _read_queries(folder: Path) -> tuple[list[str], FloatArray]:
    texts = json.loads((folder / f"{_QUERIES}.json").read_text(encoding="utf-8"))
    return texts, np.load(folder / f"{_QUERIES}.npy", allow_pickle=False)


def _resident_bytes() -> int:
    """Return the memory of this process, after what is free was given back."""
    gc.collect()
    if sys.platform != "linux":
        return 0
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
