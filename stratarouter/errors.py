"""Exceptions of the core.

The tree; each class is also the builtin kind that fits, so plain handlers work::

    StrataError
    ├── InvalidInputError (ValueError)
    │   ├── InvalidRouteError
    │   │   └── InvalidPatternError
    │   ├── DuplicateRouteError
    │   ├── InvalidEmbeddingError
    │   │   ├── DimensionMismatchError
    │   │   └── EmbeddingCountError
    │   └── EncoderMismatchError
    ├── ConfigurationError (ValueError)
    ├── RouteNotFoundError (KeyError)
    ├── IndexNotBuiltError (RuntimeError)
    ├── NoRoutesError (RuntimeError)
    ├── EncoderRequiredError (RuntimeError)
    ├── EncodingError (RuntimeError)
    ├── SaveNotFoundError (FileNotFoundError)
    ├── CorruptSaveError (ValueError)
    └── MissingExtraError (ImportError)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ConfigurationError",
    "CorruptSaveError",
    "DimensionMismatch",
    "DimensionMismatchError",
    "DuplicateRouteError",
    "EmbeddingCountError",
    "EncoderMismatchError",
    "EncoderRequiredError",
    "EncodingError",
    "IndexNotBuiltError",
    "InvalidEmbeddingError",
    "InvalidInputError",
    "InvalidPatternError",
    "InvalidRouteError",
    "MissingExtraError",
    "NoRoutesError",
    "RouteNotFoundError",
    "SaveNotFoundError",
    "StrataError",
    "nearest_name_hint",
]


class StrataError(Exception):
    """Root of every error that the two packages raise on purpose.

    Attributes
    ----------
    code : str
        Stable name for programs, equal to the code of the REST interface.
    retryable : bool
        Whether the same call may succeed later without any change.
    origin : {"ours", "handler", "provider"}
        Whose fault it is.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: ClassVar[bool] = False
    origin: ClassVar[Literal["ours", "handler", "provider"]] = "ours"


class InvalidInputError(StrataError, ValueError):
    """A value handed in cannot be used; the message says what to pass instead."""

    code: ClassVar[str] = "INVALID_REQUEST"


class InvalidRouteError(InvalidInputError):
    """A route definition is incomplete or malformed."""


class InvalidPatternError(InvalidRouteError):
    """A route pattern is not a usable regular expression.

    Parameters
    ----------
    pattern : str
        The pattern as it was given.
    problem : str
        What is wrong with it and how to repair it.
    """

    def __init__(self, pattern: str, problem: str) -> None:
        super().__init__(f"pattern {pattern!r}: {problem}")
        self.pattern = pattern


class DuplicateRouteError(InvalidInputError):
    """A route with this id is already registered.

    Parameters
    ----------
    route_id : str
        The id that is taken.
    """

    code: ClassVar[str] = "DUPLICATE_ROUTE"

    def __init__(self, route_id: str) -> None:
        super().__init__(
            f"route {route_id!r} is already registered; "
            "use update_route() or pass replace=True to overwrite it"
        )
        self.route_id = route_id


class InvalidEmbeddingError(InvalidInputError):
    """An embedding holds NaN or infinity, is all zero, or has the wrong shape."""


class DimensionMismatchError(InvalidEmbeddingError):
    """An embedding has another width than the router.

    Parameters
    ----------
    expected : int
        Width of the router.
    actual : int
        Width of what was handed in.
    what : str
        Which embedding it was.
    """

    def __init__(self, expected: int, actual: int, what: str = "embedding") -> None:
        super().__init__(
            f"{what} has {actual} dimensions, the router has {expected}; "
            "use the encoder that the router was built with"
        )
        self.expected = expected
        self.actual = actual


DimensionMismatch = DimensionMismatchError


class EmbeddingCountError(InvalidEmbeddingError):
    """The number of embeddings fits neither the routes nor their examples.

    Parameters
    ----------
    actual : int
        Number of embeddings handed in.
    n_routes : int
        Number of registered routes.
    n_examples : int
        Number of texts over all routes.
    """

    def __init__(self, actual: int, n_routes: int, n_examples: int) -> None:
        super().__init__(
            f"got {actual} embeddings; expected {n_routes} (one per route), "
            f"{n_examples} (one per example, in the order of the routes), "
            "a list of one matrix per route, or a mapping of route id to matrix"
        )
        self.actual = actual
        self.n_routes = n_routes
        self.n_examples = n_examples


class EncoderMismatchError(InvalidInputError):
    """Vectors of one encoder were about to be compared with those of another.

    Parameters
    ----------
    expected : str
        Identity of the encoder that the router was built with.
    actual : str
        Identity of the encoder that was handed in.
    """

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            f"the router was built with encoder {expected!r}, but got {actual!r}; "
            "pass the encoder it was built with, or call build_index() to encode anew"
        )
        self.expected = expected
        self.actual = actual


class ConfigurationError(StrataError, ValueError):
    """A setting is unknown, contradictory or out of range."""

    code: ClassVar[str] = "CONFIGURATION_ERROR"


class RouteNotFoundError(StrataError, KeyError):
    """No route with this id is registered.

    Parameters
    ----------
    route_id : str
        The id that was looked up.
    known : iterable of str
        Registered ids, for the hint in the message.
    """

    code: ClassVar[str] = "ROUTE_NOT_FOUND"

    def __init__(self, route_id: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"no route {route_id!r}{nearest_name_hint(route_id, known)}")
        self.route_id = route_id

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would quote the sentence.
        return str(self.args[0])


class IndexNotBuiltError(StrataError, RuntimeError):
    """The router has routes but no index yet, and no encoder to build one."""

    code: ClassVar[str] = "INDEX_NOT_BUILT"


class NoRoutesError(StrataError, RuntimeError):
    """The router has no routes at all."""

    code: ClassVar[str] = "NO_ROUTES"


class EncoderRequiredError(StrataError, RuntimeError):
    """Text has to be encoded, but the vectors came from outside."""

    code: ClassVar[str] = "ENCODER_REQUIRED"


class EncodingError(StrataError, RuntimeError):
    """An encoder failed or returned something that is no embedding."""

    code: ClassVar[str] = "ENCODING_FAILED"


class SaveNotFoundError(StrataError, FileNotFoundError):
    """There is no saved router at this path."""

    code: ClassVar[str] = "SAVE_NOT_FOUND"


class CorruptSaveError(StrataError, ValueError):
    """A saved router is damaged, incomplete or of an unknown format."""

    code: ClassVar[str] = "CORRUPT_SAVE"


class MissingExtraError(StrataError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    package : str
        Name of the module that could not be imported.
    extra : str
        Extra of the distribution that brings it.
    """

    code: ClassVar[str] = "MISSING_EXTRA"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'stratarouter[{extra}]'")
        self.package = package
        self.extra = extra


def nearest_name_hint(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for the closest known name, or "".

    Parameters
    ----------
    name : str
        The name that was not found.
    known : iterable of str
        Names that exist.

    Returns
    -------
    str
        A clause to append to an error message.

    Examples
    --------
    >>> nearest_name_hint("treshold", ["threshold", "top_k"])
    "; did you mean 'threshold'?"
    """
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
