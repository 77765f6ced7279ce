"""The benchmarks start, agree with one another, and stand behind every figure of the README."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"
# Starts a script as `python benchmarks/NAME.py` would, where this package is not installed.
START = "import runpy, sys; sys.path[:0] = sys.argv[1:3]; sys.argv[:] = sys.argv[3:]; "
START += "runpy.run_path(sys.argv[0], run_name='__main__')"
SCRIPT = re.compile(r"benchmarks/\w+\.py")
FIGURE = re.compile(r"\d\s*(?:%|µs|ms|s|MiB|/s|x)(?=\s*\|)|\|\s*\d*\.\d+\s*(?=\|)")


def scripts() -> list[Path]:
    """Return the benchmarks that people start."""
    return [
        path
        for path in sorted(FOLDER.glob("*.py"))
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]


def served_variants(script: Path) -> set[str]:
    """Return the keys that a peer hands to `serve`."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="serve"), args=[_, ast.Dict(keys=keys)]):
                return {str(key.value) for key in keys if isinstance(key, ast.Constant)}
            case _:
                pass
    return set()


def sections_with_figures(text: str) -> Iterator[tuple[str, str]]:
    """Yield title and text of each section of a page that has a table of measured figures."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        rows = [line for line in body.splitlines() if line.startswith("|")]
        if any(FIGURE.search(row) for row in rows):
            yield title, body


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import modules of the benchmarks by name, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        place = getattr(sys.modules[name], "__file__", None) or ""
        if Path(place).is_relative_to(FOLDER):
            del sys.modules[name]


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.name)
def test_every_benchmark_starts(script: Path) -> None:
    command = [sys.executable, "-c", START, str(FOLDER), str(ROOT), str(script), "--help"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stderr
    assert "usage:" in answer.stdout


def test_every_use_of_a_peer_is_served_by_its_script(modules: Any) -> None:
    contestants = modules("contestants").CONTESTANTS
    asked = {entry.script: {variant.key for variant in entry.variants} for entry in contestants}
    served = {name: served_variants(FOLDER / "peers" / name) for name in asked}

    assert served == asked


def test_versions_of_peers_are_fixed(modules: Any) -> None:
    contestants = modules("contestants")
    others = [entry for entry in contestants.CONTESTANTS if entry is not contestants.HERE]

    assert [entry.name for entry in others if "==" not in entry.requirement] == []


def test_a_peer_that_cannot_be_installed_gives_a_reason(modules: Any, tmp_path: Path) -> None:
    contestants = modules("contestants")
    absent = contestants.Contestant(
        name="absent",
        script="baselines.py",
        requirement=str(tmp_path / "absent"),
        statement="import absent",
        variants=(),
    )
    python = tmp_path / "environments" / "absent" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # What is asked for does not exist, so that nothing is installed into this environment.
    python.symlink_to(sys.executable)

    assert "absent" in contestants.ready(absent, tmp_path)


def test_a_made_up_world_is_the_same_every_time(modules: Any) -> None:
    make_world = modules("synthetic").make_world
    first, second = make_world(20, 30, seed=3), make_world(20, 30, seed=3)

    assert first.queries == second.queries
    assert [route.examples for route in first.routes] == [route.examples for route in second.routes]
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_allclose(np.linalg.norm(first.vectors, axis=1), 1.0, atol=1e-6)
    assert make_world(20, 30, seed=4).queries != first.queries


def test_a_worker_builds_and_answers(modules: Any, tmp_path: Path) -> None:
    world = modules("synthetic").make_world(12, 40)
    workers = modules("workers")
    workers.write_routes(tmp_path / "job", world.routes, world.vectors)
    workers.write_queries(tmp_path / "job", world.queries, world.query_vectors)
    answers = tmp_path / "answers.npz"
    job = {"folder": str(tmp_path / "job")}
    limits = {"limit_s": 5.0, "passes": 2}

    with workers.Worker(
        Path(sys.executable), "baselines.py", "centroid", tmp_path / "log"
    ) as worker:
        built = worker.call("build", 30.0, **job)
        worker.call("route", 30.0, answers=str(answers), **job, **limits)
        batch = worker.call("batch", 30.0, **job, **limits)

    with np.load(answers, allow_pickle=False) as file:
        assert file["picks"].tolist() == world.labels.tolist()
        assert file["nanoseconds"].shape == (2, 40)
        assert file["nanoseconds"].min() > 0
    assert built["seconds"] > 0.0
    assert len(batch["per_second"]) == 2


def test_a_worker_says_what_went_wrong(modules: Any, tmp_path: Path) -> None:
    workers = modules("workers")
    python, log = Path(sys.executable), tmp_path / "log"

    with (
        pytest.raises(workers.WorkerError, match="FileNotFoundError"),
        workers.Worker(python, "baselines.py", "centroid", log) as worker,
    ):
        worker.call("build", 30.0, folder=str(tmp_path / "nowhere"))
    with (
        pytest.raises(workers.WorkerError, match="KeyError"),
        workers.Worker(python, "baselines.py", "no such variant", log),
    ):
        pass


def test_a_worker_that_takes_too_long_is_given_up(modules: Any, tmp_path: Path) -> None:
    workers = modules("workers")

    with (
        pytest.raises(workers.WorkerError, match="more than 0 s"),
        workers.Worker(
            Path(sys.executable), "baselines.py", "logistic", tmp_path / "log"
        ) as worker,
    ):
        worker.call("warm", 0.0)


def test_figures_are_those_of_the_answers(modules: Any, tmp_path: Path) -> None:
    quality = modules("quality")
    peer = modules("contestants").Variant(key="default", title="peer")
    trial = quality.Trial("data", 5, tmp_path, ["a", "b", None, "b"], {"a": 0, "b": 1}, False)
    np.savez(
        tmp_path / "answers.npz",
        picks=np.array([0, 0, 0, 1]),
        confidences=np.array([0.9, 0.8, -0.1, 1.0]),
        accepted=np.array([True, True, False, True]),
    )

    found = quality.figures(peer, trial, tmp_path / "answers.npz")

    assert found.accuracy == pytest.approx(2 / 3)
    assert found.ece == pytest.approx((0.1 + 0.8) / 3)
    assert found.auroc == 1.0
    assert (found.default_accepted, found.default_refused) == (1.0, 1.0)
    assert (found.n, found.n_asked) == (4, 4)


def test_every_script_that_a_page_names_exists() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    named = {name for page in pages for name in SCRIPT.findall(page.read_text(encoding="utf-8"))}

    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_figures_of_the_readme_name_the_script_that_prints_them() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = dict(sections_with_figures(text))

    assert sections, "the README shows no figures any more; delete this test"
    assert [title for title, body in sections.items() if not SCRIPT.search(body)] == []


def test_a_table_of_figures_is_recognised() -> None:
    found = dict(
        sections_with_figures(
            "# Page\n\n## Speed\n\n| a | b |\n|---|---|\n| x | 12 µs |\n\n"
            "## Names\n\n| a | b |\n|---|---|\n| x | version 12 |\n"
        )
    )

    assert list(found) == ["Speed"]
