"""`python -m stratarouter_runtime.fake_upstream`: a fake upstream to try things by hand."""

from __future__ import annotations

import argparse
import sys
import threading

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.options import Options
from stratarouter_runtime.fake_upstream.processes import obey
from stratarouter_runtime.fake_upstream.threads import ThreadHost

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted.

    Parameters
    ----------
    arguments : list of str, optional
        The command line; None takes that of the process.

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m stratarouter_runtime.fake_upstream",
        description="Speak the wire formats of language models, and fail on request.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port; 0 takes a free one")
    parser.add_argument("--time-scale", type=float, default=1.0, help="factor for waits of faults")
    parser.add_argument("--control", action="store_true", help="take commands from the input")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.control:
            obey(sys.stdin, sys.stdout)
            return 0
        host = ThreadHost(Options(time_scale=chosen.time_scale), chosen.port)
    except InvalidInputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(f"http://127.0.0.1:{host.port}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
