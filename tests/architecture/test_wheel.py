"""What users install is complete, holds nothing else, and runs with the base packages alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from importlib.metadata import distribution, packages_distributions
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

PACKAGES = ("stratarouter", "stratarouter_runtime")
# Imports every module of the installed packages while everything else is out of reach.
IMPORT_EVERYTHING = """
import importlib, importlib.abc, pkgutil, sys

class OnlyBase(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in set(sys.argv[2:]):
            raise ImportError(f"{name} is no base package")
        return None

sys.meta_path.insert(0, OnlyBase())
sys.path.insert(0, sys.argv[1])
for package in ("stratarouter", "stratarouter_runtime"):
    module = importlib.import_module(package)
    assert module.__file__.startswith(sys.argv[1]), module.__file__
    for entry in pkgutil.walk_packages(module.__path__, package + "."):
        if not entry.name.endswith("__main__"):
            importlib.import_module(entry.name)
"""


@pytest.fixture(scope="session")
def project(root: Path) -> dict[str, Any]:
    """Return what pyproject.toml says."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this tree without network."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, root)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    _pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


@pytest.fixture(scope="session")
def members(wheel: Path) -> set[str]:
    """Return the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def metadata(wheel: Path, members: set[str]) -> Message:
    """Return what the wheel says about itself."""
    (name,) = (member for member in members if member.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return HeaderParser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_the_packages_of_the_tree(root: Path, members: set[str]) -> None:
    in_tree = {
        path.relative_to(root).as_posix()
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in members if ".dist-info/" not in name}

    assert packed == in_tree


def test_the_wheel_holds_types_data_and_licence(members: set[str]) -> None:
    endings = ("stratarouter/py.typed", "stratarouter_runtime/py.typed", "licenses/LICENSE")
    data = ("demo/routes.json", "demo/queries.jsonl", "demo/orders.sqlite")

    for ending in (*endings, *data):
        assert any(name.endswith(ending) for name in members), ending


def test_the_wheel_changes_nothing_outside_its_packages(members: set[str]) -> None:
    tops = {name.partition("/")[0] for name in members}

    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in members if name.endswith((".pth", ".so", ".pyd"))]


def test_the_wheel_runs_everywhere(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_metadata_says_what_pyproject_says(metadata: Message, project: dict[str, Any]) -> None:
    requirements = metadata.get_all("Requires-Dist", [])
    base = {line.partition(";")[0] for line in requirements if "extra ==" not in line}

    assert {_plain(line) for line in base} == {
        _plain(line) for line in project["project"]["dependencies"]
    }
    assert set(metadata.get_all("Provides-Extra", [])) == set(
        project["project"]["optional-dependencies"]
    )
    assert metadata["Version"] == project["project"]["version"]


def test_the_version_in_the_code_is_the_one_of_the_distribution(
    installed: Path, project: dict[str, Any]
) -> None:
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import stratarouter as s"
    answer = _python(f"{code}; print(s.__version__)")

    assert answer.strip() == project["project"]["version"]


def test_every_module_imports_with_the_base_packages_alone(installed: Path) -> None:
    _python(IMPORT_EVERYTHING, installed, *_packages_beyond_base())


def test_the_installed_command_runs(installed: Path, project: dict[str, Any]) -> None:
    module, _, function = project["project"]["scripts"]["stratarouter"].partition(":")
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import {module} as command"
    answer = _python(f"{code}; sys.exit(command.{function}(['--version']))")

    assert project["project"]["version"] in answer


def _packages_beyond_base() -> set[str]:
    """Return the import names in this environment that a base installation lacks."""
    base = _closure({"numpy", "scikit-learn", "msgspec", "tenacity"})
    base |= _closure({"opentelemetry-api"}) | {"stratarouter", "pip", "setuptools"}
    return {
        package
        for package, owners in packages_distributions().items()
        if package.isidentifier() and not {_canonical(owner) for owner in owners} & base
    }


def _closure(names: set[str]) -> set[str]:
    """Return distributions with everything that they require without extras."""
    known: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            requirements = distribution(name).requires or []
            waiting += [_name(line) for line in requirements if ";" not in line]
    return known


def _name(requirement: str) -> str:
    name = requirement
    for mark in "<>=!~[;( ":
        name = name.partition(mark)[0]
    return _canonical(name)


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _plain(requirement: str) -> str:
    return requirement.replace(" ", "").lower()


def _pip(*arguments: object) -> None:
    _run("-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def _python(code: str, *arguments: object) -> str:
    # -I: neither this folder nor the environment of the user stands in for the installed files.
    return _run("-I", "-c", code, *arguments)


def _run(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout
