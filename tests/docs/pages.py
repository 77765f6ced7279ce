"""The pages that people read, and the blocks of code in them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.exists()
]
FENCE = re.compile(
    r"(?P<before>[^\n]*)\n(?:[ ]*\n)?"
    r"^(?P<indent>[ ]*)```(?P<info>[\w-]+[^\n`]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    """First word after the fence."""
    options: tuple[str, ...]
    """The other words after the fence."""
    before: str
    """The last line of text before the fence."""
    code: str
    """What is between the fences."""
    line: int
    """Line of the page that `code` starts at, from 1."""


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks that name their language."""
    # A line of our own, so that a fence on the first line has one before it.
    for match in FENCE.finditer("\n" + text):
        language, *options = match["info"].split()
        code = inspect.cleandoc("\n" + match["code"]) if match["indent"] else match["code"]
        line = ("\n" + text).count("\n", 0, match.start("code"))
        yield Block(language, tuple(options), match["before"], code, line)
