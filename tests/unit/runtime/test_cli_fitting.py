"""The commands that fit, save, load, draw and certify, in process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import Route, Router
from stratarouter_runtime.cli import main

if TYPE_CHECKING:
    from pathlib import Path

ROUTES = ("fruit", "tools")
N_PER_SPLIT = 60


def _row(i: int) -> dict[str, str]:
    split = ("train", "valid", "test")[i % 3]
    label = (*ROUTES, "oos")[i // 3 % 3]
    return {"text": f"{label} {split} text {i}", "label": label, "split": split}


@pytest.fixture(scope="module")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    rows = [_row(i) for i in range(3 * N_PER_SPLIT)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def vectors_file(data_file: Path) -> Path:
    """Vectors that tell labels apart, but not perfectly: one axis each, and noise."""
    rng = np.random.default_rng(0)
    labels = [json.loads(line)["label"] for line in data_file.read_text().splitlines()]
    axes = [(*ROUTES, "oos").index(label) for label in labels]
    vectors = np.zeros((len(labels), 16), dtype=np.float32)
    vectors[np.arange(len(labels)), axes] = 1.0
    vectors += rng.normal(0.0, 0.25, vectors.shape)
    path = data_file.with_name("vectors.npy")
    np.save(path, vectors)
    return path


@pytest.fixture
def stored(data_file: Path, vectors_file: Path) -> list[str]:
    """Return arguments that build from the data with stored vectors."""
    return [
        *("--routes", str(data_file), "--embeddings", str(vectors_file)),
        *("--queries", str(data_file), "--query-embeddings", str(vectors_file)),
    ]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a router of two routes with the built-in encoder."""
    router = Router(dimension=256, threshold=0.0)
    router.add_routes(
        [
            Route("billing", examples=["Where is my invoice?", "I was charged twice"]),
            Route("weather", examples=["Will it rain today?", "How cold is it outside?"]),
        ]
    )
    router.build_index()
    return router.save(tmp_path_factory.mktemp("saved") / "router")


# fit -------------------------------------------------------------------------------------------


def test_fit_shows_held_out_figures_and_saves_what_it_measured(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "router"
    assert main(["fit", *stored, "--save", str(folder), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["fit"]["n"] == round(0.7 * N_PER_SPLIT)
    assert data["before"]["n"] == data["after"]["n"] == round(0.3 * N_PER_SPLIT)
    assert data["saved"] == str(folder)
    assert [route.id for route in Router.load(folder).routes] == list(ROUTES)


def test_fit_as_text_compares_before_and_after(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *stored, "--save", str(tmp_path / "router")]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0].startswith("2 routes, 40 examples, built in ")
    assert lines[1].startswith("head: similarity; cross-fitted on 40 examples: similarity ")
    assert "fitted to 42 queries" in lines[2]
    assert "18 queries that were held out" in lines
    assert any(line.split() == ["before", "after"] for line in lines)
    assert lines[-1] == f"saved to {tmp_path / 'router'}"


def test_fit_to_all_queries_measures_nothing(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*stored, "--save", str(tmp_path / "router"), "--holdout", "0", "--json"]
    assert main(["fit", *arguments]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["fit"]["n"], data["before"], data["after"]) == (N_PER_SPLIT, None, None)


def test_fit_leaves_examples_out_and_says_so(
    tmp_path: Path, data_file: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*stored, "--save", str(tmp_path / "router"), "--split", "train", "--json"]
    assert main(["fit", *arguments]) == 0
    output = capsys.readouterr()
    assert output.err == "note: left out 40 queries that are also examples of the routes\n"
    assert json.loads(output.out)["fit"]["n"] == 14


def test_fit_with_nothing_but_examples_is_refused(
    tmp_path: Path, data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "train.jsonl"
    rows = [row for i in range(3 * N_PER_SPLIT) if (row := _row(i))["split"] == "train"]
    labelled = [json.dumps(row) for row in rows if row["label"] != "oos"]
    train.write_text("\n".join(labelled))
    files = ["--routes", str(train), "--queries", str(train)]
    assert main(["fit", *files, "--save", str(tmp_path / "router")]) == 2
    assert "every query is also an example" in capsys.readouterr().err
    assert not (tmp_path / "router").exists()


@pytest.mark.parametrize("share", ["1", "-0.1", "nan"])
def test_unusable_holdout_is_refused_before_anything_is_built(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str], share: str
) -> None:
    assert main(["fit", *stored, "--save", str(tmp_path), "--holdout", share]) == 2
    assert "--holdout must be in [0, 1)" in capsys.readouterr().err


def test_saved_router_can_be_fitted_again(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = tmp_path / "queries.csv"
    rows = [f"invoice number {i},billing\nrain on day {i},weather" for i in range(20)]
    queries.write_text("\n".join(["text,label", *rows]))
    folder = tmp_path / "again"
    arguments = ["--router", str(saved), "--queries", str(queries), "--save", str(folder)]
    assert main(["fit", *arguments]) == 0
    output = capsys.readouterr().out
    assert "2 routes, 4 examples, loaded" in output
    assert "head:" not in output
    assert main(["route", "invoice", "--router", str(folder)]) == 0


# eval and route with a saved router ------------------------------------------------------------


def test_saved_router_with_stored_vectors_is_measured_on_stored_vectors(
    tmp_path: Path,
    data_file: Path,
    vectors_file: Path,
    stored: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "router"
    assert main(["fit", *stored, "--save", str(folder), "--json"]) == 0
    assert main(["eval", *stored, "--json"]) == 0
    queries = ["--queries", str(data_file), "--query-embeddings", str(vectors_file)]
    assert main(["eval", "--router", str(folder), *queries, "--json"]) == 0
    _, built, loaded = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert built["build"]["head"] == "similarity"
    assert (loaded["build_s"], loaded["build"]) == (None, None)
    assert loaded["accuracy"] == built["accuracy"]
    assert loaded["n"] == N_PER_SPLIT


def test_saved_router_routes_text(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "my invoice please", "--router", str(saved)]) == 0
    assert capsys.readouterr().out.startswith("billing (accepted)")


def test_saved_router_of_stored_vectors_cannot_route_text(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "router"
    assert main(["fit", *stored, "--save", str(folder)]) == 0
    assert main(["route", "hello", "--router", str(folder)]) == 1
    assert "does not have; pass the query's embedding" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--threshold", "--dimension"])
def test_setting_of_a_saved_router_cannot_be_changed(
    saved: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["route", "hi", "--router", str(saved), option, "1"]) == 2
    assert f"{option} belongs to --routes" in capsys.readouterr().err


def test_routes_and_router_exclude_each_other(
    saved: Path, data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", "hi", "--router", str(saved), "--routes", str(data_file)]) == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_encoder_and_stored_vectors_exclude_each_other(
    stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *stored, "--encoder", "model"]) == 2
    assert "--encoder or stored embeddings, not both" in capsys.readouterr().err


def test_missing_encoder_folder_is_an_error(
    tmp_path: Path, data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    assert main(["route", "hi", "--routes", str(data_file), "--encoder", str(folder)]) == 2
    assert str(folder) in capsys.readouterr().err


def test_missing_saved_router_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", "hi", "--router", str(tmp_path / "gone")]) == 1
    assert "no saved router in" in capsys.readouterr().err


# eval --plot -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("report.svg", "report.svg"),
        ("plots", "plots/evaluation.png"),
        ("plots.d/", "plots.d/evaluation.png"),
    ],
)
def test_eval_draws_to_a_file_or_into_a_folder(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str], asked: str, written: str
) -> None:
    (tmp_path / "plots.d").mkdir()
    assert main(["eval", *stored, "--plot", f"{tmp_path}/{asked}", "--json"]) == 0
    output = capsys.readouterr()
    assert output.err == f"drawn to {tmp_path / written}\n"
    assert (tmp_path / written).stat().st_size > 5_000
    assert len(json.loads(output.out)["reliability"]) == 15


# certify ---------------------------------------------------------------------------------------


def test_certify_says_what_holds(stored: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", *stored, "--alpha", "0.3", "--delta", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "certified: P(wrong | accepted) <= 30" in text
    assert "of 60 labelled queries" in text


def test_certify_saves_a_router_that_decides_by_the_thresholds(
    tmp_path: Path,
    stored: list[str],
    vectors_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bound = ["--alpha", "0.3", "--delta", "0.1"]
    folder = tmp_path / "router"
    assert main(["certify", *stored, *bound, "--save", str(folder), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    router = Router.load(folder)
    results = router.route_batch([f"text {i}" for i in range(9)], np.load(vectors_file)[:9])
    assert data["saved"] == str(folder)
    assert data["build"]["head"] == "similarity"
    assert data["threshold"] != 0.5
    assert {result.threshold for result in results} == {data["threshold"]}


def test_certify_as_text_says_where_it_saved(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bound = ["--alpha", "0.3", "--delta", "0.1"]
    assert main(["certify", *stored, *bound, "--save", str(tmp_path / "router")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("head: similarity")
    assert lines[-1] == f"saved with these thresholds to {tmp_path / 'router'}"


@pytest.mark.parametrize("as_json", [False, True])
def test_certify_that_fails_saves_nothing(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    folder = tmp_path / "router"
    bound = ["--alpha", "0.001", "--save", str(folder)]
    assert main(["certify", *stored, *bound, *(["--json"] if as_json else [])]) == 1
    output = capsys.readouterr().out
    assert not folder.exists()
    if as_json:
        assert json.loads(output)["saved"] is None
    else:
        assert output.endswith(f"not saved to {folder}: no thresholds were certified\n")


def test_certify_that_fails_exits_with_one_and_asks_for_labels(
    stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", *stored, "--alpha", "0.001", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["holds"], data["alpha"], data["delta"]) == (False, 0.001, 0.05)
    assert data["labels_needed"] is None or data["labels_needed"] > 0


def test_certify_with_an_impossible_bound_is_an_error(
    stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", *stored, "--alpha", "2"]) == 2
    assert "alpha" in capsys.readouterr().err


# Files of other routers ------------------------------------------------------------------------


def test_what_a_foreign_file_loses_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "layer.json"
    routes = [
        {"name": "billing", "utterances": ["my invoice", "pay"], "score_threshold": 0.3},
        {"name": "weather", "utterances": ["rain", "snow"], "score_threshold": 0.3},
    ]
    layer = {"encoder_type": "openai", "encoder_name": "m", "routes": routes}
    path.write_text(json.dumps(layer))
    assert main(["route", "my invoice", "--routes", str(path), "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["threshold"] == 0.5
    assert output.err.startswith("note: ")
    assert "score_threshold of 'billing', 'weather' is left out" in output.err
