"""Plain JSON data: what a cache can store and give back unchanged."""

from __future__ import annotations

import json
import math
from typing import Any

from stratarouter_runtime.errors import CacheBackendError, UncacheableValueError

__all__ = ["canonical_json", "decode_plain", "encode_plain"]

_MAX_DEPTH = 64

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def canonical_json(value: object) -> bytes:
    """Return the same bytes for equal data, whatever the order of its keys.

    Parameters
    ----------
    value : object
        JSON data; tuples count as lists.

    Returns
    -------
    bytes
        ASCII.

    Raises
    ------
    UncacheableValueError
        If the value has no JSON form.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    try:
        return _CANONICAL.encode(value).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise UncacheableValueError(f"{error}; pass plain JSON data") from error


def encode_plain(value: object) -> bytes:
    """Return JSON bytes from which `decode_plain` makes an equal value of equal types.

    Parameters
    ----------
    value : object
        None, bool, int, finite float, str, and lists and dicts of them with str keys.

    Returns
    -------
    bytes
        UTF-8.

    Raises
    ------
    UncacheableValueError
        If a copy would differ: a tuple would come back as a list, a key 1 as "1".
    """
    _require_plain(value, 0)
    # Lone surrogates are legal in Python text, and have to survive.
    return _COMPACT.encode(value).encode("utf-8", "surrogatepass")


def decode_plain(data: bytes) -> Any:
    """Return a fresh copy of what `encode_plain` was given.

    Parameters
    ----------
    data : bytes
        Its result.

    Returns
    -------
    Any
        The value.

    Raises
    ------
    CacheBackendError
        If the bytes are damaged.
    """
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise CacheBackendError(f"a stored answer is damaged: {error}") from error


def _require_plain(value: object, depth: int) -> None:
    # Exact types: a subclass would come back as its base.
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return
    if kind is float and math.isfinite(value):  # type: ignore[arg-type]
        return
    if depth >= _MAX_DEPTH:
        raise UncacheableValueError(f"the value is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, list) and kind is list:
        for item in value:
            _require_plain(item, depth + 1)
        return
    if isinstance(value, dict) and kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise UncacheableValueError(
                    f"a key is a {type(key).__name__}; JSON only has strings as keys"
                )
            _require_plain(item, depth + 1)
        return
    raise UncacheableValueError(
        f"a value of type {kind.__name__} is not plain JSON data "
        "(None, bool, int, finite float, str, list, dict)"
    )
