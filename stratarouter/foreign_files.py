"""Routes in the files of other routers, told in our own fields.

Known are the files of semantic-router 0.x and 1.x, whole routers and bare lists of routes, and the
published save file of earlier StrataRouter releases. What such a file says about thresholds is
never taken over: it was compared with another kind of number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter.records import Document, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ForeignFileWarning", "ForeignRoutes", "translated"]

_SCHEMA_FIELDS = ("function_schemas", "function_schema", "openai_function_schema")
_V0_ONLY = ("score_threshold", "llm", *_SCHEMA_FIELDS)
_V1_ONLY = ("confidence_threshold",)
_SETTINGS = ("calibrator", "confidence_threshold", "threshold")
_INSTEAD = "set thresholds on the confidence, or have them certified"
_COMPOSED = ("chain", "merge")
_N_NAMED = 3


class ForeignFileWarning(UserWarning):
    """A file of another router says something that does not hold here and was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRoutes:
    """The routes of another router's file."""

    source: str
    """Whose file it is."""
    records: list[Record]
    """One entry per route, with the fields of `Route`."""
    notes: tuple[str, ...]
    """What was left out or moved, one sentence each."""


@dataclass(frozen=True, slots=True)
class _Format:
    """What a kind of file calls its threshold, and what that number means."""

    source: str
    threshold_field: str
    meaning: str


_V0 = _Format("semantic-router 0.x", "score_threshold", "a cosine")
_V1 = _Format("semantic-router 1.x", "confidence_threshold", "set against its own scores")
_SAVED = _Format("stratarouter 0.2", "threshold", "set against an uncalibrated score")


def translated(document: Document) -> ForeignRoutes | None:
    """Tell the routes of another router's file in our own fields.

    Schemas of functions move into the metadata of their route, under ``function_schemas``. Routes
    of one name in several parts of a composed router become one.

    Parameters
    ----------
    document : Document
        Content of a file.

    Returns
    -------
    ForeignRoutes or None
        The routes; None if the file is not recognised as another router's.

    Raises
    ------
    InvalidInputError
        If the file names a remote index instead of holding routes.

    Examples
    --------
    >>> record = Record("entry 1", {"name": "faq", "utterances": ["?"], "score_threshold": 0.3})
    >>> routes = translated(Document([record], {}))
    >>> routes.source, routes.records[0].fields
    ('semantic-router 0.x', {'name': 'faq', 'utterances': ['?']})
    """
    kind = _kind(document)
    if kind is None:
        return None
    flat = list(_flat(document.records)) if kind is _V1 else document.records
    dropped: dict[str, list[str]] = {}
    records = [_translated_record(record, kind, dropped) for record in flat]
    if document.header.get("router_type") in _COMPOSED:
        records = _joined(records)
    notes = [_note(field, names, kind) for field, names in dropped.items()]
    routers = [document.header, *(entry.fields for entry in document.records if kind is _V1)]
    own = [fields for fields in routers if "utterances" not in fields and "name" not in fields]
    settings = [name for name in _SETTINGS if any(entry.get(name) is not None for entry in own)]
    if settings:
        notes.append(
            f"left out of the router's own settings: {', '.join(settings)}; fit the confidence anew"
        )
    return ForeignRoutes(source=kind.source, records=records, notes=tuple(notes))


def _kind(document: Document) -> _Format | None:
    header = document.header
    if "router_type" in header:
        return _V1
    if "encoder_type" in header and "encoder_name" in header:
        return _V0
    if "encoder_config" in header and "dimension" in header:
        return _SAVED
    for record in document.records:
        if any(name in record.fields for name in _V0_ONLY):
            return _V0
        if any(name in record.fields for name in _V1_ONLY):
            return _V1
    return None


def _flat(records: Sequence[Record]) -> Iterator[Record]:
    """Yield the routes of a router, and of the routers that it is composed of."""
    for record in records:
        if "router_type" not in record.fields:
            yield record
            continue
        inner = record.fields.get("routers", record.fields.get("routes"))
        if not isinstance(inner, list):
            raise InvalidInputError(
                f"{record.place}: this router keeps its routes in an index, not in the file; "
                "export them first"
            )
        for number, fields in enumerate(inner, 1):
            place = f"{record.place}, entry {number}"
            if not isinstance(fields, dict):
                raise InvalidInputError(f"{place}: need a mapping of fields")
            yield from _flat([Record(place, fields)])


def _translated_record(record: Record, kind: _Format, dropped: dict[str, list[str]]) -> Record:
    fields = dict(record.fields)
    name = str(fields.get("name"))
    foreign = (kind.threshold_field,) if kind is _SAVED else (*_V0_ONLY, *_V1_ONLY)
    schemas: list[Any] = []
    for field in foreign:
        value = fields.pop(field, None)
        if value is None:
            continue
        if field in _SCHEMA_FIELDS:
            schemas += value if isinstance(value, list) else [value]
        dropped.setdefault(field, []).append(name)
    metadata = {} if fields.get("metadata") is None else fields["metadata"]
    if schemas and isinstance(metadata, dict):
        fields["metadata"] = {"function_schemas": schemas, **metadata}
    return Record(record.place, fields)


def _joined(records: Sequence[Record]) -> list[Record]:
    """Make routes of one name one route, with the examples of all."""
    by_name: dict[Any, Record] = {}
    for record in records:
        name = record.fields.get("name")
        earlier = by_name.get(name) if isinstance(name, str) else None
        if earlier is None:
            by_name[name if isinstance(name, str) else id(record)] = record
            continue
        fields = {**record.fields, **{k: v for k, v in earlier.fields.items() if v}}
        first, second = (entry.fields.get("utterances") or [] for entry in (earlier, record))
        if isinstance(first, list) and isinstance(second, list):
            fields["utterances"] = [*first, *(text for text in second if text not in first)]
        by_name[name] = Record(earlier.place, fields)
    return list(by_name.values())


def _note(field: str, names: Sequence[str], kind: _Format) -> str:
    shown = ", ".join(repr(name) for name in names[:_N_NAMED])
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    where = f"{field} of {shown}{more}"
    if field in _SCHEMA_FIELDS:
        return f"{where} is kept as metadata['function_schemas']; bind a handler that uses it"
    if field == "llm":
        return f"{where} is left out; bind the route to a handler or a provider instead"
    meaning = kind.meaning if field == kind.threshold_field else "another kind of number"
    return f"{where} is left out, because it is {meaning} and no confidence; {_INSTEAD}"
