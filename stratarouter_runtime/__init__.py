"""The runtime: carries routing decisions out.

The names below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratarouter_runtime.bridge import CoreRuntimeBridge
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.cache.memory import MemoryBackend
    from stratarouter_runtime.config import RuntimeConfig
    from stratarouter_runtime.errors import (
        BridgeClosedError,
        BridgeLoopError,
        CacheBackendError,
        DuplicateBindingError,
        ExecutionTimeoutError,
        FeatureNotBuiltWarning,
        FeatureUnavailableError,
        HandlerError,
        InvalidContextError,
        ProviderError,
        SaturatedError,
        UnboundRouteError,
        UncacheableValueError,
        UnknownProviderError,
    )
    from stratarouter_runtime.providers.scripted import EchoClient, ScriptedClient
    from stratarouter_runtime.telemetry.logs import JsonFormatter
    from stratarouter_runtime.types import (
        ANONYMOUS,
        CacheHit,
        Completion,
        CompletionRequest,
        Event,
        ExecutionRecord,
        ExecutionResult,
        Message,
        Partition,
        Usage,
    )

__all__ = [
    "ANONYMOUS",
    "BridgeClosedError",
    "BridgeLoopError",
    "CacheBackendError",
    "CacheHit",
    "CacheManager",
    "Completion",
    "CompletionRequest",
    "CoreRuntimeBridge",
    "DuplicateBindingError",
    "EchoClient",
    "Event",
    "ExecutionRecord",
    "ExecutionResult",
    "ExecutionTimeoutError",
    "FeatureNotBuiltWarning",
    "FeatureUnavailableError",
    "HandlerError",
    "InvalidContextError",
    "JsonFormatter",
    "MemoryBackend",
    "Message",
    "Partition",
    "ProviderError",
    "RuntimeConfig",
    "SaturatedError",
    "ScriptedClient",
    "UnboundRouteError",
    "UncacheableValueError",
    "UnknownProviderError",
    "Usage",
]

_HOMES = {
    "CoreRuntimeBridge": "bridge",
    "CacheManager": "cache.manager",
    "MemoryBackend": "cache.memory",
    "RuntimeConfig": "config",
    "BridgeClosedError": "errors",
    "BridgeLoopError": "errors",
    "CacheBackendError": "errors",
    "DuplicateBindingError": "errors",
    "ExecutionTimeoutError": "errors",
    "FeatureNotBuiltWarning": "errors",
    "FeatureUnavailableError": "errors",
    "HandlerError": "errors",
    "InvalidContextError": "errors",
    "ProviderError": "errors",
    "SaturatedError": "errors",
    "UnboundRouteError": "errors",
    "UncacheableValueError": "errors",
    "UnknownProviderError": "errors",
    "EchoClient": "providers.scripted",
    "ScriptedClient": "providers.scripted",
    "JsonFormatter": "telemetry.logs",
    "ANONYMOUS": "types",
    "CacheHit": "types",
    "Completion": "types",
    "CompletionRequest": "types",
    "Event": "types",
    "ExecutionRecord": "types",
    "ExecutionResult": "types",
    "Message": "types",
    "Partition": "types",
    "Usage": "types",
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
