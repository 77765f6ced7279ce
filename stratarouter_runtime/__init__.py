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
