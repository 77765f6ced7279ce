"""StrataRouter: decides where a query should go, and how sure it is."""

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
from stratarouter.evaluation import EvaluationReport
from stratarouter.fitting import FitReport
from stratarouter.router import Router
from stratarouter.types import Alternative, Explanation, Route, RouteResult, RouteScores

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
