"""What a module offers is what it says it offers."""

from __future__ import annotations

import ast
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.conftest import SourceFile


def declared_names(file: SourceFile) -> list[str] | None:
    """Return the entries of a literal ``__all__``, None if there is none."""
    for node in file.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Yield the public names that the top level of a module defines itself."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and not _is_type_variable(node.value):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the top level of a module imports from our packages."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stratarouter"):
            yield from (alias.asname or alias.name for alias in node.names)


def test_every_module_declares_its_public_names(package_files: list[SourceFile]) -> None:
    silent = [
        file.name
        for file in package_files
        if declared_names(file) is None and any(defined_names(file.tree))
    ]

    assert silent == []


def test_modules_declare_what_they_define(package_files: list[SourceFile]) -> None:
    differences = {}
    for file in package_files:
        if file.is_package or (declared := declared_names(file)) is None:
            continue
        defined = {name for name in defined_names(file.tree) if not name.startswith("_")}
        undeclared = defined - set(declared)
        # A module may pass on a name of ours, if it says so.
        unknown = set(declared) - defined - set(imported_names(file.tree))
        if undeclared or unknown:
            differences[file.name] = {"undeclared": undeclared, "unknown": unknown}

    assert differences == {}


def test_a_package_exports_what_it_imports(package_files: list[SourceFile]) -> None:
    differences = {}
    for file in package_files:
        if not file.is_package or (declared := declared_names(file)) is None:
            continue
        imported = {name for name in imported_names(file.tree) if not name.startswith("_")}
        if missing := imported - set(declared):
            differences[file.name] = sorted(missing)

    assert differences == {}


def test_declared_names_are_unique_and_exist(package_files: list[SourceFile]) -> None:
    problems = {}
    for file in package_files:
        declared = declared_names(file) or []
        module = import_module(file.module)
        missing = [name for name in declared if not hasattr(module, name)]
        repeated = sorted({name for name in declared if declared.count(name) > 1})
        if missing or repeated:
            problems[file.name] = {"missing": missing, "repeated": repeated}

    assert problems == {}


def test_functions_that_return_something_document_it(package_files: list[SourceFile]) -> None:
    undocumented = [
        f"{file.name}:{function.lineno} {function.name}"
        for file in package_files
        for function in _public_functions(file.tree)
        if _returns_a_value(function) and not _documents_its_result(function)
    ]

    assert undocumented == []


def _is_type_variable(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    return ast.unparse(value.func) in {"TypeVar", "ParamSpec", "TypeVarTuple"}


def _public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    public = [entry for entry in classes if not entry.name.startswith("_")]
    for node in [*tree.body, *(item for entry in public for item in entry.body)]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from [node] * (
                not node.name.startswith("_") and not _has_its_text_elsewhere(node)
            )


def _has_its_text_elsewhere(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any(name.endswith(("property", "setter", "overload", "override")) for name in names)


def _returns_a_value(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return function.returns is not None and ast.unparse(function.returns) not in {
        "None",
        "NoReturn",
        "Never",
    }


def _documents_its_result(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    text = ast.get_docstring(function) or ""
    return any(f"{section}\n------" in text for section in ("Returns", "Yields"))
