"""The runtime: carries routing decisions out.

The names below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratarouter_runtime.accounting import AttemptRow, LedgerTotals, Reservation
    from stratarouter_runtime.accounting_errors import (
        AttemptStateError,
        BudgetExceededError,
        CostCapExceededError,
        LedgerFullError,
    )
    from stratarouter_runtime.bridge import CoreRuntimeBridge
    from stratarouter_runtime.bridge_stream import ExecutionStream
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.cache.memory import MemoryBackend
    from stratarouter_runtime.config import RuntimeConfig
    from stratarouter_runtime.context_errors import (
        ContextSchemaError,
        EnrichmentError,
        TemplateFieldError,
        UnknownExecutionError,
    )
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
    from stratarouter_runtime.execution.engine import ExecutionEngine
    from stratarouter_runtime.execution.rules import EngineRules
    from stratarouter_runtime.ledger.budgets import Budget, BudgetState
    from stratarouter_runtime.ledger.memory import MemoryLedger
    from stratarouter_runtime.policies.circuit import CircuitRules
    from stratarouter_runtime.policies.pricing import CataloguePrices, ModelPrice, PriceTable
    from stratarouter_runtime.policies.stream_assembly import StreamAssembler
    from stratarouter_runtime.policies.targets import FallbackChains, Target
    from stratarouter_runtime.provider_errors import (
        AllTargetsFailedError,
        AttemptFailure,
        AuthenticationError,
        BadRequestError,
        CircuitOpenError,
        ConnectionFailedError,
        ContentPolicyError,
        ContextWindowExceededError,
        InvalidAnswerError,
        NotFoundError,
        OverloadedError,
        PermissionDeniedError,
        ProviderTimeoutError,
        QuotaExhaustedError,
        RateLimitedError,
        ServerError,
        StreamInterruptedError,
        UnsupportedOperationError,
    )
    from stratarouter_runtime.provider_protocol import Capabilities
    from stratarouter_runtime.providers.local import LocalClient
    from stratarouter_runtime.providers.openai import AzureOpenAIClient, OpenAIClient
    from stratarouter_runtime.providers.registry import LLMClientRegistry
    from stratarouter_runtime.providers.scripted import EchoClient, ScriptedClient
    from stratarouter_runtime.providers.target_health import TargetHealth
    from stratarouter_runtime.stream_events import (
        ExecutionFinished,
        ExecutionStarted,
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
    "AllTargetsFailedError",
    "AttemptFailure",
    "AttemptRow",
    "AttemptStateError",
    "AuthenticationError",
    "AzureOpenAIClient",
    "BadRequestError",
    "BridgeClosedError",
    "BridgeLoopError",
    "Budget",
    "BudgetExceededError",
    "BudgetState",
    "CacheBackendError",
    "CacheHit",
    "CacheManager",
    "Capabilities",
    "CataloguePrices",
    "CircuitOpenError",
    "CircuitRules",
    "Completion",
    "CompletionRequest",
    "ConnectionFailedError",
    "ContentPolicyError",
    "ContextSchemaError",
    "ContextWindowExceededError",
    "CoreRuntimeBridge",
    "CostCapExceededError",
    "DuplicateBindingError",
    "EchoClient",
    "EmbeddingAnswer",
    "EmbeddingRequest",
    "EngineRules",
    "EnrichmentError",
    "Event",
    "ExecutionEngine",
    "ExecutionFinished",
    "ExecutionRecord",
    "ExecutionResult",
    "ExecutionStarted",
    "ExecutionStream",
    "ExecutionTimeoutError",
    "FallbackChains",
    "FeatureNotBuiltWarning",
    "FeatureUnavailableError",
    "Finish",
    "HandlerError",
    "ImagePart",
    "InvalidAnswerError",
    "InvalidContextError",
    "JsonFormatter",
    "LLMClientRegistry",
    "LedgerFullError",
    "LedgerTotals",
    "LocalClient",
    "MemoryBackend",
    "MemoryLedger",
    "Message",
    "ModelPrice",
    "NotFoundError",
    "OpenAIClient",
    "OverloadedError",
    "Partition",
    "PermissionDeniedError",
    "PriceTable",
    "ProviderError",
    "ProviderTimeoutError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "Reservation",
    "ResponseFormat",
    "RuntimeConfig",
    "SaturatedError",
    "ScriptedClient",
    "ServerError",
    "StreamAssembler",
    "StreamError",
    "StreamInterruptedError",
    "StreamStart",
    "StreamWarning",
    "Target",
    "TargetHealth",
    "TemplateFieldError",
    "TextDelta",
    "TextPart",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolSpec",
    "UnboundRouteError",
    "UncacheableValueError",
    "UnknownExecutionError",
    "UnknownProviderError",
    "UnsupportedOperationError",
    "Usage",
    "UsageDelta",
]

_HOMES = {
    "AttemptRow": "accounting",
    "LedgerTotals": "accounting",
    "Reservation": "accounting",
    "AttemptStateError": "accounting_errors",
    "BudgetExceededError": "accounting_errors",
    "CostCapExceededError": "accounting_errors",
    "LedgerFullError": "accounting_errors",
    "CoreRuntimeBridge": "bridge",
    "ExecutionStream": "bridge_stream",
    "CacheManager": "cache.manager",
    "MemoryBackend": "cache.memory",
    "RuntimeConfig": "config",
    "ContextSchemaError": "context_errors",
    "EnrichmentError": "context_errors",
    "TemplateFieldError": "context_errors",
    "UnknownExecutionError": "context_errors",
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
    "ExecutionEngine": "execution.engine",
    "EngineRules": "execution.rules",
    "Budget": "ledger.budgets",
    "BudgetState": "ledger.budgets",
    "MemoryLedger": "ledger.memory",
    "CircuitRules": "policies.circuit",
    "CataloguePrices": "policies.pricing",
    "ModelPrice": "policies.pricing",
    "PriceTable": "policies.pricing",
    "StreamAssembler": "policies.stream_assembly",
    "FallbackChains": "policies.targets",
    "Target": "policies.targets",
    "AllTargetsFailedError": "provider_errors",
    "AttemptFailure": "provider_errors",
    "AuthenticationError": "provider_errors",
    "BadRequestError": "provider_errors",
    "CircuitOpenError": "provider_errors",
    "ConnectionFailedError": "provider_errors",
    "ContentPolicyError": "provider_errors",
    "ContextWindowExceededError": "provider_errors",
    "InvalidAnswerError": "provider_errors",
    "NotFoundError": "provider_errors",
    "OverloadedError": "provider_errors",
    "PermissionDeniedError": "provider_errors",
    "ProviderTimeoutError": "provider_errors",
    "QuotaExhaustedError": "provider_errors",
    "RateLimitedError": "provider_errors",
    "ServerError": "provider_errors",
    "StreamInterruptedError": "provider_errors",
    "UnsupportedOperationError": "provider_errors",
    "Capabilities": "provider_protocol",
    "LocalClient": "providers.local",
    "AzureOpenAIClient": "providers.openai",
    "OpenAIClient": "providers.openai",
    "LLMClientRegistry": "providers.registry",
    "EchoClient": "providers.scripted",
    "ScriptedClient": "providers.scripted",
    "TargetHealth": "providers.target_health",
    "ExecutionFinished": "stream_events",
    "ExecutionStarted": "stream_events",
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
