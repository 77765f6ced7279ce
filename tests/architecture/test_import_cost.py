"""`import` stays cheap: counted in modules, because counts do not depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LIST_MODULES = "import sys, json; {code}; print(json.dumps(sorted(sys.modules)))"
HEAVY_STANDARD_LIBRARY = {
    "asyncio",
    "concurrent.futures",
    "email",
    "http",
    "importlib.metadata",
    "multiprocessing",
    "socket",
    "sqlite3",
    "ssl",
    "unittest",
    "urllib.request",
}


def loaded_modules(root: Path, code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after some code."""
    command = [sys.executable, "-E", "-s", "-c", LIST_MODULES.format(code=code)]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return set(json.loads(answer.stdout))


def third_party(modules: set[str]) -> set[str]:
    """Return the packages among modules that come neither with Python nor from us."""
    packages = {name.partition(".")[0] for name in modules}
    ours = {"stratarouter", "stratarouter_runtime", "__main__"}
    return packages - ours - set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def bare(root: Path) -> set[str]:
    """Return what an interpreter loads by itself, import hooks of the environment included."""
    return loaded_modules(root, "pass")


@pytest.fixture(scope="module")
def with_numpy(root: Path) -> set[str]:
    """Return what numpy loads."""
    return loaded_modules(root, "import numpy")


def test_the_core_loads_numpy_only(root: Path, bare: set[str]) -> None:
    loaded = loaded_modules(root, "import stratarouter") - bare

    assert third_party(loaded) <= {"numpy"}


def test_the_core_adds_few_modules_to_those_of_numpy(root: Path, with_numpy: set[str]) -> None:
    added = loaded_modules(root, "import stratarouter") - with_numpy
    foreign = {name for name in added if not name.startswith("stratarouter")}

    assert foreign & HEAVY_STANDARD_LIBRARY == set()
    assert len(foreign) <= 0.25 * len(with_numpy), sorted(foreign)


def test_every_name_of_the_core_is_there_without_heavy_packages(root: Path, bare: set[str]) -> None:
    loaded = loaded_modules(root, "from stratarouter import *") - bare

    assert third_party(loaded) <= {"numpy"}


def test_the_runtime_loads_no_driver_sdk_or_server(root: Path, bare: set[str]) -> None:
    loaded = loaded_modules(root, "import stratarouter_runtime") - bare

    assert third_party(loaded) <= {"numpy"}


def test_the_bridge_loads_no_driver_sdk_or_server(root: Path, bare: set[str]) -> None:
    code = "from stratarouter_runtime import CoreRuntimeBridge; CoreRuntimeBridge()"
    loaded = loaded_modules(root, code) - bare

    assert third_party(loaded) <= {"numpy"}


def test_the_packages_under_test_are_those_of_this_tree(root: Path) -> None:
    code = "import stratarouter; sys.modules = {stratarouter.__file__: 1}"
    (place,) = loaded_modules(root, code)

    assert place == str(root / "stratarouter" / "__init__.py")
