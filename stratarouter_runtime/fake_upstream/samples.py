"""Values that fit a JSON schema: always the same ones for the same schema and text."""

from __future__ import annotations

import hashlib
import math
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["sample_value", "sample_vector"]

_DEEPEST = 16


def sample_value(schema: Mapping[str, Any], text: str, depth: int = 0) -> Any:
    """Return a value that fits a schema.

    Parameters
    ----------
    schema : mapping
        JSON schema; type, enum, const, properties, items, anyOf, oneOf and allOf are heeded.
    text : str
        What strings are filled with.
    depth : int
        How deep this schema lies in another.

    Returns
    -------
    object
        Plain data. Numbers are 1, truth values true, lists have one entry.
    """
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list) and options and isinstance(options[0], dict):
            return sample_value(options[0], text, depth + 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    return _of_type(_type_of(schema), schema, text, depth)


def sample_vector(text: str, dimension: int) -> tuple[float, ...]:
    """Return the embedding of a text.

    Parameters
    ----------
    text : str
        Any text.
    dimension : int, >= 1
        Width of the vector.

    Returns
    -------
    tuple of float
        A unit vector that depends on the text only and means nothing.
    """
    data = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimension)
    # An odd number is never zero, so that there is always a length to divide by.
    raw = [2 * value + 1 for value in struct.unpack(f"<{dimension}h", data)]
    length = math.sqrt(sum(value * value for value in raw))
    return tuple(round(value / length, 7) for value in raw)


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    if isinstance(kind, str):
        return kind.lower()
    return "object" if "properties" in schema else "string"


def _of_type(kind: str, schema: Mapping[str, Any], text: str, depth: int) -> Any:
    simple: dict[str, Any] = {"integer": 1, "number": 1, "boolean": True, "null": None}
    if kind in simple:
        return simple[kind]
    if kind == "array":
        items = schema.get("items")
        if not isinstance(items, dict) or depth >= _DEEPEST:
            return []
        return [sample_value(items, text, depth + 1)]
    if kind == "object":
        properties = schema.get("properties")
        if not isinstance(properties, dict) or depth >= _DEEPEST:
            return {}
        return {
            name: sample_value(entry, text, depth + 1)
            for name, entry in properties.items()
            if isinstance(entry, dict)
        }
    return text
