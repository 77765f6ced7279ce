"""What is answered, and what it costs, as long as nothing goes wrong.

Costs are counted, not guessed: a token per four characters of each text, rounded up, at least one
per text. Reading counts every text of the request; writing counts the answer, once per choice, and
the name and the arguments of every call of a function. Embeddings cost nothing but reading.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.exchange import (
    Answer,
    FunctionCall,
    UsageReport,
    count_tokens,
    encode,
)
from stratarouter_runtime.fake_upstream.samples import sample_value, sample_vector
from stratarouter_runtime.fake_upstream.scripts import Reply, Tokens

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.exchange import Ask
    from stratarouter_runtime.fake_upstream.scripts import Script

__all__ = ["OK_SENTENCE", "answer"]

OK_SENTENCE = "Everything is in order: the café ☕ is open, 3 € a cup."
"""What the script `ok` says; it has characters of one, two and three bytes."""

_STAND_IN = FunctionCall("look_up", '{"query":"caf\\u00e9"}')
"""What is called where a function has to be called and none is on offer."""


def answer(ask: Ask, script: Script, number: int, dimension: int, *, spoiled: bool) -> Answer:
    """Return the answer to a request.

    Parameters
    ----------
    ask : Ask
        The request.
    script : Script
        What its model name asks for.
    number : int
        Number of the request, from 1.
    dimension : int
        Width of embeddings where the request does not say.
    spoiled : bool
        Whether a fault will spoil it. Then it says what the fault needs, in full.

    Returns
    -------
    Answer
        The answer.
    """
    read = sum(map(count_tokens, ask.texts))
    says = script.says
    if isinstance(says, Tokens | Reply) and says.input_tokens is not None:
        read = says.input_tokens
    if ask.operation == "embed":
        width = dimension if ask.dimension is None else ask.dimension
        vectors = tuple(sample_vector(text, width) for text in ask.texts)
        report = UsageReport(read, 0, read)
        return Answer(
            number=number, model=ask.model, vectors=vectors, input_tokens=read, usage=report
        )
    text, calls, finish = _content(ask, script, spoiled=spoiled)
    written = ask.choices * _written(text, calls)
    if isinstance(says, Tokens | Reply) and says.output_tokens is not None:
        written = says.output_tokens
    return Answer(
        number=number,
        model=ask.model,
        text=text,
        tool_calls=calls,
        finish=finish,
        input_tokens=read,
        output_tokens=written,
        usage=_report(read, written, says),
        choices=ask.choices,
    )


def _report(read: int, written: int, says: object) -> UsageReport:
    report = UsageReport(read, written, read + written)
    if not isinstance(says, Reply):
        return report
    return replace(
        report,
        cached_tokens=says.cached_tokens,
        cache_write_tokens=says.cache_write_tokens,
        reasoning_tokens=says.reasoning_tokens,
    )


def _written(text: str, calls: tuple[FunctionCall, ...]) -> int:
    texts = [part for call in calls for part in (call.name, call.arguments)]
    if text or not calls:
        texts.append(text)
    return sum(map(count_tokens, texts))


def _content(
    ask: Ask, script: Script, *, spoiled: bool
) -> tuple[str, tuple[FunctionCall, ...], str | None]:
    says = script.says
    if isinstance(says, Reply):
        fitting = "tool_calls" if says.tool_calls else "stop"
        return says.text, says.tool_calls, says.finish or fitting
    if isinstance(says, Tokens):
        return "tok " * says.output_tokens, (), "stop"
    if spoiled:
        wants_call = script.fault is not None and script.fault.says == "tool"
        if wants_call or says == "tool":
            return "", (_call(ask) or _STAND_IN,), "tool_calls"
        return OK_SENTENCE, (), "stop"
    if says == "tool" and not ask.after_tool and (call := _call(ask)) is not None:
        return "", (call,), "tool_calls"
    return _cut(_text(ask, says), ask.max_tokens)


def _text(ask: Ask, says: str) -> str:
    said = OK_SENTENCE if says == "ok" else ask.last_text
    if ask.schema is None:
        return said
    wanted = ask.schema or {"properties": {"answer": {"type": "string"}}}
    return encode(sample_value(wanted, said)).decode()


def _call(ask: Ask) -> FunctionCall | None:
    if not ask.tools:
        return None
    tool = ask.tools[0]
    arguments = sample_value({**tool.schema, "type": "object"}, ask.last_text)
    return FunctionCall(tool.name, json.dumps(arguments))


def _cut(text: str, max_tokens: int | None) -> tuple[str, tuple[FunctionCall, ...], str]:
    if max_tokens is None or count_tokens(text) <= max_tokens:
        return text, (), "stop"
    return text[: 4 * max_tokens], (), "length"
