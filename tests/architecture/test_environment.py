"""An environment that no longer fits is noticed, and nothing else is ever deleted."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.environment import STAMP, ensure, fingerprint, installed_levels, is_disposable

PROJECT: dict[str, Any] = {
    "build-system": {"requires": ["hatchling"]},
    "project": {"name": "sample", "version": "1", "dependencies": ["numpy"]},
    "tool": {"hatch": {"build": {}}, "ruff": {"line-length": 100}},
}
FOLDER = Path("/srv/sample/.venv")


def changed(*path: str, value: object) -> dict[str, Any]:
    """Return the project with one entry changed."""
    project = copy.deepcopy(PROJECT)
    table = project
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = value
    return project


def test_the_same_inputs_fit() -> None:
    assert fingerprint(PROJECT, "3.11", FOLDER) == fingerprint(PROJECT, "3.11", FOLDER)


@pytest.mark.parametrize(
    ("project", "python", "folder"),
    [
        (changed("project", "dependencies", value=["numpy>=2"]), "3.11", FOLDER),
        (changed("project", "scripts", value={"sample": "sample:main"}), "3.11", FOLDER),
        (changed("build-system", "requires", value=["setuptools"]), "3.11", FOLDER),
        (PROJECT, "3.12", FOLDER),
        (PROJECT, "3.11", Path("/srv/copy/.venv")),
    ],
    ids=["dependencies", "scripts", "build", "python", "place"],
)
def test_other_packages_python_or_place_do_not_fit(
    project: dict[str, Any], python: str, folder: Path
) -> None:
    assert fingerprint(project, python, folder) != fingerprint(PROJECT, "3.11", FOLDER)


def test_settings_of_tools_do_not_matter() -> None:
    project = changed("tool", "ruff", value={"line-length": 80})

    assert fingerprint(project, "3.11", FOLDER) == fingerprint(PROJECT, "3.11", FOLDER)


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"digest": "other", "levels": ["demo"]}'])
def test_an_unreadable_or_other_stamp_holds_nothing(tmp_path: Path, stamp: str) -> None:
    (tmp_path / STAMP).write_text(stamp, encoding="utf-8")

    assert installed_levels(tmp_path, "digest") == []


def test_an_environment_without_python_holds_nothing(tmp_path: Path) -> None:
    stamp = json.dumps({"digest": "digest", "levels": ["demo"]})
    (tmp_path / STAMP).write_text(stamp, encoding="utf-8")

    assert installed_levels(tmp_path, "digest") == []


def test_only_environments_are_deleted(tmp_path: Path) -> None:
    missing, empty, environment, home = (tmp_path / name for name in "abcd")
    for folder in (empty, environment, home):
        folder.mkdir()
    (environment / "pyvenv.cfg").touch()
    (home / "thesis.txt").touch()
    link = tmp_path / "link"
    link.symlink_to(environment)

    answers = [is_disposable(folder) for folder in (missing, empty, environment, home, link)]

    assert answers == [True, True, True, False, False]


def test_a_folder_with_other_things_stops_everything(root: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")

    with pytest.raises(SystemExit, match="no virtual environment"):
        ensure(root, tmp_path, "demo")

    assert (tmp_path / "thesis.txt").exists()


def test_a_python_that_is_too_old_or_missing_is_explained(root: Path) -> None:
    command = ["make", "PYTHON=/nowhere/python", "demo"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert answer.returncode != 0
    assert "Found no Python >= 3.11" in answer.stderr


def test_this_python_can_make_environments(root: Path) -> None:
    command = [sys.executable, str(root / "tools" / "environment.py"), "--probe"]

    assert subprocess.run(command, check=False).returncode == 0
