"""Checks of the fields of a route."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from stratarouter.errors import InvalidRouteError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PatternMode",
    "checked_description",
    "checked_id",
    "checked_metadata",
    "checked_mode",
    "checked_texts",
    "checked_threshold",
    "one_of",
]

PatternMode: TypeAlias = Literal["score", "override"]
"""A pattern either adds to the score, or decides alone."""

_MAX_ID_LENGTH = 256


def one_of(name: str, value: Any, other_name: str, other: Any) -> Any:
    """Return the value of a field that has two names.

    Parameters
    ----------
    name : str
        Name of the field.
    value : Any
        What was given under it.
    other_name : str
        Its other name.
    other : Any
        What was given under that.

    Returns
    -------
    Any
        The one that is not None.

    Raises
    ------
    InvalidRouteError
        If both are given and differ.
    """
    if value is not None and other is not None and value != other:
        raise InvalidRouteError(f"{name} and {other_name} are the same field; give only one")
    return other if value is None else value


def checked_id(value: object) -> str:
    """Return a route id without surrounding blanks.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    str
        Printable, not empty.

    Raises
    ------
    InvalidRouteError
        If it is no such string.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidRouteError(f"a route needs a non-empty string as id, got {value!r}")
    route_id = value.strip()
    if len(route_id) > _MAX_ID_LENGTH or not route_id.isprintable():
        raise InvalidRouteError(
            f"route id {route_id[:40]!r}… must be printable and at most {_MAX_ID_LENGTH} long"
        )
    return route_id


def checked_texts(route_id: str, name: str, value: object) -> tuple[str, ...]:
    """Return a list of texts as a tuple.

    Parameters
    ----------
    route_id : str
        Route, for the message.
    name : str
        Field, for the message.
    value : object
        What was given.

    Returns
    -------
    tuple of str
        The texts; empty for None.

    Raises
    ------
    InvalidRouteError
        If it is a single string or a text is blank.
    """
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise InvalidRouteError(
            f"route {route_id!r}: {name} must be a list of strings, got {value!r}; "
            f"write [{value!r}] for a single one"
        )
    texts = tuple(value)
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InvalidRouteError(
                f"route {route_id!r}: {name}[{position}] must be a non-empty string, got {text!r}"
            )
    return texts


def checked_description(route_id: str, value: object) -> str:
    """Return a description without surrounding blanks.

    Parameters
    ----------
    route_id : str
        Route, for the message.
    value : object
        What was given.

    Returns
    -------
    str
        The description; empty for None.

    Raises
    ------
    InvalidRouteError
        If it is no string.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRouteError(f"route {route_id!r}: description must be a string, got {value!r}")
    return value.strip()


def checked_metadata(route_id: str, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a copy of the metadata that cannot be written to.

    Parameters
    ----------
    route_id : str
        Route, for the message.
    value : mapping or None
        What was given.

    Returns
    -------
    mapping
        The copy; empty for None.

    Raises
    ------
    InvalidRouteError
        If it is no mapping.
    """
    if value is None:
        return MappingProxyType({})
    if not hasattr(value, "keys"):
        raise InvalidRouteError(f"route {route_id!r}: metadata must be a mapping, got {value!r}")
    return MappingProxyType(dict(value))


def checked_threshold(route_id: str, value: object) -> float | None:
    """Return a threshold.

    Parameters
    ----------
    route_id : str
        Route, for the message.
    value : object
        What was given.

    Returns
    -------
    float, in [0, 1], or None
        The threshold.

    Raises
    ------
    InvalidRouteError
        If it is outside [0, 1] or no number.
    """
    if value is None:
        return None
    # The comparison is written so that NaN fails it.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise InvalidRouteError(f"route {route_id!r}: threshold must be in [0, 1], got {value!r}")
    return float(value)


def checked_mode(route_id: str, value: str) -> PatternMode:
    """Return a pattern mode.

    Parameters
    ----------
    route_id : str
        Route, for the message.
    value : object
        What was given.

    Returns
    -------
    PatternMode
        The mode.

    Raises
    ------
    InvalidRouteError
        If it is unknown.
    """
    if value == "score":
        return "score"
    if value == "override":
        return "override"
    raise InvalidRouteError(
        f"route {route_id!r}: pattern_mode must be 'score' or 'override', got {value!r}"
    )
