"""The side of the runner: starts a peer in its environment, hands it jobs, limits its time.

Peers are measured one at a time and with one thread each.
"""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from stratarouter import Route
    from stratarouter.types import FloatArray

__all__ = ["ONE_THREAD", "Worker", "WorkerError", "write_queries", "write_routes"]

PEERS = Path(__file__).resolve().parent / "peers"
ONE_THREAD = tuple(
    f"{name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "VECLIB")
)
"""What pins the usual libraries of linear algebra to one thread."""


class WorkerError(Exception):
    """A peer failed, or took longer than it was given."""


class Worker:
    """A process that measures one peer.

    Parameters
    ----------
    python : Path
        Interpreter of the environment of the peer.
    script : str
        File below ``peers/``.
    variant : str
        Which of the uses that the script offers.
    log : Path
        File that takes what the library prints.
    """

    def __init__(self, python: Path, script: str, variant: str, log: Path) -> None:
        # Neither the settings of the user nor another version on PYTHONPATH may leak in.
        command = ["env", *ONE_THREAD, str(python), "-E", "-s", str(PEERS / script)]
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        self._log = log
        self._variant = variant

    def __enter__(self) -> Self:
        """Open the variant."""
        try:
            self.call("open", 120.0, variant=self._variant)
        except WorkerError:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self._end()

    def call(self, op: str, wait_s: float, **values: Any) -> dict[str, Any]:
        """Hand over a job and wait for its result.

        Parameters
        ----------
        op : str
            Name of the job.
        wait_s : float, seconds
            Longest wait; the process is of no more use after it.
        **values : Any
            What the job needs.

        Returns
        -------
        dict
            The result.

        Raises
        ------
        WorkerError
            If the peer failed, ended or took too long.
        """
        channel, answers = self._process.stdin, self._process.stdout
        if channel is None or answers is None:
            raise WorkerError("the process has no pipes")
        try:
            channel.write(json.dumps({"op": op, **values}) + "\n")
            channel.flush()
        except BrokenPipeError:
            raise WorkerError(f"ended by itself, see {self._log}") from None
        ready, _, _ = select.select([answers], [], [], wait_s)
        if not ready:
            raise WorkerError(f"{op}: more than {wait_s:.0f} s")
        line = answers.readline()
        if not line:
            raise WorkerError(f"ended by itself, see {self._log}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(str(answer["error"]))
        return answer

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def write_routes(folder: Path, routes: Sequence[Route], vectors: FloatArray) -> None:
    """Write what routers are built from.

    Parameters
    ----------
    folder : Path
        Folder of a job; made where it is missing.
    routes : sequence of Route
        Routes; ids, descriptions and examples are handed over.
    vectors : FloatArray, shape (n, d)
        One row per example, in the order of the routes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": route.id,
            "description": route.description or "",
            "examples": list(route.examples),
        }
        for route in routes
    ]
    (folder / "routes.json").write_text(json.dumps(rows), encoding="utf-8")
    np.save(folder / "routes.npy", vectors, allow_pickle=False)


def write_queries(folder: Path, texts: Sequence[str], vectors: FloatArray) -> None:
    """Write queries.

    Parameters
    ----------
    folder : Path
        Folder of a job; made where it is missing.
    texts : sequence of str
        Query texts.
    vectors : FloatArray, shape (n, d)
        One row per query.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "queries.json").write_text(json.dumps(list(texts)), encoding="utf-8")
    np.save(folder / "queries.npy", vectors, allow_pickle=False)
