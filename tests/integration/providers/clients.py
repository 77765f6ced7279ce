"""The clients under test, made in one way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.conversation import CompletionRequest, Message
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.providers.openai import AzureOpenAIClient, OpenAIClient

if TYPE_CHECKING:
    from stratarouter_runtime.provider_protocol import ModelClient

__all__ = ["KEY", "KINDS", "all_but", "asked", "make_client", "texts"]

KEY = "hush-hush-0123"
KINDS = ("local", "openai")


def make_client(kind: str, url: str, **settings: Any) -> ModelClient:
    """Return a client.

    Parameters
    ----------
    kind : str
        "local", "openai" or "azure".
    url : str
        Address of the upstream, without a path.
    **settings : Any
        Further settings, which all kinds have.
    """
    if kind == "local":
        return LocalClient(f"{url}/v1", api_key=KEY, **settings)
    if kind == "openai":
        return OpenAIClient(KEY, base_url=f"{url}/v1", **settings)
    return AzureOpenAIClient(url, api_version="2024-10-21", api_key=KEY, **settings)


def asked(model: str, text: str = "Hello there", **fields: Any) -> CompletionRequest:
    """Return a request for an answer."""
    return CompletionRequest(messages=(Message("user", text),), model=model, **fields)


def texts(model: str, *entries: str) -> EmbeddingRequest:
    """Return a request for embeddings."""
    return EmbeddingRequest(texts=entries or ("Hello", "there"), model=model)


async def all_but(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return the tasks that were not there before, once the loop has tidied up."""
    for _ in range(5):
        # Generators that were given up are closed by the loop itself, in tasks that do not wait.
        await asyncio.sleep(0)
    return asyncio.all_tasks() - before
