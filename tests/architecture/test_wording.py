"""The text of the project speaks about the project only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A letter in brackets keeps a pattern from finding itself here.
FOREIGN = {
    "a path of somebody's machine": r"(?<![\w.])/(?:[w]ork|[h]ome|[r]oot|[U]sers)/\w",
    "a folder outside the project": r"\.\./[s]hared",
    "a package registry": r"(?:[f]iles\.pythonhosted|[p]ypi|[r]egistry\.npmjs)\.(?:org|com)",
    "a note to a colleague": r"\b(?:[F]IXME|[X]XX|[H]ACK)\b",
}
SUFFIXES = {".cfg", ".json", ".jsonl", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
NAMES = {"Makefile", "LICENSE", "run", ".gitignore", "Dockerfile"}
GENERATED = {"__pycache__", "build", "dist", "node_modules"}


def text_files(folder: Path) -> Iterator[Path]:
    """Yield the text files that people write, hidden and generated folders left out."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name == ".ci" or not (path.name.startswith(".") or path.name in GENERATED):
                yield from text_files(path)
        elif path.suffix in SUFFIXES or path.name in NAMES:
            yield path


def foreign_words(text: str) -> Iterator[str]:
    """Yield what does not belong into the project, each with its reason."""
    for reason, pattern in FOREIGN.items():
        yield from (f"{match.group()} ({reason})" for match in re.finditer(pattern, text))


def test_no_text_speaks_of_the_workplace(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}: {word}"
        for path in text_files(root)
        for word in foreign_words(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_foreign_words_are_found() -> None:
    slash = "/"
    examples = [
        f"see {slash}work/main",
        f"open('{slash}home/me')",
        f"..{slash}shared",
        "fixme: later".upper(),
    ]

    assert [example for example in examples if not list(foreign_words(example))] == []


def test_routes_of_a_server_are_no_paths() -> None:
    assert list(foreign_words("GET /v1/work/items, https://example.com/home/page")) == []
