"""Routes from other routers' files, and what is said about the parts left out."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from stratarouter.errors import InvalidInputError, InvalidRouteError
from stratarouter.foreign_files import ForeignFileWarning
from stratarouter.route_files import load_routes, load_texts
from stratarouter.types import Route

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"name": "get_time", "parameters": {"city": "string"}}


def version_0(**fields: Any) -> dict[str, Any]:
    """Return a route with every field that semantic-router 0.x writes."""
    return {
        "name": "billing",
        "utterances": ["pay"],
        "description": None,
        "function_schemas": None,
        "llm": None,
        "score_threshold": None,
        "metadata": {},
        **fields,
    }


def layer(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"encoder_type": "openai", "encoder_name": "text-embedding-3-small", "routes": routes}


def version_1(name: str = "billing", **fields: Any) -> dict[str, Any]:
    """Return a route with every field that semantic-router 1.x writes."""
    return {
        "name": name,
        "utterances": ["pay"],
        "description": None,
        "confidence_threshold": None,
        "metadata": {},
        **fields,
    }


def indexed(*routes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "router_type": "indexed",
        "encoder": {"type": "fastembed", "name": "BAAI/bge-small-en-v1.5"},
        "top_k": 5,
        "index": {"type": "local"},
        "confidence_threshold": None,
        "calibrator": None,
        "routes": routes,
        **fields,
    }


def saved(**fields: Any) -> dict[str, Any]:
    """Return what StrataRouter 0.2.5 saves, with one route."""
    return {
        "version": "0.2.5",
        "mode": "local",
        "dimension": 384,
        "threshold": None,
        "encoder_config": {"type": "HuggingFaceEncoder", "model_name": "m", "dimension": 384},
        "routes": [
            {
                "name": "billing",
                "utterances": ["pay"],
                "description": None,
                "metadata": {"team": "blue"},
                "threshold": 0.82,
            }
        ],
        **fields,
    }


def write(folder: Path, data: object, name: str = "foreign.json") -> Path:
    path = folder / name
    text = (
        json.dumps(data) if name.endswith(".json") else yaml.safe_dump(json.loads(json.dumps(data)))
    )
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path) -> tuple[list[Route], list[str]]:
    """Return the routes and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        routes = load_routes(path)
    assert {entry.category for entry in caught} <= {ForeignFileWarning}
    # A warning points to the line that asked for the file.
    assert {entry.filename for entry in caught} <= {__file__}
    return routes, [str(entry.message) for entry in caught]


@pytest.mark.parametrize("name", ["layer.json", "layer.yaml"])
@pytest.mark.parametrize(
    "data",
    [
        layer(version_0()),
        [version_0()],
        [{"name": "billing", "utterances": ["pay"], "description": None}],
        indexed(version_1()),
        [version_1()],
        {"router_type": "decision", "model": {"type": "gliner2"}, "routes": [version_1()]},
    ],
)
def test_files_without_thresholds_load_silently(tmp_path: Path, name: str, data: object) -> None:
    assert load(write(tmp_path, data, name)) == ([Route("billing", examples=["pay"])], [])


def test_cosine_thresholds_are_left_out_with_a_warning(tmp_path: Path) -> None:
    data = layer(version_0(score_threshold=0.3), version_0(name="faq", score_threshold=0.0))
    routes, notes = load(write(tmp_path, data))
    assert [route.threshold for route in routes] == [None, None]
    [note] = notes
    assert "foreign.json (semantic-router 0.x): score_threshold of 'billing', 'faq'" in note
    assert "a cosine and no confidence" in note


def test_warning_names_three_routes_and_counts_the_others(tmp_path: Path) -> None:
    data = layer(*(version_0(name=f"r{i}", score_threshold=0.5) for i in range(5)))
    _, [note] = load(write(tmp_path, data))
    assert "'r0', 'r1', 'r2' and 2 more is left out" in note


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("function_schemas", [SCHEMA]),
        ("function_schema", SCHEMA),
        ("openai_function_schema", SCHEMA),
    ],
)
def test_function_schemas_move_into_the_metadata(tmp_path: Path, field: str, value: object) -> None:
    data = layer(version_0(**{"metadata": {"team": "blue"}, field: value}))
    [route], [note] = load(write(tmp_path, data))
    assert route.metadata == {"team": "blue", "function_schemas": [SCHEMA]}
    assert f"{field} of 'billing' is kept as metadata['function_schemas']" in note


def test_language_model_of_a_route_is_left_out_and_never_imported(tmp_path: Path) -> None:
    llm = {"module": "no.such.module", "class": "Evil", "model": "m"}
    [route], [note] = load(write(tmp_path, layer(version_0(llm=llm))))
    assert route == Route("billing", examples=["pay"])
    assert "llm of 'billing' is left out; bind the route" in note


def test_thresholds_and_calibrator_of_version_1_are_left_out(tmp_path: Path) -> None:
    calibrator = {"method": "platt", "params": {"a": [1.0], "b": [0.0]}}
    data = indexed(
        version_1(confidence_threshold=0.9, description="Money"),
        calibrator=calibrator,
        confidence_threshold=0.5,
    )
    [route], notes = load(write(tmp_path, data, "router.yml"))
    assert route == Route("billing", examples=["pay"], description="Money")
    assert "(semantic-router 1.x): confidence_threshold of 'billing'" in notes[0]
    assert "own settings: calibrator, confidence_threshold; fit" in notes[1]


def test_composed_routers_give_each_route_once_with_all_examples(tmp_path: Path) -> None:
    first = indexed(version_1(), version_1("faq", metadata={"a": 1}), confidence_threshold=0.4)
    second = {"router_type": "decision", "routes": [version_1("faq", utterances=["what?", "pay"])]}
    merged = {"router_type": "merge", "weights": [1, 1], "routers": [second]}
    data = {"router_type": "chain", "routers": [first, merged]}
    routes, [note] = load(write(tmp_path, data))
    assert routes == [
        Route("billing", examples=["pay"]),
        Route("faq", examples=["pay", "what?"], metadata={"a": 1}),
    ]
    assert "own settings: confidence_threshold" in note


def test_router_whose_routes_are_in_an_index_is_refused(tmp_path: Path) -> None:
    remote = indexed()
    del remote["routes"]
    data = {"router_type": "chain", "routers": [remote]}
    with pytest.raises(InvalidInputError, match=r"entry 1: this router keeps its routes in an in"):
        load_routes(write(tmp_path, data))
    with pytest.raises(InvalidInputError, match="there is no list 'routes'"):
        load_routes(write(tmp_path, remote))


def test_published_save_format_loads_without_its_thresholds(tmp_path: Path) -> None:
    [route], notes = load(write(tmp_path, saved(threshold=0.5)))
    assert route == Route("billing", examples=["pay"], metadata={"team": "blue"})
    assert "(stratarouter 0.2): threshold of 'billing' is left out" in notes[0]
    assert "own settings: threshold" in notes[1]


def test_published_save_format_without_encoder_is_recognised(tmp_path: Path) -> None:
    [route], [note] = load(write(tmp_path, saved(encoder_config=None)))
    assert route.threshold is None
    assert "threshold of 'billing'" in note


def test_threshold_of_our_own_files_stays(tmp_path: Path) -> None:
    data = {"version": 1, "routes": [{"id": "billing", "examples": ["pay"], "threshold": 0.82}]}
    [route], notes = load(write(tmp_path, data))
    assert (route.threshold, notes) == (0.82, [])


def test_texts_of_a_foreign_file_are_those_of_its_routes(tmp_path: Path) -> None:
    data = indexed(version_1(description="Money"), version_1("faq", utterances=["what?"]))
    assert load_texts(write(tmp_path, data)) == ["pay", "Money", "what?"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (layer(version_0(utterances=[{"image": 1}])), "entry 1: .*'billing'"),
        (layer(version_0(utterances=[])), "entry 1: .*neither examples nor a description"),
        (layer(version_0(scores=1)), "entry 1: a route has no field 'scores'"),
        (layer(version_0(metadata=["x"], function_schemas=[SCHEMA])), "entry 1: .*metadata"),
        ({"router_type": "chain", "routers": [indexed(version_1(""))]}, "entry 1, entry 1: "),
    ],
)
def test_malformed_foreign_routes_are_refused_by_place(
    tmp_path: Path, data: object, problem: str
) -> None:
    with pytest.raises(InvalidRouteError, match=problem):
        load(write(tmp_path, data))


def test_composed_router_of_no_mappings_is_refused(tmp_path: Path) -> None:
    data = {"router_type": "merge", "routers": [{"router_type": "indexed", "routes": ["x"]}]}
    with pytest.raises(InvalidInputError, match="entry 1, entry 1: need a mapping"):
        load_routes(write(tmp_path, data))


def test_composed_router_without_routes_is_refused(tmp_path: Path) -> None:
    data = {"router_type": "chain", "routers": [{"router_type": "indexed", "routes": []}]}
    with pytest.raises(InvalidInputError, match="holds no routes"):
        load_routes(write(tmp_path, data))
