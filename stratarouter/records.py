"""Entries of data files: JSON, JSON lines, TOML, YAML, CSV and TSV read as plain records."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from stratarouter.errors import InvalidInputError, MissingExtraError, nearest_name_hint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["MAX_FILE_BYTES", "Document", "Record", "read_document", "read_records"]

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Largest file that is read; the parsed data take several times as much memory."""

_MAX_YAML_DEPTH = 32
# "routers" in files of composed semantic-routers.
_LIST_NAMES = ("routes", "queries", "routers")

_Reader: TypeAlias = "Callable[[Path, str], Document]"


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a file."""

    place: str
    """File and line or number, for messages."""
    fields: dict[str, Any]
    """Its data by field name."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file."""

    records: list[Record]
    """Its entries, in order."""
    header: dict[str, Any]
    """What a mapping says beside its list of entries; empty for other files."""


def read_records(path: Path) -> list[Record]:
    """Read the entries of a data file, and nothing of what stands beside them.

    Parameters
    ----------
    path : Path
        The file; the ending of its name says what it is.

    Returns
    -------
    list of Record
        At least one entry, in the order of the file.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is larger than `MAX_FILE_BYTES`, is malformed or empty.
    MissingExtraError
        If the file is YAML and the extra ``yaml`` is not installed.
    """
    return read_document(path).records


def read_document(path: Path) -> Document:
    """Read a data file.

    JSON, TOML and YAML hold a list of mappings, or a mapping with such a list under ``routes``,
    ``queries`` or ``routers``; JSON lines hold a mapping per line, CSV and TSV a row per line under
    a line with the names of the columns. Empty cells of CSV and TSV are None.

    Parameters
    ----------
    path : Path
        The file; the ending of its name says what it is.

    Returns
    -------
    Document
        At least one entry, and what stands beside the list.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is larger than `MAX_FILE_BYTES`, is malformed or empty.
    MissingExtraError
        If the file is YAML and the extra ``yaml`` is not installed.
    """
    readers: dict[str, _Reader] = {
        ".json": _read_json,
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
        ".toml": _read_toml,
        ".yaml": _read_yaml,
        ".yml": _read_yaml,
        ".csv": _read_table,
        ".tsv": _read_table,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidInputError(f"{path}: unknown kind of file; use one of {', '.join(readers)}")
    try:
        document = reader(path, _read_text(path))
    except RecursionError:
        raise InvalidInputError(f"{path}: the data are nested too deeply") from None
    if not document.records:
        raise InvalidInputError(f"{path}: the file holds no entries")
    return document


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # Asking for one byte more tells too much from just enough, for pipes and devices too.
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path}: larger than {MAX_FILE_BYTES} bytes; split the file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: not UTF-8 at byte {error.start}") from error


def _read_json(path: Path, text: str) -> Document:
    return _listed(path, _parse_json(path, text, line=1))


def _read_json_lines(path: Path, text: str) -> Document:
    # Not splitlines(): U+2028 and its like are ordinary characters inside a JSON string.
    lines = enumerate(text.split("\n"), start=1)
    records = [
        _record(f"{path}, line {number}", _parse_json(path, line, line=number))
        for number, line in lines
        if line.strip()
    ]
    return Document(records, {})


def _parse_json(path: Path, text: str, line: int) -> object:
    try:
        return json.loads(text, object_pairs_hook=_distinct_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {line + error.lineno - 1}, column {error.colno}"
        raise InvalidInputError(f"{path}, {place}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise InvalidInputError(f"{path}, line {line} or below: {error}") from error


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} is given twice")
    return fields


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _read_toml(path: Path, text: str) -> Document:
    try:
        return _listed(path, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path}: not TOML: {error}") from error


def _read_yaml(path: Path, text: str) -> Document:
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("yaml", extra="yaml") from None
    depth = 0
    try:
        # Before anything is built: an alias of an alias grows without bound, and depth costs
        # the scanner quadratic time.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_YAML_DEPTH or isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                problem = "an alias; write the text out" if depth <= _MAX_YAML_DEPTH else "too deep"
                raise InvalidInputError(f"{path}, line {line}: {problem}")
        return _listed(path, yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InvalidInputError(f"{path}: not YAML: {error}") from error


def _read_table(path: Path, text: str) -> Document:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records = []
    try:
        for row in rows:
            place = f"{path}, line {rows.line_num}"
            # DictReader files the cells beyond the named columns under None.
            if None in row:
                raise InvalidInputError(
                    f"{place}: more cells than the {len(rows.fieldnames or ())} columns named in "
                    "line 1; quote texts that hold the delimiter"
                )
            records.append(Record(place, {name: cell or None for name, cell in row.items()}))
    except csv.Error as error:
        # The line that the reader stands in, not that of the last whole row.
        raise InvalidInputError(f"{path}, line {rows.reader.line_num}: {error}") from error
    return Document(records, {})


def _listed(path: Path, data: object) -> Document:
    header: dict[str, Any] = {}
    if isinstance(data, dict):
        name = next((name for name in _LIST_NAMES if name in data), None)
        if name is None:
            hints = [nearest_name_hint(str(key), _LIST_NAMES) for key in data]
            hint = next((hint for hint in hints if hint), "")
            raise InvalidInputError(f"{path}: there is no list 'routes' or 'queries'{hint}")
        header = {key: value for key, value in data.items() if key != name}
        data = data[name]
    if not isinstance(data, list):
        raise InvalidInputError(f"{path}: need a list of entries, got {type(data).__name__}")
    records = [_record(f"{path}, entry {number}", value) for number, value in enumerate(data, 1)]
    return Document(records, header)


def _record(place: str, value: object) -> Record:
    if not isinstance(value, dict):
        raise InvalidInputError(f"{place}: need a mapping of fields, got {type(value).__name__}")
    return Record(place, value)
