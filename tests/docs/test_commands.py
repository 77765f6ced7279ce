"""The commands that the README and the pages under docs/ show exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.cli import main
from tests.docs.pages import PAGES, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELLS = {"bash", "console", "sh", "shell"}
OTHER_PROGRAMS = {"cd", "curl", "docker", "export", "git", "source"}
"""Programs that a reader has or that stand in for one; their arguments are not checked."""
MAKE_TARGET = re.compile(r"^(?P<names>[a-z][a-z -]*):(?!=)", re.MULTILINE)


def commands(text: str) -> Iterator[str]:
    """Yield the commands of the shell blocks of a page, one line each."""
    for block in blocks(text):
        if block.language not in SHELLS or "no-run" in block.options:
            continue
        lines = block.code.replace("\\\n", " ").splitlines()
        if block.language == "console":
            lines = [line for line in lines if line.startswith("$ ")]
        for line in lines:
            command = line.removeprefix("$ ").strip()
            if command and not command.startswith("#"):
                yield from re.split(r"\s+(?:&&|\||;)\s+", command)


def problem_with(command: str) -> str | None:
    """Return what is wrong with a command, None if it can be run."""
    words = [word for word in shlex.split(command, comments=True) if word]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words or words[0] in OTHER_PROGRAMS:
        return None
    checks = {"make": _make, "pip": _pip, "python": _python, "stratarouter": _stratarouter}
    program = Path(words[0]).name
    if program not in checks:
        return f"{program} is no program that the project brings"
    return checks[program](words[1:])


def _make(arguments: list[str]) -> str | None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for match in MAKE_TARGET.finditer(makefile) for name in match["names"].split()}
    unknown = {word for word in arguments if "=" not in word} - targets
    return f"no make target {sorted(unknown)}" if unknown else None


def _pip(arguments: list[str]) -> str | None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"(?:stratarouter|\.)\[([\w,-]+)\]", " ".join(arguments))
    asked = {extra for group in extras for extra in group.split(",")}
    unknown = asked - set(project["optional-dependencies"])
    return f"no extra {sorted(unknown)}" if unknown else None


def _python(arguments: list[str]) -> str | None:
    if arguments[:1] == ["-m"]:
        return problem_with(shlex.join(arguments[1:])) if arguments[1] == "pip" else None
    script = next((word for word in arguments if word.endswith(".py")), None)
    return f"no file {script}" if script is not None and not (ROOT / script).exists() else None


def _stratarouter(arguments: list[str]) -> str | None:
    subcommand = [word for word in arguments[:1] if not word.startswith("-")]
    try:
        status: object = main([*subcommand, "--help"])
    except SystemExit as ended:
        status = ended.code
    return None if status == 0 else f"no command {subcommand}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_exist(page: Path) -> None:
    problems = {
        command: problem
        for command in commands(page.read_text(encoding="utf-8"))
        if (problem := problem_with(command)) is not None
    }

    assert problems == {}


@pytest.mark.parametrize(
    "command",
    [
        "make demo",
        "make VENV=env test",
        "pip install 'stratarouter[yaml,cli]'",
        "python -m pip install -e '.[dev]'",
        "stratarouter demo --json",
        ".venv/bin/stratarouter --version",
        "SR_CACHE_TTL=60 stratarouter demo  # with a shorter cache",
    ],
)
def test_real_commands_pass(command: str) -> None:
    assert problem_with(command) is None


@pytest.mark.parametrize(
    "command",
    [
        "make coffee",
        "pip install 'stratarouter[everything]'",
        "python examples/missing.py",
        "stratarouter-server --port 80",
        "stratarouter fly",
    ],
)
def test_invented_commands_are_found(command: str) -> None:
    assert problem_with(command) is not None


def test_commands_are_taken_from_shell_blocks_only() -> None:
    text = (
        "```bash\n# first\nmake demo && make \\\n  test\n```\n\n"
        "```console\n$ stratarouter demo\nThe output.\n```\n\n```python\nx = 1\n```\n"
    )

    assert list(commands(text)) == ["make demo", "make    test", "stratarouter demo"]
