"""Make the virtual environment of the project, or renew it where it no longer fits.

An environment fits if it was made by the same Python, at the same path, from the same requirements.
One that does not fit is deleted and made anew, never repaired: a mixture of two sets of packages
fails in ways that nobody can reproduce.

Each level holds everything of the levels before it, so that one environment serves all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LEVELS = {"demo": "cli,local", "test": "test", "dev": "dev"}
"""Level to the extras of the distribution that it installs, smallest first."""
STAMP = "stratarouter-environment.json"
"""File in the environment that says what it was made from."""


def fingerprint(requirements: dict[str, Any], python: str, folder: Path) -> str:
    """Return a digest of everything that decides whether an environment still fits.

    Parameters
    ----------
    requirements : dict
        The parsed pyproject.toml; only its requirements count, not the settings of tools.
    python : str
        The interpreter that makes the environment, with its version.
    folder : Path
        Absolute place of the environment; a copied one has another.

    Returns
    -------
    str
        Hexadecimal digest.
    """
    project = requirements["project"]
    relevant = {
        "build": requirements["build-system"],
        "packages": requirements["tool"]["hatch"],
        "project": {
            key: project.get(key)
            for key in ("name", "version", "dependencies", "optional-dependencies", "scripts")
        },
        "python": python,
        "folder": str(folder),
    }
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def installed_levels(folder: Path, digest: str) -> list[str]:
    """Return the levels that an environment holds, none if it does not fit.

    Parameters
    ----------
    folder : Path
        The environment; it may be missing.
    digest : str
        What `fingerprint` says now.

    Returns
    -------
    list of str
        Levels that are installed.
    """
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(stamp, dict) or stamp.get("digest") != digest:
        return []
    levels = stamp.get("levels", [])
    return [level for level in LEVELS if level in levels] if _starts(folder) else []


def is_disposable(folder: Path) -> bool:
    """Say whether a folder may be deleted: it is missing, empty or a virtual environment.

    Parameters
    ----------
    folder : Path
        Where the environment shall be.

    Returns
    -------
    bool
        False for everything that somebody may want to keep.
    """
    if folder.is_symlink() or not folder.exists():
        return not folder.is_symlink()
    return folder.is_dir() and ((folder / "pyvenv.cfg").exists() or not any(folder.iterdir()))


def ensure(root: Path, folder: Path, level: str) -> None:
    """Make `folder` an environment that can do `level`; do nothing if it already is one.

    Parameters
    ----------
    root : Path
        Folder of pyproject.toml.
    folder : Path
        Absolute place of the environment.
    level : {"demo", "test", "dev"}
        What it has to be able to do.

    Raises
    ------
    SystemExit
        If it cannot be made; the message says why.
    """
    python = _base_python()
    with (root / "pyproject.toml").open("rb") as file:
        digest = fingerprint(tomllib.load(file), f"{python} {sys.version}", folder)
    levels = installed_levels(folder, digest)
    wanted = list(LEVELS)[: list(LEVELS).index(level) + 1]
    if level in levels:
        return
    if not levels:
        _create(python, folder)
    _say(f"installing what `{level}` needs into {folder}")
    python_here = str(folder / "bin" / "python")
    package = f"{root}[{LEVELS[level]}]"
    _run(
        [python_here, "-m", "pip", "install", "--quiet", "--editable", package],
        "the packages could not be installed; pip says above why",
    )
    held = sorted({*levels, *wanted}, key=list(LEVELS).index)
    stamp = json.dumps({"digest": digest, "levels": held})
    (folder / STAMP).write_text(stamp, encoding="utf-8")


def _create(python: str, folder: Path) -> None:
    if not is_disposable(folder):
        raise SystemExit(f"{folder} is no virtual environment; move it away or set VENV=…")
    if folder.exists():
        _say(f"{folder} does not fit this project or this Python any more; making it anew")
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise SystemExit(f"{folder} cannot be deleted ({error}); delete it yourself") from error
    _run([python, "-m", "venv", str(folder)], f"{python} could not make an environment in {folder}")


def _base_python() -> str:
    # Inside an activated environment, which may be the one to be deleted, ask its base.
    base = getattr(sys, "_base_executable", None) or sys.executable
    return str(Path(base).resolve())


def _starts(folder: Path) -> bool:
    # Isolated, so that the packages beside us in the tree do not stand in for installed ones.
    look = "import importlib.util as i; [i.find_spec(n).name for n in ('pip', 'stratarouter')]"
    command = [str(folder / "bin" / "python"), "-I", "-c", look]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(command: list[str], problem: str) -> None:
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(f"{problem}.")


def _say(text: str) -> None:
    print(f"environment: {text}", flush=True)


def main() -> None:
    """Read the command line and make the environment."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of the project.")
    parser.add_argument("folder", nargs="?", type=Path, help="where it is")
    parser.add_argument(
        "level", nargs="?", choices=list(LEVELS), help="what it shall be able to do"
    )
    parser.add_argument("--probe", action="store_true", help="only say whether this Python can")
    options = parser.parse_args()
    if options.probe:
        # An older Python has failed at tomllib already; a Debian one may lack these two.
        missing = [name for name in ("ensurepip", "venv") if find_spec(name) is None]
        raise SystemExit(f"lacks {missing}" if missing else 0)
    if options.folder is None or options.level is None:
        parser.error("say where the environment is and what it shall be able to do")
    ensure(Path(__file__).resolve().parent.parent, options.folder.absolute(), options.level)


if __name__ == "__main__":
    main()
