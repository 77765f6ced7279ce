"""The command line in process, and once as a process."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import stratarouter
from stratarouter.route_files import load_texts, save_routes
from stratarouter.types import Route
from stratarouter_runtime.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTES = [
    Route(
        "billing", examples=["Where is my invoice?", "I was charged twice"], keywords=["invoice"]
    ),
    Route("weather", examples=["Will it rain today?", "How cold is it outside?"]),
]


@pytest.fixture
def routes_file(tmp_path: Path) -> Path:
    path = tmp_path / "routes.json"
    save_routes(ROUTES, path)
    return path


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    """Two routes of 12 train and 4 test texts, and out-of-scope texts in every split."""
    words = {
        "fruit": [
            "apple",
            "pear",
            "plum",
            "cherry",
            "grape",
            "melon",
            "peach",
            "mango",
            "quince",
            "fig",
            "date",
            "kiwi",
        ],
        "tools": [
            "hammer",
            "saw",
            "drill",
            "wrench",
            "pliers",
            "chisel",
            "plane",
            "file",
            "vice",
            "clamp",
            "level",
            "rasp",
        ],
        "oos": ["poem", "song", "joke", "story", "riddle"],
    }
    rows = []
    for label, nouns in words.items():
        for i, noun in enumerate(nouns):
            rows.append({"text": f"buy a {noun} at {label}", "label": label, "split": "train"})
            rows.append({"text": f"one {noun} of {label} now", "label": label, "split": "valid"})
            if i < 4:
                rows.append({"text": f"more {noun} {label}", "label": label, "split": "test"})
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


# route -----------------------------------------------------------------------------------------


def test_route_names_the_route_and_its_confidence(
    routes_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["my", "invoice", "please"]
    assert main(["route", *words, "--routes", str(routes_file), "--threshold", "0"]) == 0
    output = capsys.readouterr()
    assert re.match(r"billing \(accepted\)  confidence [01]\.\d{3}", output.out)
    assert output.err == ""


def test_route_as_json_is_the_result_and_its_query(
    routes_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["route", "my invoice", "--routes", str(routes_file), "--k", "2", "--json"]
    assert main([*arguments, "--explain"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["query"] == "my invoice"
    assert 0.0 < data["confidence"] < 1.0
    assert {"scores", "reason", "latency_ms"} <= data.keys()
    assert "billing" in data["explanation"]


def test_route_shows_as_many_ranks_as_asked_for(
    routes_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["route", "my invoice", "--routes", str(routes_file), "--k", "2"]
    for threshold in ("0", "1"):
        assert main([*common, "--threshold", threshold]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert lines[1].startswith("  2. weather  confidence 0.")


def test_route_that_nothing_is_sure_of_says_so_and_succeeds(
    routes_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["route", "my invoice", "--routes", str(routes_file)]
    assert main([*common, "--threshold", "1"]) == 0
    assert "no route is sure enough, best billing" in capsys.readouterr().out


def test_route_explains(routes_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "my invoice", "--routes", str(routes_file), "--explain"]) == 0
    assert "Where is my invoice?" in capsys.readouterr().out


def test_route_reads_a_text_per_line_from_stdin(
    routes_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("my invoice\n\nrain today\n"))
    assert main(["route", "-", "--routes", str(routes_file), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["query"] for row in rows] == ["my invoice", "rain today"]


# eval ------------------------------------------------------------------------------------------


def test_eval_makes_routes_of_train_and_measures_on_test(
    data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--routes", str(data_file), "--queries", str(data_file)]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("2 routes, 24 examples, built in ")
    assert "12 queries, 8 in scope, 4 out of scope" in output.out
    assert "in-scope accuracy" in output.out
    assert output.err == ""


def test_eval_fits_to_the_valid_split(data_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--routes", str(data_file), "--queries", str(data_file), "--fit", str(data_file)]
    assert main(["eval", *files, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["fit"]["n"] == 12 + 12 + 5
    assert data["fit"]["n_out_of_scope"] == 5
    assert data["n"] == 12
    assert data["accuracy"] == 1.0


def test_eval_never_fits_to_examples(
    tmp_path: Path, data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "train.jsonl"
    lines = data_file.read_text().splitlines(keepends=True)
    train.write_text("".join(line for line in lines if '"train"' in line))
    files = ["--routes", str(train), "--queries", str(data_file), "--fit", str(train)]
    assert main(["eval", *files, "--per-route", "4", "--json"]) == 0
    # Of 24 texts with a label 8 are examples; those without label are never examples.
    assert json.loads(capsys.readouterr().out)["fit"]["n"] == 24 - 8 + 5


def test_eval_warns_where_queries_are_examples_or_were_fitted_to(
    data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--routes", str(data_file), "--queries", str(data_file), "--fit", str(data_file)]
    assert main(["eval", *files, "--split", "train"]) == 0
    assert "24 of 29 queries are also examples of the routes" in capsys.readouterr().err
    assert main(["eval", *files, "--split", "valid"]) == 0
    assert "29 of 29 queries were also fitted to" in capsys.readouterr().err


def test_eval_uses_stored_embeddings(
    tmp_path: Path, data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of no use for words, but perfect for labels: two axes for the routes, a third for the rest.
    labels = [json.loads(line)["label"] for line in data_file.read_text().splitlines()]
    axes = [["fruit", "tools", "oos"].index(label) for label in labels]
    stored = tmp_path / "vectors.npy"
    np.save(stored, np.eye(3, dtype=np.float16)[axes])
    files = ["--routes", str(data_file), "--queries", str(data_file)]
    vectors = ["--embeddings", str(stored), "--query-embeddings", str(stored)]
    assert main(["eval", *files, *vectors, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["accuracy"] == 1.0
    assert data["out_of_scope_recall_at_95"] == 1.0


def test_texts_of_a_routes_file_are_in_the_order_of_their_embeddings(tmp_path: Path) -> None:
    path = tmp_path / "routes.jsonl"
    save_routes(
        [Route("a", examples=["x", "y"], description="z"), Route("b", examples=["w"])], path
    )
    assert load_texts(path) == ["x", "y", "z", "w"]


# Errors ----------------------------------------------------------------------------------------


def test_missing_file_is_an_error_without_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", "hi", "--routes", str(tmp_path / "gone.json")]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("stratarouter: error: ")
    assert "gone.json: cannot be read" in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (["--threshold", "2"], "threshold must be"),
        (["--dimension", "0"], "dimension must be"),
        (["--k", "0"], "k must be"),
        (["--k", "many"], "invalid int value: 'many'"),
    ],
)
def test_unusable_settings_are_errors_of_usage(
    routes_file: Path, capsys: pytest.CaptureFixture[str], extra: list[str], problem: str
) -> None:
    assert main(["route", "hi", "--routes", str(routes_file), *extra]) == 2
    assert problem in capsys.readouterr().err


def test_label_without_route_is_an_error_with_the_nearest_name(
    tmp_path: Path, routes_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = tmp_path / "queries.csv"
    queries.write_text("text,label\nhi,biling\n")
    assert main(["eval", "--routes", str(routes_file), "--queries", str(queries)]) == 2
    assert "no route 'biling'; did you mean 'billing'?" in capsys.readouterr().err


def test_one_sided_embeddings_are_an_error(
    data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--routes", str(data_file), "--queries", str(data_file)]
    assert main(["eval", *files, "--embeddings", "v.npy"]) == 2
    assert "--query-embeddings together" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["rout"], ["route", "hi"], ["eval", "--routes", "x"]])
def test_unusable_arguments_are_errors_of_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    assert "usage: stratarouter" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["route", "--help"], ["eval", "--help"]])
def test_help_succeeds(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert "usage: stratarouter" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stratarouter {stratarouter.__version__}\n"


def test_interrupt_ends_without_traceback(
    routes_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> Iterator[str]:
        yield "my invoice"
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", interrupted())
    assert main(["route", "-", "--routes", str(routes_file)]) == 130
    assert capsys.readouterr().err == "stratarouter: interrupted\n"


def test_process_whose_reader_leaves_ends_quietly(routes_file: Path) -> None:
    command = [sys.executable, "-m", "stratarouter_runtime.cli", "route", "-", "--json"]
    with subprocess.Popen(
        [*command, "--routes", str(routes_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(b"my invoice\n" * 2000, timeout=50)
    assert process.returncode == 1
    assert errors == b""
