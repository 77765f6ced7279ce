"""A fake upstream in a process of its own, so that it takes no time from the client it measures.

Parent and child talk in lines of JSON: what to do, and what came of it. The child ends when its
input does, so that it never outlives its parent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.exchange import FunctionCall
from stratarouter_runtime.fake_upstream.options import Options
from stratarouter_runtime.fake_upstream.records import (
    Billed,
    ConnectionRecord,
    request_from,
    to_plain,
)
from stratarouter_runtime.fake_upstream.scripts import Reply
from stratarouter_runtime.fake_upstream.threads import ThreadHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter_runtime.fake_upstream.records import RequestRecord
    from stratarouter_runtime.fake_upstream.scripts import Step

__all__ = ["ProcessHost", "obey"]

_POLL_S = 0.005
_LONGEST_WAIT_S = 10.0


class ProcessHost:
    """Runs a server in a child process.

    Parameters
    ----------
    options : Options
        Settings.
    port : int
        The port; 0 takes one that is free.

    Raises
    ------
    InvalidInputError
        If the port is taken, or a setting means nothing.
    """

    def __init__(self, options: Options, port: int) -> None:
        command = [sys.executable, "-m", "stratarouter_runtime.fake_upstream", "--control"]
        # The child imports the same packages as we, installed or not.
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module.
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=Path(__file__).resolve().parents[2],
        )
        self._lock = threading.Lock()
        try:
            self.port: int = self._ask("start", options=asdict(options), port=port)
            """The port that is listened on."""
        except InvalidInputError:
            self.close()
            raise

    def listen(self, fault_id: str, times: int | None) -> int:
        """Open a port where connections meet a fault.

        Parameters
        ----------
        fault_id : str
            A connect fault.
        times : int or None
            How many connections meet it; None for all.

        Returns
        -------
        int
            The port.
        """
        port: int = self._ask("listen", fault_id=fault_id, times=times)
        return port

    def script(self, model: str, steps: Sequence[Step]) -> None:
        """Say what a model does, call by call.

        Parameters
        ----------
        model : str
            The model name.
        steps : sequence of (str or Reply)
            One per call.
        """
        plain = [asdict(step) if isinstance(step, Reply) else step for step in steps]
        self._ask("script", model=model, steps=plain)

    def forget(self) -> None:
        """Forget scripts, records and sums."""
        self._ask("forget")

    def requests(self) -> list[RequestRecord]:
        """Return the requests that are remembered.

        Returns
        -------
        list of RequestRecord
            Copies, oldest first.
        """
        return [request_from(plain) for plain in self._ask("requests")]

    def connections(self) -> list[ConnectionRecord]:
        """Return the connections that are remembered.

        Returns
        -------
        list of ConnectionRecord
            Copies, oldest first.
        """
        return [ConnectionRecord(**plain) for plain in self._ask("connections")]

    def counts(self) -> tuple[int, int, int]:
        """Return counts.

        Returns
        -------
        tuple of (int, int, int)
            Requests, connections, open connections.
        """
        requests, connections, n_open = self._ask("counts")
        return requests, connections, n_open

    def billed(self, model: str | None) -> Billed:
        """Return the sum of all bills.

        Parameters
        ----------
        model : str or None
            One model only, or None for all.

        Returns
        -------
        Billed
            Calls and tokens.
        """
        return Billed(**self._ask("billed", model=model))

    def wait(self, timeout_s: float) -> None:
        """Wait a little: the child does not call back.

        Parameters
        ----------
        timeout_s : float, seconds
            Longest wait.
        """
        threading.Event().wait(min(timeout_s, _POLL_S))

    def close(self) -> None:
        """End the child."""
        pipes = (self._child.stdin, self._child.stdout)
        if self._child.stdin is not None and not self._child.stdin.closed:
            self._child.stdin.close()
        try:
            self._child.wait(_LONGEST_WAIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for pipe in pipes:
            if pipe is not None:
                pipe.close()

    def _ask(self, what: str, **arguments: Any) -> Any:
        stdin, stdout = self._child.stdin, self._child.stdout
        with self._lock:
            if stdin is None or stdout is None or stdin.closed:
                raise InvalidInputError("the fake upstream is closed")
            stdin.write(json.dumps({"do": what, "with": arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        if not line:
            raise InvalidInputError("the process of the fake upstream has ended")
        reply = json.loads(line)
        if "refused" in reply:
            raise InvalidInputError(reply["refused"])
        return reply["result"]


def obey(commands: IO[str], results: IO[str]) -> None:
    """Do what a parent process asks for, until it asks no more.

    Parameters
    ----------
    commands : file
        Lines of JSON.
    results : file
        One line per command.
    """
    host: ThreadHost | None = None
    try:
        for line in commands:
            command = json.loads(line)
            try:
                if command["do"] == "start":
                    given = command["with"]
                    host = ThreadHost(Options(**given["options"]), given["port"])
                    reply: dict[str, Any] = {"result": host.port}
                elif host is None:
                    reply = {"refused": "the first command must be start"}
                else:
                    reply = {"result": _do(host, command["do"], command["with"])}
            except InvalidInputError as error:
                reply = {"refused": str(error)}
            results.write(json.dumps(reply) + "\n")
            results.flush()
    finally:
        if host is not None:
            host.close()


def _do(host: ThreadHost, what: str, given: dict[str, Any]) -> Any:
    actions: dict[str, Callable[[], Any]] = {
        "listen": lambda: host.listen(given["fault_id"], given["times"]),
        "script": lambda: host.script(given["model"], [_step(step) for step in given["steps"]]),
        "forget": host.forget,
        "requests": lambda: [to_plain(record) for record in host.requests()],
        "connections": lambda: [to_plain(record) for record in host.connections()],
        "counts": host.counts,
        "billed": lambda: asdict(host.billed(given["model"])),
    }
    return actions[what]()


def _step(plain: str | dict[str, Any]) -> Step:
    if isinstance(plain, str):
        return plain
    calls = tuple(FunctionCall(**call) for call in plain["tool_calls"])
    return Reply(**{**plain, "tool_calls": calls})
