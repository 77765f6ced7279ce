"""Clients of language models.

The names below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratarouter_runtime.providers.local import LocalClient
    from stratarouter_runtime.providers.openai import AzureOpenAIClient, OpenAIClient
    from stratarouter_runtime.providers.scripted import EchoClient, ScriptedClient

__all__ = ["AzureOpenAIClient", "EchoClient", "LocalClient", "OpenAIClient", "ScriptedClient"]

_HOMES = {
    "AzureOpenAIClient": "openai",
    "EchoClient": "scripted",
    "LocalClient": "local",
    "OpenAIClient": "openai",
    "ScriptedClient": "scripted",
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what can be imported."""
    return sorted(__all__)
