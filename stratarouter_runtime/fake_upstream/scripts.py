"""Scripts: what a model name, or a step of a list, asks the fake upstream to do.

A script is a name of parts joined by ``+``; what follows an ``@`` only tells names apart, so that
tests which run side by side have counters of their own::

    echo                     the last text of the user, whole
    ok                       a fixed sentence
    tool-call                a call of the first function on offer; a text after its result
    tokens-<in>-<out>        so many tokens, billed and reported
    slow-<ms>                wait before the answer
    pace-<ms>                wait before each event of a stream
    fault-<id>[-<variant>]   a fault, every time
    fault-<id>-then-ok       a fault the first time
    flaky-<n>-<id>           a fault the first n times
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.faults.catalogue import find_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratarouter_runtime.fake_upstream.exchange import FunctionCall
    from stratarouter_runtime.fake_upstream.faults.declaring import Fault

__all__ = ["Reply", "Script", "Step", "Tokens", "is_script", "parse_script", "parse_steps"]

_SCRIPT = re.compile(r"(?:echo|ok|tool|tokens|slow|pace|fault|flaky)(?:[-+@].*)?", re.DOTALL)
_TOKENS = re.compile(r"tokens-(\d{1,7})-(\d{1,6})")
_MILLISECONDS = re.compile(r"(slow|pace)-(\d{1,7}(?:\.\d{1,3})?)")
_FLAKY = re.compile(r"flaky-(\d{1,6})-(.+)")
_MOST_OUTPUT_TOKENS = 100_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """An answer of which only the size matters."""

    input_tokens: int
    """What is billed for reading."""
    output_tokens: int
    """What is billed for writing, and how long the text is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A prepared answer.

    Raises
    ------
    InvalidInputError
        If the arguments of a call are no JSON object, or a count is negative.
    """

    text: str = ""
    """What it says."""
    tool_calls: tuple[FunctionCall, ...] = ()
    """Functions that it calls."""
    finish: str | None = None
    """stop, length, tool_calls or content_filter; None takes what fits."""
    input_tokens: int | None = None
    """What is billed and reported for reading; None counts."""
    output_tokens: int | None = None
    """What is billed and reported for writing; None counts."""
    cached_tokens: int = 0
    """How many of the input tokens are reported as read from a cache, where a format can."""
    cache_write_tokens: int = 0
    """How many of the input tokens are reported as put into a cache, where a format can."""
    reasoning_tokens: int = 0
    """How many of the output tokens are reported as thoughts, where a format can."""

    def __post_init__(self) -> None:
        """Refuse what no service could send."""
        for call in self.tool_calls:
            try:
                arguments = json.loads(call.arguments)
            except ValueError as error:
                raise InvalidInputError(f"arguments of {call.name!r}: {error}") from None
            if not isinstance(arguments, dict):
                raise InvalidInputError(f"arguments of {call.name!r} must be a JSON object")
        for name, count in self._counts().items():
            if count is not None and count < 0:
                raise InvalidInputError(f"{name} must not be negative")
        if (self.input_tokens or 0) < self.cached_tokens + self.cache_write_tokens:
            raise InvalidInputError("cached tokens are part of input_tokens; give a larger number")
        if (self.output_tokens or 0) < self.reasoning_tokens:
            raise InvalidInputError("reasoning_tokens are part of output_tokens; give a larger one")

    def _counts(self) -> dict[str, int | None]:
        names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")
        return {name: getattr(self, name) for name in (*names, "reasoning_tokens")}


Step = str | Reply
"""One step of a list: a script, or a prepared answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to do when a model is asked."""

    says: str | Tokens | Reply = "echo"
    """The answer: "echo", "ok", "tool", a size, or a prepared one."""
    fault: Fault | None = None
    """What goes wrong."""
    variant: str = ""
    """Variant of the fault."""
    failures: int | None = None
    """How many times it goes wrong; None for always."""
    wait_s: float = 0.0
    """Wait before the answer, seconds."""
    pace_s: float = 0.0
    """Wait before each event of a stream, seconds."""

    def fails(self, attempt: int) -> bool:
        """Say whether the fault strikes.

        Parameters
        ----------
        attempt : int
            How often the model was asked, this time included.

        Returns
        -------
        bool
            Whether it does.
        """
        return self.fault is not None and (self.failures is None or attempt <= self.failures)


def is_script(model: str) -> bool:
    """Say whether a model name is meant as a script.

    Parameters
    ----------
    model : str
        The name.

    Returns
    -------
    bool
        False for names like gpt-4o, which take the default script.
    """
    return _SCRIPT.fullmatch(_bare(model)) is not None


def parse_script(name: str) -> Script:
    """Read a script.

    Parameters
    ----------
    name : str
        The script; whatever stands before the last slash is left out.

    Returns
    -------
    Script
        What it means.

    Raises
    ------
    InvalidInputError
        If a part means nothing.

    Examples
    --------
    >>> script = parse_script("slow-20+flaky-2-503@first")
    >>> script.wait_s, script.fault.id, script.failures
    (0.02, 'status-503', 2)
    """
    script = Script()
    for part in _bare(name).partition("@")[0].split("+"):
        script = _with_part(script, part)
    return script


def parse_steps(steps: Iterable[Step]) -> tuple[Script, ...]:
    """Read a list of steps.

    Parameters
    ----------
    steps : iterable of (str or Reply)
        Scripts and prepared answers.

    Returns
    -------
    tuple of Script
        One per step.

    Raises
    ------
    InvalidInputError
        If there are none, or one means nothing.
    """
    parsed = tuple(
        Script(says=step) if isinstance(step, Reply) else parse_script(step) for step in steps
    )
    if not parsed:
        raise InvalidInputError("give at least one step")
    return parsed


def _bare(model: str) -> str:
    return model.rpartition("/")[2]


def _with_part(script: Script, part: str) -> Script:
    if part in {"echo", "ok"}:
        return replace(script, says=part)
    if part == "tool" or part.startswith("tool-"):
        return replace(script, says="tool")
    if match := _TOKENS.fullmatch(part):
        size = Tokens(int(match[1]), int(match[2]))
        if size.output_tokens > _MOST_OUTPUT_TOKENS:
            raise InvalidInputError(f"at most {_MOST_OUTPUT_TOKENS} output tokens, not {part!r}")
        return replace(script, says=size)
    if match := _MILLISECONDS.fullmatch(part):
        seconds = float(match[2]) / 1000
        return (
            replace(script, wait_s=seconds)
            if match[1] == "slow"
            else replace(script, pace_s=seconds)
        )
    if match := _FLAKY.fullmatch(part):
        fault, variant = find_fault(match[2])
        return replace(script, fault=fault, variant=variant, failures=int(match[1]))
    if part.startswith("fault-"):
        name = part.removeprefix("fault-")
        first_only = name.endswith("-then-ok")
        fault, variant = find_fault(name.removesuffix("-then-ok"))
        return replace(script, fault=fault, variant=variant, failures=1 if first_only else None)
    raise InvalidInputError(f"{part!r} is no script; see the fake_upstream.scripts module")
