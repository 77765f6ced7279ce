"""The source tree as the architecture tests see it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("stratarouter", "stratarouter_runtime")
CODE_FOLDERS = (*PACKAGES, "tests", "tools", "benchmarks", "examples")


@dataclass(frozen=True)
class SourceFile:
    """One Python file of the project."""

    path: Path
    """Where it is."""
    name: str
    """Its path from the root of the project, with slashes."""

    @cached_property
    def text(self) -> str:
        """What it says."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """What it says, parsed."""
        return ast.parse(self.text, filename=self.name)

    @property
    def module(self) -> str:
        """Dotted name that it is imported by."""
        parts = Path(self.name).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_package(self) -> bool:
        """Whether it is the file of a package."""
        return self.path.name == "__init__.py"


def _files_below(folders: tuple[str, ...]) -> list[SourceFile]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [SourceFile(path, path.relative_to(ROOT).as_posix()) for path in paths]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def package_files() -> list[SourceFile]:
    """Return the Python files that users install."""
    return _files_below(PACKAGES)


@pytest.fixture(scope="session")
def code_files() -> list[SourceFile]:
    """Return all Python files of the project."""
    return _files_below(CODE_FOLDERS)
