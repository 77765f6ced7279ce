"""Routes and labelled queries from files.

JSON, JSON lines, TOML and YAML hold routes, those and CSV or TSV hold labelled texts; the ending of
the name says which. A file is read as data only, up to 64 MiB.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.errors import InvalidInputError, InvalidRouteError, nearest_name_hint
from stratarouter.foreign_files import ForeignFileWarning, translated
from stratarouter.records import Record, read_document, read_records
from stratarouter.types import Route

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

__all__ = [
    "ForeignFileWarning",
    "LabelledText",
    "load_labelled",
    "load_queries",
    "load_routes",
    "load_texts",
    "save_routes",
]

_ROUTE_FIELDS = (
    *("id", "name", "examples", "utterances", "description", "keywords", "patterns", "tags"),
    *("metadata", "threshold", "pattern_mode"),
)
_TEXT_FIELDS = ("text", "query")
_LABEL_FIELDS = ("label", "route", "route_id", "intent")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledText:
    """One query of a data set."""

    text: str
    """The query."""
    label: str | None
    """Id of the right route; None for out-of-scope."""
    split: str | None = None
    """Part of the data set that it belongs to, such as "train" or "test"."""


def load_routes(
    path: str | os.PathLike[str],
    *,
    per_route: int | None = None,
    split: str = "train",
    out_of_scope_label: str = "oos",
    seed: int = 0,
) -> list[Route]:
    """Read routes from a file.

    The file holds a list of routes, or a mapping with such a list under ``routes`` (whatever else
    the mapping holds is ignored); JSON lines hold one route a line. Both dialects,
    ``id``/``examples`` and ``name``/``utterances``, are known. A file of labelled texts, see
    `load_labelled`, gives one route per label with its texts as examples.

    Files of semantic-router, 0.x and 1.x, and of StrataRouter 0.2 load too. Their thresholds are
    left out, because they are no confidences; a `ForeignFileWarning` names what was.

    Parameters
    ----------
    path : str or path-like
        A ``.json``, ``.jsonl``, ``.toml``, ``.yaml`` or ``.yml`` file; labelled texts also
        ``.csv`` or ``.tsv``.
    per_route : int, optional
        Most examples per route, >= 1, drawn at random and kept in order; None keeps all.
    split : str
        Which part of labelled texts to use, where the file names parts.
    out_of_scope_label : str
        Label of texts that belong to no route; they are left out.
    seed : int
        Seed of the draw.

    Returns
    -------
    list of Route
        The routes in the order of the file.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is too large or is malformed, or two routes share an id.
    InvalidRouteError
        If a route is malformed or has an unknown field; the message says where.
    MissingExtraError
        If the file is YAML and the extra ``yaml`` is not installed.
    """
    path = Path(path)
    records = _read_route_records(path)
    if _is_labelled(records[0]):
        rows = [_labelled(record, out_of_scope_label, "split") for record in records]
        routes = _routes_of_labels(path, _of_split(path, rows, split))
    else:
        routes = [_route(record) for record in records]
        _require_distinct(routes, records)
    if per_route is None:
        return routes
    return _sampled(routes, per_route, np.random.default_rng(seed))


def save_routes(routes: Iterable[Route], path: str | os.PathLike[str]) -> None:
    """Write routes to a file that `load_routes` reads back as equal ones.

    Empty fields are left out. An existing file is replaced only once the new one is complete.

    Parameters
    ----------
    routes : iterable of Route
        At least one route.
    path : str or path-like
        A ``.json`` or ``.jsonl`` file.

    Raises
    ------
    InvalidInputError
        If there are no routes, the ending is another one, or metadata cannot be written as JSON.
    """
    path = Path(path)
    entries = [_written_fields(route) for route in routes]
    if not entries:
        raise InvalidInputError("there are no routes to save")
    if path.suffix not in (".json", ".jsonl"):
        raise InvalidInputError(f"{path}: routes are saved as .json or .jsonl")
    try:
        if path.suffix == ".json":
            text = json.dumps({"routes": entries}, ensure_ascii=False, allow_nan=False, indent=2)
        else:
            lines = [json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries]
            text = "\n".join(lines)
        data = f"{text}\n".encode()
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{path}: a route cannot be written as JSON: {error}") from error
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def load_labelled(
    path: str | os.PathLike[str], *, out_of_scope_label: str = "oos", split_field: str = "split"
) -> list[LabelledText]:
    """Read labelled texts from a file.

    Each entry has a ``text`` (or ``query``), a ``label`` (or ``route``, ``route_id``, ``intent``)
    and perhaps a split. An entry without label, or whose label is null, empty, "none" or
    `out_of_scope_label`, is out of scope. Further fields are ignored.

    Parameters
    ----------
    path : str or path-like
        A ``.jsonl``, ``.json``, ``.csv``, ``.tsv``, ``.toml``, ``.yaml`` or ``.yml`` file. The
        first line of CSV and TSV names the columns.
    out_of_scope_label : str
        A further label that means out-of-scope.
    split_field : str
        Field that names the part of the data set.

    Returns
    -------
    list of LabelledText
        The entries in the order of the file.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is too large or is malformed; the message says where.
    MissingExtraError
        If the file is YAML and the extra ``yaml`` is not installed.
    """
    records = read_records(Path(path))
    return [_labelled(record, out_of_scope_label, split_field) for record in records]


def load_queries(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    out_of_scope_label: str = "oos",
) -> tuple[list[str], list[str | None]]:
    """Read queries and their labels, as `Router.fit` and `Router.evaluate` take them.

    Parameters
    ----------
    path : str or path-like
        A file as `load_labelled` takes it.
    split : str, optional
        Which part to use, where the file names parts; None takes all.
    out_of_scope_label : str
        A further label that means out-of-scope.

    Returns
    -------
    queries : list of str
        The texts.
    labels : list of str or None
        Their routes; None for out-of-scope.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is too large or is malformed, or names parts but not this one.
    MissingExtraError
        If the file is YAML and the extra ``yaml`` is not installed.
    """
    rows = load_labelled(path, out_of_scope_label=out_of_scope_label)
    if split is not None:
        rows = _of_split(Path(path), rows, split)
    return [row.text for row in rows], [row.label for row in rows]


def load_texts(path: str | os.PathLike[str]) -> list[str]:
    """Read every text of a file, in the order in which its embeddings are stored.

    Parameters
    ----------
    path : str or path-like
        A file as `load_routes` or `load_labelled` takes it.

    Returns
    -------
    list of str
        The text of each entry; of routes, the examples of each and then its description.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is too large or is malformed; the message says where.
    """
    records = _read_route_records(Path(path))
    if _is_labelled(records[0]):
        return [_labelled(record, "", "").text for record in records]
    return [text for record in records for text in _route(record).texts]


def _read_route_records(path: Path) -> list[Record]:
    document = read_document(path)
    foreign = translated(document)
    if foreign is None:
        return document.records
    for note in foreign.notes:
        # Past this function and load_routes, to the line that called it.
        warnings.warn(f"{path} ({foreign.source}): {note}", ForeignFileWarning, stacklevel=3)
    if not foreign.records:
        raise InvalidInputError(f"{path}: the file holds no routes")
    return foreign.records


def _route(record: Record) -> Route:
    for name in record.fields:
        if name not in _ROUTE_FIELDS:
            hint = nearest_name_hint(str(name), _ROUTE_FIELDS)
            raise InvalidRouteError(f"{record.place}: a route has no field {name!r}{hint}")
    try:
        return Route(**record.fields)
    except InvalidRouteError as error:
        raise InvalidRouteError(f"{record.place}: {error}") from error


def _require_distinct(routes: Sequence[Route], records: Sequence[Record]) -> None:
    first_place: dict[str, str] = {}
    for route, record in zip(routes, records, strict=True):
        earlier = first_place.setdefault(route.id, record.place)
        if earlier != record.place:
            raise InvalidInputError(
                f"{record.place}: id {route.id!r} is already taken by {earlier}; "
                "give each route its own"
            )


def _written_fields(route: Route) -> dict[str, Any]:
    entries = route.to_dict().items()
    return {
        name: value for name, value in entries if value is not None and value not in ("", [], {})
    }


def _routes_of_labels(path: Path, rows: Sequence[LabelledText]) -> list[Route]:
    examples: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.label is not None:
            examples.setdefault(row.label, {})[row.text] = None
    if not examples:
        raise InvalidInputError(f"{path}: no text has a label, so there are no routes")
    return [Route(label, examples=list(texts)) for label, texts in examples.items()]


def _sampled(routes: Sequence[Route], per_route: int, rng: np.random.Generator) -> list[Route]:
    if per_route < 1:
        raise InvalidInputError(f"per_route must be at least 1, got {per_route}")
    return [
        Route(**{**route.to_dict(), "examples": [route.examples[i] for i in kept]})
        for route in routes
        for kept in [_draw(len(route.examples), per_route, rng)]
    ]


def _draw(n: int, size: int, rng: np.random.Generator) -> list[int]:
    drawn: list[int] = np.sort(rng.permutation(n)[:size]).tolist()
    return drawn


def _is_labelled(record: Record) -> bool:
    has_text = any(name in record.fields for name in _TEXT_FIELDS)
    # A data set may well number its entries under "id"; only a route has one of these.
    return has_text and not record.fields.keys() & {"examples", "utterances", "description"}


def _labelled(record: Record, out_of_scope_label: str, split_field: str) -> LabelledText:
    fields, place = record.fields, record.place
    text = _text_field(record, _TEXT_FIELDS)
    if text is None or not text.strip():
        raise InvalidInputError(f"{place}: {text!r} is no text; write the query into 'text'")
    label = _text_field(record, _LABEL_FIELDS)
    label = None if label is None else label.strip()
    if label in ("", out_of_scope_label) or (label is not None and label.casefold() == "none"):
        label = None
    split = fields.get(split_field)
    if split is not None and (isinstance(split, bool) or not isinstance(split, (str, int))):
        raise InvalidInputError(f"{place}: field {split_field!r} must be a name, got {split!r}")
    return LabelledText(text=text, label=label, split=None if split is None else str(split))


def _text_field(record: Record, names: Sequence[str]) -> str | None:
    """Return the one of `names` that the record has; a misspelt one is an error."""
    given = [name for name in names if record.fields.get(name) is not None]
    if len(given) > 1:
        raise InvalidInputError(f"{record.place}: {given[0]!r} and {given[1]!r} are the same field")
    if given:
        value = record.fields[given[0]]
        if not isinstance(value, str):
            raise InvalidInputError(
                f"{record.place}: field {given[0]!r} must be a string, got {value!r}"
            )
        return value
    if not any(name in record.fields for name in names):
        for name in record.fields:
            hint = nearest_name_hint(str(name), names)
            if hint and name not in (*_TEXT_FIELDS, *_LABEL_FIELDS):
                raise InvalidInputError(f"{record.place}: unknown field {name!r}{hint}")
    return None


def _of_split(path: Path, rows: Sequence[LabelledText], split: str) -> list[LabelledText]:
    splits = dict.fromkeys(row.split for row in rows if row.split is not None)
    if not splits:
        return list(rows)
    if split not in splits:
        raise InvalidInputError(f"{path}: there is no split {split!r}, only {', '.join(splits)}")
    return [row for row in rows if row.split == split]
