"""StrataRouter: decides where a query should go, and how sure it is."""

from typing import TYPE_CHECKING

from stratarouter.config import RouterConfig
from stratarouter.encoders import (
    BaseEncoder,
    CachedEncoder,
    FunctionEncoder,
    HashingEncoder,
    SingleTextEncoder,
)
from stratarouter.errors import (
    ConfigurationError,
    CorruptSaveError,
    DimensionMismatch,
    DimensionMismatchError,
    DuplicateRouteError,
    EmbeddingCountError,
    EncoderMismatchError,
    EncoderRequiredError,
    EncodingError,
    IndexNotBuiltError,
    InvalidEmbeddingError,
    InvalidInputError,
    InvalidPatternError,
    InvalidRouteError,
    MissingExtraError,
    NoRoutesError,
    RouteNotFoundError,
    SaveNotFoundError,
    StrataError,
)
from stratarouter.router import Router
from stratarouter.types import Alternative, Explanation, Route, RouteResult, RouteScores

if TYPE_CHECKING:
    from stratarouter.evaluation import EvaluationReport
    from stratarouter.fitting import FitReport

__version__ = "0.3.0"

__all__ = [
    "Alternative",
    "BaseEncoder",
    "CachedEncoder",
    "ConfigurationError",
    "CorruptSaveError",
    "DimensionMismatch",
    "DimensionMismatchError",
    "DuplicateRouteError",
    "EmbeddingCountError",
    "EncoderMismatchError",
    "EncoderRequiredError",
    "EncodingError",
    "EvaluationReport",
    "Explanation",
    "FitReport",
    "FunctionEncoder",
    "HashingEncoder",
    "IndexNotBuiltError",
    "InvalidEmbeddingError",
    "InvalidInputError",
    "InvalidPatternError",
    "InvalidRouteError",
    "MissingExtraError",
    "NoRoutesError",
    "Route",
    "RouteNotFoundError",
    "RouteResult",
    "RouteScores",
    "Router",
    "RouterConfig",
    "SaveNotFoundError",
    "SingleTextEncoder",
    "StrataError",
    "__version__",
]


def __getattr__(name: str) -> object:
    # Reports are made by methods that import their modules on first use; routing needs neither.
    if name == "EvaluationReport":
        from stratarouter.evaluation import EvaluationReport

        return EvaluationReport
    if name == "FitReport":
        from stratarouter.fitting import FitReport

        return FitReport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
