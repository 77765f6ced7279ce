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
    from stratarouter_runtime.conversation import (
        Completion,
        CompletionRequest,
        ImagePart,
        Message,
        ResponseFormat,
        TextPart,
        ToolCall,
        ToolChoice,
        ToolSpec,
        Usage,
    )
    from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
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
    from stratarouter_runtime.stream_events import (
        Finish,
        StreamError,
        StreamStart,
        StreamWarning,
        TextDelta,
        ToolCallDelta,
        UsageDelta,
    )
    from stratarouter_runtime.telemetry.logs import JsonFormatter
    from stratarouter_runtime.types import (
        ANONYMOUS,
        CacheHit,
        Event,
        ExecutionRecord,
        ExecutionResult,
        Partition,
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
    "EmbeddingAnswer",
    "EmbeddingRequest",
    "Event",
    "ExecutionRecord",
    "ExecutionResult",
    "ExecutionTimeoutError",
    "FeatureNotBuiltWarning",
    "FeatureUnavailableError",
    "Finish",
    "HandlerError",
    "ImagePart",
    "InvalidContextError",
    "JsonFormatter",
    "MemoryBackend",
    "Message",
    "Partition",
    "ProviderError",
    "ResponseFormat",
    "RuntimeConfig",
    "SaturatedError",
    "ScriptedClient",
    "StreamError",
    "StreamStart",
    "StreamWarning",
    "TextDelta",
    "TextPart",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolSpec",
    "UnboundRouteError",
    "UncacheableValueError",
    "UnknownProviderError",
    "Usage",
    "UsageDelta",
]

_HOMES = {
    "CoreRuntimeBridge": "bridge",
    "CacheManager": "cache.manager",
    "MemoryBackend": "cache.memory",
    "RuntimeConfig": "config",
    "Completion": "conversation",
    "CompletionRequest": "conversation",
    "ImagePart": "conversation",
    "Message": "conversation",
    "ResponseFormat": "conversation",
    "TextPart": "conversation",
    "ToolCall": "conversation",
    "ToolChoice": "conversation",
    "ToolSpec": "conversation",
    "Usage": "conversation",
    "EmbeddingAnswer": "embeddings",
    "EmbeddingRequest": "embeddings",
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
    "Finish": "stream_events",
    "StreamError": "stream_events",
    "StreamStart": "stream_events",
    "StreamWarning": "stream_events",
    "TextDelta": "stream_events",
    "ToolCallDelta": "stream_events",
    "UsageDelta": "stream_events",
    "JsonFormatter": "telemetry.logs",
    "ANONYMOUS": "types",
    "CacheHit": "types",
    "Event": "types",
    "ExecutionRecord": "types",
    "ExecutionResult": "types",
    "Partition": "types",
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
