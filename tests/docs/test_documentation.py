"""What the README and the pages under docs/ show can be run as it stands there."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import re
import sys
import types
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks

if TYPE_CHECKING:
    from pathlib import Path

NOT_RUN = re.compile(r"<!--\s*not run:\s*\S.*-->")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")


def run_page(page: Path, text: str) -> int:
    """Run the Python blocks of a page in order, in one namespace, and return how many ran.

    `await` at the top level is allowed, as in a notebook.
    """
    module = types.ModuleType("__main__")
    n_run = 0
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        # Dataclasses and type hints look their module up by name.
        patch.setitem(sys.modules, "__main__", module)
        for block in blocks(text):
            if block.language == "python" and "no-run" not in block.options:
                _run_block(block, page, module, runner)
                n_run += 1
            elif block.language == "pycon":
                _run_dialogue(block, page, module)
                n_run += 1
    return n_run


def _run_block(block: Block, page: Path, module: types.ModuleType, runner: asyncio.Runner) -> None:
    # The empty lines make a traceback show the line of the page.
    source = "\n" * (block.line - 1) + block.code
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(source, str(page), "exec", flags=flags, dont_inherit=True)
    result = types.FunctionType(code, module.__dict__)()
    if inspect.iscoroutine(result):
        runner.run(result)


def _run_dialogue(block: Block, page: Path, module: types.ModuleType) -> None:
    parser = doctest.DocTestParser()
    dialogue = parser.get_doctest(block.code, module.__dict__, page.name, str(page), block.line - 1)
    doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(dialogue, clear_globs=False)
    module.__dict__.update(dialogue.globs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    run_page(page, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_an_example_that_does_not_run_says_why(page: Path) -> None:
    silent = [
        block.line
        for block in blocks(page.read_text(encoding="utf-8"))
        if "no-run" in block.options and not NOT_RUN.search(block.before)
    ]

    assert silent == [], "write <!-- not run: the reason --> on the line before the block"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = [match["target"] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
    local = [target.partition("#")[0] for target in targets if "://" not in target]

    assert [target for target in local if target and not (page.parent / target).exists()] == []


def test_blocks_share_names_and_may_await() -> None:
    text = (
        "```python\nimport asyncio\nclass A: ...\n```\n\n"
        "```python\nvalue = await asyncio.sleep(0, result=A())\n```\n\n"
        "```pycon\n>>> type(value).__name__\n'A'\n```\n"
    )

    assert run_page(ROOT / "README.md", text) == 3


def test_a_wrong_example_fails_at_the_line_of_the_page() -> None:
    text = "# Title\n\nText.\n\n```python\nx = 1\nassert x == 2\n```\n"

    with pytest.raises(AssertionError) as caught:
        run_page(ROOT / "README.md", text)

    assert caught.traceback[-1].lineno == 6
    assert next(blocks(text)).line == 6


def test_a_wrong_dialogue_fails() -> None:
    with pytest.raises(doctest.DocTestFailure):
        run_page(ROOT / "README.md", "```pycon\n>>> 1 + 1\n3\n```\n")


def test_an_indented_block_is_found() -> None:
    (block,) = blocks("- An item\n\n  ```python\n  if True:\n      x = 1\n  ```\n")

    assert block.code == "if True:\n    x = 1"
    assert block.before == "- An item"
