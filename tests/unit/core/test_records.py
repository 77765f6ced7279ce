"""Entries of data files of every kind, and how malformed files are reported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from stratarouter import records
from stratarouter.errors import InvalidInputError, MissingExtraError
from stratarouter.records import read_records

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_know_their_place(tmp_path: Path) -> None:
    lines = read_records(write(tmp_path, "a.jsonl", '{"x": 1}\n\n{"x": 2}\n'))
    listed = read_records(write(tmp_path, "a.json", '[{"x": 1}, {"x": 2}]'))
    table = read_records(write(tmp_path, "a.csv", "x,y\n1,\n\n2,3\n"))
    places = [
        [record.place.removeprefix(str(tmp_path)) for record in r] for r in (lines, listed, table)
    ]
    assert places == [
        ["/a.jsonl, line 1", "/a.jsonl, line 3"],
        ["/a.json, entry 1", "/a.json, entry 2"],
        ["/a.csv, line 2", "/a.csv, line 4"],
    ]
    assert [record.fields for record in table] == [{"x": "1", "y": None}, {"x": "2", "y": "3"}]


def test_line_separators_inside_a_text_do_not_end_a_line_of_json(tmp_path: Path) -> None:
    path = write(tmp_path, "data.jsonl", '{"text": "a\u2028b\x85c"}\r\n{"text": "d"}')
    assert [record.fields["text"] for record in read_records(path)] == ["a\u2028b\x85c", "d"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("r.json", '[\n{"id": "a",}\n]', "line 2, column 12: not JSON"),
        ("r.jsonl", '{"id": "a", "examples": ["x"]}\n{"id" "b"}', "line 2, column 7: not JSON"),
        ("r.json", '[{"id": "a", "examples": ["x"], "id": "b"}]', "'id' is given twice"),
        ("r.json", '[{"id": "a", "metadata": {"x": NaN}}]', "NaN is not a JSON number"),
        ("r.json", '{"rotues": []}', "no list 'routes' or 'queries'; did you mean 'routes'"),
        ("r.json", '{"routes": {"a": {}}}', "need a list of entries, got dict"),
        ("r.json", '["a"]', "entry 1: need a mapping of fields, got str"),
        ("r.json", "[]", "holds no entries"),
        ("r.jsonl", "\n", "holds no entries"),
        ("r.toml", "routes = [", "not TOML: Invalid value"),
        ("r.yaml", "a: b: c", "(?s)not YAML: .*line 1"),
        ("r.yaml", "- &x {id: a}\n- *x", "line 2: an alias; write the text out"),
        ("r.yaml", "[" * 40, "line 1: too deep"),
        (
            "r.yaml",
            "!!python/object/apply:os.system ['true']",
            "(?s)not YAML: .*could not determine",
        ),
        ("r.json", "[" * 100_000, "nested too deeply"),
        ("r.toml", "a = " + "[" * 100_000, "nested too deeply"),
        ("r.txt", "a", r"unknown kind of file; use one of \.json, "),
    ],
)
def test_malformed_files_are_refused_by_place(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read_records(write(tmp_path, name, text))


def test_missing_file_and_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"gone\.json: cannot be read: No such file"):
        read_records(tmp_path / "gone.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InvalidInputError, match=r"folder\.json: cannot be read"):
        read_records(tmp_path / "folder.json")


def test_bytes_that_are_no_text_are_refused_by_position(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"[\xff]")
    with pytest.raises(InvalidInputError, match="not UTF-8 at byte 1"):
        read_records(path)


def test_file_above_the_limit_is_refused_and_below_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "a.json", '[{"x": 1}]')
    monkeypatch.setattr(records, "MAX_FILE_BYTES", 10)
    assert len(read_records(path)) == 1
    monkeypatch.setattr(records, "MAX_FILE_BYTES", 9)
    with pytest.raises(InvalidInputError, match="larger than 9 bytes"):
        read_records(path)


def test_yaml_without_its_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"stratarouter\[yaml\]"):
        read_records(write(tmp_path, "routes.yaml", "[]"))
