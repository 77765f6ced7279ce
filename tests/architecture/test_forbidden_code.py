"""Faults that no linter finds, and code that may not be there at all."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.conftest import SourceFile

NUMBER_NAME = re.compile(
    r"threshold|ttl|timeout|limit|budget|weight|deadline|seed|temperature|delay"
)
"""Names of optional numbers for which 0 is a value."""
BANNED_CALLS = {
    "eval",
    "exec",
    "__import__",
    "os.system",
    "os.popen",
    "marshal.loads",
    "yaml.load",
    "builtins.eval",
    "builtins.exec",
}
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ENVIRONMENT_READERS = {
    "stratarouter_runtime/config.py",
    "stratarouter_runtime/config_sources.py",
}
"""Where `RuntimeConfig` reads the environment; nobody else does."""


def falsy_numbers(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield places where 0 would be taken for "not given"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp):
            yield from (value for value in node.values[:-1] if _is_number_name(value))
        elif isinstance(node, ast.If | ast.IfExp):
            test = node.test
            if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                test = test.operand
            if _is_number_name(test):
                yield test


def banned_code(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that could run code out of data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in BANNED_CALLS:
                yield node.lineno, name
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in {"allow_pickle", "shell"} and is_true:
                    yield node.lineno, f"{name}({keyword.arg}=True)"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            yield from (
                (node.lineno, module)
                for module in modules
                if module.partition(".")[0] in BANNED_MODULES
            )


def environment_reads(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that read or write environment variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {
            "os.environ",
            "os.getenv",
            "os.putenv",
        }:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
            yield from [node.lineno] * bool(names & {"environ", "getenv"})


def test_a_number_that_may_be_zero_is_never_tested_by_truth(
    package_files: list[SourceFile],
) -> None:
    found = [
        f"{file.name}:{getattr(node, 'lineno', 0)} {ast.unparse(node)}"
        for file in package_files
        for node in falsy_numbers(file.tree)
    ]

    assert found == []


def test_nothing_runs_code_out_of_data(package_files: list[SourceFile]) -> None:
    found = [
        f"{file.name}:{line} {name}"
        for file in package_files
        for line, name in banned_code(file.tree)
    ]

    assert found == []


def test_only_the_configuration_reads_the_environment(package_files: list[SourceFile]) -> None:
    found = [
        f"{file.name}:{line}"
        for file in package_files
        if file.name not in ENVIRONMENT_READERS
        for line in environment_reads(file.tree)
    ]

    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "threshold or 0.5",
        "self.config.cache_ttl or default",
        "x = a if timeout_s else b",
        "if not limit: pass",
        "limit and size > limit",
        "first = None or weights_by_name or 3",
    ],
)
def test_falsy_numbers_are_found(code: str) -> None:
    assert list(falsy_numbers(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "threshold is None or threshold > 1",
        "0.5 if threshold is None else threshold",
        "names or ()",
        "a or threshold",
        "if is_limited: pass",
    ],
)
def test_honest_tests_are_left_alone(code: str) -> None:
    assert not list(falsy_numbers(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(command, shell=True)",
        "eval(text)",
        "yaml.load(text)",
    ],
)
def test_banned_code_is_found(code: str) -> None:
    assert list(banned_code(ast.parse(code)))


@pytest.mark.parametrize("code", ["os.environ['A']", "os.getenv('A')", "from os import environ"])
def test_environment_reads_are_found(code: str) -> None:
    assert list(environment_reads(ast.parse(code)))


def _is_number_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        name = node.attr
    elif isinstance(node, ast.Name):
        name = node.id
    else:
        return False
    asks = name.lstrip("_").startswith(("is_", "has_", "n_"))
    return not asks and NUMBER_NAME.search(name) is not None
