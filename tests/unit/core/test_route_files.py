"""Routes and labelled queries from files of every kind, and how faults in them are reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter.errors import InvalidInputError, InvalidRouteError
from stratarouter.route_files import (
    LabelledText,
    load_labelled,
    load_queries,
    load_routes,
    save_routes,
)
from stratarouter.types import Route

if TYPE_CHECKING:
    from pathlib import Path

BILLING = Route("billing", examples=["Where's my invoice?"], keywords=["invoice"], threshold=0.0)
SUPPORT = Route("support", description="Something does not work", patterns=[r"re:\berror\b"])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


LINES = """\
{"text": "Where is my card?", "label": "card", "split": "train"}
{"text": "card late", "label": "card", "split": "train"}

{"text": "card late", "label": "card", "split": "train"}
{"text": "sing a song", "label": "oos", "split": "train"}
{"text": "top up failed", "label": "top_up", "split": "train"}
{"text": "my card?", "label": "card", "split": "test"}
{"text": "tell a joke", "label": "oos", "split": "test"}
"""


# Routes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "list.json",
            '[{"id": "billing", "examples": ["pay"]}, {"name": "faq", "utterances": ["?"]}]',
        ),
        (
            "mapping.json",
            '{"routes": [{"id": "billing", "examples": ["pay"]},'
            ' {"id": "faq", "examples": ["?"]}], "version": 1}',
        ),
        (
            "bom.json",
            '\ufeff[{"id": "billing", "examples": ["pay"]}, {"id": "faq", "examples": ["?"]}]',
        ),
        (
            "lines.jsonl",
            '{"id": "billing", "examples": ["pay"]}\n\n{"id": "faq", "examples": ["?"]}\n',
        ),
        (
            "tables.toml",
            '[[routes]]\nid = "billing"\nexamples = ["pay"]\n'
            '[[routes]]\nid = "faq"\nexamples = ["?"]\n',
        ),
        ("list.yaml", "- id: billing\n  examples: [pay]\n- name: faq\n  utterances: ['?']\n"),
        (
            "mapping.yml",
            "routes:\n- id: billing\n  examples: [pay]\n- id: faq\n  examples: ['?']\n",
        ),
    ],
)
def test_every_format_and_dialect_gives_the_same_routes(
    tmp_path: Path, name: str, text: str
) -> None:
    routes = load_routes(write(tmp_path, name, text))
    assert routes == [Route("billing", examples=["pay"]), Route("faq", examples=["?"])]


def test_all_fields_arrive(tmp_path: Path) -> None:
    full = {
        "id": "billing",
        "description": "Money",
        "examples": ["pay"],
        "keywords": ["invoice"],
        "patterns": ["re:inv-\\d+"],
        "tags": ["money"],
        "metadata": {"team": {"name": "blue"}},
        "threshold": 0.7,
        "pattern_mode": "override",
    }
    path = write(tmp_path, "routes.json", json.dumps([full]))
    assert load_routes(path)[0].to_dict() == full


@pytest.mark.parametrize("name", ["routes.json", "routes.jsonl"])
def test_saved_routes_load_as_equal_ones(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_routes([BILLING, SUPPORT], path)
    loaded = load_routes(path)
    assert loaded == [BILLING, SUPPORT]
    assert loaded[0].threshold == 0.0
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


texts = st.text(min_size=1, max_size=12).filter(str.strip)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
routes_of_any_kind = st.builds(
    Route,
    id=st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8),
    examples=st.lists(texts, min_size=1, max_size=3),
    description=st.none() | texts,
    keywords=st.lists(texts, max_size=2),
    patterns=st.lists(texts, max_size=2),
    tags=st.lists(texts, max_size=2),
    metadata=st.dictionaries(st.text(max_size=5), json_values, max_size=3),
    threshold=st.none() | st.floats(0.0, 1.0),
    pattern_mode=st.sampled_from(["score", "override"]),
)


@settings(max_examples=60)
@given(
    routes=st.lists(routes_of_any_kind, min_size=1, max_size=4, unique_by=lambda route: route.id),
    ending=st.sampled_from([".json", ".jsonl"]),
)
def test_saving_and_loading_is_the_identity(
    tmp_path_factory: pytest.TempPathFactory, routes: list[Route], ending: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"identity{ending}"
    save_routes(routes, path)
    assert load_routes(path) == routes


def test_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    save_routes([BILLING], path)
    with pytest.raises(InvalidInputError, match="cannot be written as JSON"):
        save_routes([Route("a", examples=["b"], metadata={"when": {1, 2}})], path)
    assert load_routes(path) == [BILLING]


def test_saving_nothing_or_as_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no routes"):
        save_routes([], tmp_path / "routes.json")
    with pytest.raises(InvalidInputError, match=r"saved as \.json or \.jsonl"):
        save_routes([BILLING], tmp_path / "routes.toml")


# Routes from labelled texts --------------------------------------------------------------------


def test_labelled_texts_become_routes_of_their_train_split(tmp_path: Path) -> None:
    assert load_routes(write(tmp_path, "data.jsonl", LINES)) == [
        Route("card", examples=["Where is my card?", "card late"]),
        Route("top_up", examples=["top up failed"]),
    ]


def test_numbered_texts_are_texts_and_not_routes(tmp_path: Path) -> None:
    path = write(tmp_path, "data.csv", "id,text,label\n1,pay,billing\n2,crash,support\n")
    assert [route.id for route in load_routes(path)] == ["billing", "support"]


def test_sample_is_drawn_from_the_examples_in_order_and_by_seed(tmp_path: Path) -> None:
    rows = [{"text": f"text {i:02}", "label": f"route {i % 2}"} for i in range(40)]
    path = write(tmp_path, "data.json", json.dumps(rows))
    first, again, other = (
        [route.examples for route in load_routes(path, per_route=5, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert [len(examples) for examples in first] == [5, 5]
    assert all(list(examples) == sorted(set(examples)) for examples in first)
    whole = load_routes(path)
    assert all(set(part) < set(route.examples) for part, route in zip(first, whole, strict=True))


def test_sample_of_routes_keeps_their_other_fields(tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    route = Route("a", examples=["x", "y", "z"], keywords=["k"], threshold=0.0)
    save_routes([route, SUPPORT], path)
    sampled, without_examples = load_routes(path, per_route=2)
    assert len(sampled.examples) == 2
    assert (sampled.keywords, sampled.threshold) == (("k",), 0.0)
    assert without_examples == SUPPORT


def test_sample_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="per_route must be at least 1"):
        load_routes(write(tmp_path, "data.jsonl", LINES), per_route=0)


def test_only_out_of_scope_texts_give_no_routes(tmp_path: Path) -> None:
    path = write(tmp_path, "data.jsonl", '{"text": "a"}\n{"text": "b", "label": "oos"}\n')
    with pytest.raises(InvalidInputError, match="no text has a label"):
        load_routes(path)


# Labelled queries ------------------------------------------------------------------------------


def test_queries_of_a_split(tmp_path: Path) -> None:
    path = write(tmp_path, "data.jsonl", LINES)
    assert load_queries(path, split="test") == (["my card?", "tell a joke"], ["card", None])
    assert len(load_queries(path)[0]) == 7


def test_split_is_ignored_where_the_file_names_none_and_refused_where_it_names_others(
    tmp_path: Path,
) -> None:
    plain = write(tmp_path, "plain.jsonl", '{"text": "a", "label": "b"}\n')
    assert load_queries(plain, split="test") == (["a"], ["b"])
    with pytest.raises(InvalidInputError, match="no split 'valid', only train, test"):
        load_queries(write(tmp_path, "data.jsonl", LINES), split="valid")


@pytest.mark.parametrize("label", ["", "  ", "oos", "none", "None", None])
def test_labels_that_mean_out_of_scope(tmp_path: Path, label: str | None) -> None:
    path = write(tmp_path, "data.json", json.dumps([{"query": "a", "intent": label}]))
    assert load_queries(path) == (["a"], [None])


def test_missing_label_means_out_of_scope(tmp_path: Path) -> None:
    assert load_queries(write(tmp_path, "data.jsonl", '{"text": "a"}\n')) == (["a"], [None])


def test_out_of_scope_label_can_be_another(tmp_path: Path) -> None:
    path = write(tmp_path, "data.csv", "text,label\na,oos\nb,other\n")
    assert load_queries(path, out_of_scope_label="other") == (["a", "b"], ["oos", None])


@pytest.mark.parametrize("field", ["label", "route", "route_id", "intent"])
@pytest.mark.parametrize(("name", "delimiter"), [("data.csv", ","), ("data.tsv", "\t")])
def test_tables_with_quotes_and_further_columns(
    tmp_path: Path, name: str, delimiter: str, field: str
) -> None:
    rows = [("id", "text", field), ("1", '"pay, now\nplease"', "billing"), ("2", "sing", "")]
    path = write(tmp_path, name, "".join(f"{delimiter.join(row)}\r\n" for row in rows))
    assert load_queries(path) == (["pay, now\nplease", "sing"], ["billing", None])


def test_split_field_can_have_another_name_and_be_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, "data.jsonl", '{"text": "a", "label": "b", "half": 2}\n')
    expected = [LabelledText(text="a", label="b", split="2")]
    assert load_labelled(path, split_field="half") == expected


def test_routes_of_one_id_are_refused_by_both_places(tmp_path: Path) -> None:
    text = '{"id": "a", "examples": ["x"]}\n{"name": "a", "examples": ["y"]}'
    with pytest.raises(InvalidInputError, match=r"line 2: id 'a' is already taken by .*line 1"):
        load_routes(write(tmp_path, "r.jsonl", text))


# Faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "r.json",
            '[{"id": "a", "exampels": ["x"]}]',
            "entry 1: .*'exampels'; did you mean 'examples'",
        ),
        ("r.json", '[{"id": "a", "examples": ["x"]}, {"id": "b"}]', "entry 2: .*neither examples"),
        ("r.json", '[{"id": "a", "examples": "x"}]', "entry 1: .*must be a list of strings"),
        (
            "r.json",
            '[{"id": "a", "examples": ["x"], "threshold": 2}]',
            r"threshold must be in \[0, 1\]",
        ),
        (
            "r.jsonl",
            '{"id": "a", "examples": ["x"]}\n{"id": ""}',
            "line 2: a route needs a non-empty",
        ),
        ("r.toml", '[[routes]]\nid = "a"\nkeyword = ["x"]', "did you mean 'keywords'"),
        ("r.yaml", "- id: a\n  1: x\n", "a route has no field 1"),
        ("r.json", '[{"text": "x", "examples": ["y"]}]', "a route has no field 'text'"),
    ],
)
def test_malformed_routes_are_refused_by_place(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(InvalidRouteError, match=problem) as caught:
        load_routes(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "q.jsonl",
            '{"txet": "a", "label": "b"}',
            "line 1: unknown field 'txet'; did you mean 'text'",
        ),
        ("q.jsonl", '{"text": "a", "lable": "b"}', "unknown field 'lable'; did you mean 'label'"),
        ("q.jsonl", '{"text": " ", "label": "b"}', "line 1: ' ' is no text"),
        ("q.jsonl", '{"label": "b"}', "line 1: None is no text"),
        ("q.jsonl", '{"text": "a", "label": 7}', "field 'label' must be a string, got 7"),
        ("q.jsonl", '{"text": "a", "query": "b"}', "'text' and 'query' are the same field"),
        ("q.jsonl", '{"text": "a", "split": true}', "field 'split' must be a name, got True"),
        ("q.csv", "text,label\na,b\npay, now,b\n", "line 3: more cells than the 2 columns"),
        ("q.csv", 'text,label\na,b\n"open', "line 3: unexpected end of data"),
        ("q.csv", "Where is it?,card\na,b\n", "None is no text"),
        ("q.csv", "text,label\n", "holds no entries"),
    ],
)
def test_malformed_queries_are_refused_by_place(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        load_queries(write(tmp_path, name, text))


def test_field_that_resembles_the_label_is_ignored_beside_a_label(tmp_path: Path) -> None:
    path = write(tmp_path, "q.jsonl", '{"text": "a", "label": "b", "label_id": 7}')
    assert load_queries(path) == (["a"], ["b"])


json_like: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["routes", "id", "examples", "text", "label", "metadata", "x"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(json_like)
def test_any_data_give_routes_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    try:
        loaded = load_routes(path)
    except InvalidInputError as error:
        assert str(path) in str(error)  # noqa: PT017 -- either outcome is right
    else:
        assert loaded
        assert all(isinstance(route, Route) for route in loaded)
