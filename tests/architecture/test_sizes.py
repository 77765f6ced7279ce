"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.conftest import SourceFile

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a module, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's body; signature and docstring are there to be looked up."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if has_docstring else function.body
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def is_declaration(node: ast.stmt) -> bool:
    """Say whether a statement belongs into the file of a package."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=[]):
            return all(isinstance(entry, ast.Import | ast.ImportFrom) for entry in body)
        case (
            ast.Assign(targets=[ast.Name()], value=value)
            | ast.AnnAssign(target=ast.Name(), value=ast.expr() as value)
        ):
            return _is_literal(value)
        case ast.FunctionDef(name="__getattr__" | "__dir__"):
            return code_lines(node) <= 10
        case _:
            return False


def test_files_are_at_most_400_lines(code_files: list[SourceFile]) -> None:
    lengths = {file.name: file.text.count("\n") for file in code_files}

    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_at_most_50_lines(code_files: list[SourceFile]) -> None:
    long = {
        f"{file.name}:{function.lineno} {function.name}": code_lines(function)
        for file in code_files
        for function in functions(file.tree)
        if code_lines(function) > MAX_FUNCTION_LINES
    }

    assert long == {}


def test_packages_only_declare(package_files: list[SourceFile]) -> None:
    logic = [
        f"{file.name}:{node.lineno}"
        for file in package_files
        if file.is_package
        for node in file.tree.body
        if not is_declaration(node)
    ]

    assert logic == []


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
