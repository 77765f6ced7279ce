"""Calling a client so that only our errors come out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from stratarouter_runtime.conversation import Completion
from stratarouter_runtime.errors import ProviderError

if TYPE_CHECKING:
    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.protocols import LLMClient

__all__ = ["complete"]


async def complete(client: LLMClient, provider: str, request: CompletionRequest) -> Completion:
    """Ask a client.

    Parameters
    ----------
    client : LLMClient
        Whom to ask.
    provider : str
        Its name in errors.
    request : CompletionRequest
        What to ask.

    Returns
    -------
    Completion
        The answer.

    Raises
    ------
    ProviderError
        If the client raised, cancelled itself, or returned something else.
    """
    try:
        answer: object = await client.complete(request)
    except ProviderError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled this task, so the client did it to itself.
        raise ProviderError(provider, "the call cancelled itself") from error
    except (Exception, SystemExit) as error:
        raise ProviderError(provider, f"{type(error).__name__}: {error}") from error
    if not isinstance(answer, Completion):
        raise ProviderError(provider, f"expected a Completion, got a {type(answer).__name__}")
    return answer
