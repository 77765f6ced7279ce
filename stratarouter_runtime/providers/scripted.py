"""Clients without a network: for tests, demonstrations and offline work."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import Completion, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratarouter_runtime.conversation import CompletionRequest

__all__ = ["EchoClient", "ScriptedClient"]

_CHARACTERS_PER_TOKEN = 4
_REMEMBERED = 1000


class EchoClient:
    """Answers with the last message; free of charge, and always the same.

    Parameters
    ----------
    model : str
        Model name that answers carry where the request names none.

    Examples
    --------
    >>> from stratarouter_runtime.conversation import CompletionRequest, Message
    >>> request = CompletionRequest(messages=(Message("user", "Where is my invoice?"),))
    >>> asyncio.run(EchoClient().complete(request)).content
    'Where is my invoice?'
    """

    name = "echo"

    def __init__(self, model: str = "echo-1") -> None:
        self.model = model
        self.calls = 0
        """How many requests there were."""

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer with the last message.

        Parameters
        ----------
        request : CompletionRequest
            The conversation.

        Returns
        -------
        Completion
            Its last text; usage counts four characters as a token, at least one per text.
        """
        self.calls += 1
        text = request.messages[-1].text if request.messages else ""
        return _completion(text, request, self.model)


class ScriptedClient:
    """Gives prepared answers, one per request, in order.

    Parameters
    ----------
    replies : iterable of str, Completion or Exception
        What to answer; an exception is raised. The last one is repeated for ever.
    model : str
        Model name that answers carry where the request names none.

    Raises
    ------
    InvalidInputError
        If there are no replies.
    """

    name = "scripted"

    def __init__(
        self, replies: Iterable[str | Completion | Exception], *, model: str = "scripted-1"
    ) -> None:
        self._replies = deque(replies)
        if not self._replies:
            raise InvalidInputError("give at least one reply")
        self.model = model
        self.calls = 0
        """How many requests there were."""
        self.requests: deque[CompletionRequest] = deque(maxlen=_REMEMBERED)
        """The latest requests, oldest first."""

    async def complete(self, request: CompletionRequest) -> Completion:
        """Give the next answer.

        Parameters
        ----------
        request : CompletionRequest
            The conversation; it is remembered.

        Returns
        -------
        Completion
            The prepared answer.

        Raises
        ------
        Exception
            If that is what the script says.
        """
        self.calls += 1
        self.requests.append(request)
        reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        # Gives other tasks their turn, as a network would.
        await asyncio.sleep(0)
        if isinstance(reply, Exception):
            raise reply
        return _completion(reply, request, self.model) if isinstance(reply, str) else reply


def _completion(text: str, request: CompletionRequest, model: str) -> Completion:
    return Completion(
        content=text,
        model=model if request.model is None else request.model,
        usage=Usage(
            input_tokens=sum(_tokens(message.text) for message in request.messages),
            output_tokens=_tokens(text),
        ),
        cost_usd=0.0,
    )


def _tokens(text: str) -> int:
    return max(1, -(-len(text) // _CHARACTERS_PER_TOKEN))
