"""StrataRouter: decides where a query should go, and how sure it is."""

from importlib import import_module
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
from stratarouter.types import (
    Alternative,
    Explanation,
    Route,
    RouteArrays,
    RouteResult,
    RouteScores,
)

if TYPE_CHECKING:
    from stratarouter.certifying import Certificate
    from stratarouter.encoders.onnx import OnnxEncoder
    from stratarouter.evaluation import EvaluationReport
    from stratarouter.fitting import FitReport

__version__ = "0.3.0"

__all__ = [
    "Alternative",
    "BaseEncoder",
    "CachedEncoder",
    "Certificate",
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
    "OnnxEncoder",
    "Route",
    "RouteArrays",
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


# Reports are made by methods that import their modules on first use, and most routers have another
# encoder; routing needs none of them.
_HOMES = {
    "Certificate": "certifying",
    "EvaluationReport": "evaluation",
    "FitReport": "fitting",
    "OnnxEncoder": "encoders.onnx",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
