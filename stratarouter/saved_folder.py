"""The folder of a saved router: files, checksums, and replacing them without a gap.

It holds ``router.json`` (everything but arrays, and the checksums) and one ``.npy`` file per array,
which carries its checksum in its name. A new save first writes its arrays beside the old ones and
then replaces ``router.json`` in one step, so that a crash at any moment leaves the old router or
the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stratarouter.errors import CorruptSaveError, InvalidInputError, SaveNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Manifest",
    "read_array",
    "read_manifest",
    "write_folder",
]

FORMAT_VERSION = 1
"""Version of the folder's format; a higher one is refused."""
MANIFEST = "router.json"
"""Name of the file that makes a folder a saved router."""

_FORMAT = "stratarouter-router"
_ARRAY_FILE = re.compile(r"(?:vectors|offsets|head_weights|head_bias)-[0-9a-f]{16}\.npy")
_PART = ".part"
# The format is named at the very start of the manifest, where it survives most damage.
_HEAD_BYTES = 400


@dataclass(frozen=True, slots=True)
class Manifest:
    """The checked content of ``router.json``."""

    body: dict[str, Any]
    """Everything but the checksum of the file itself."""

    def part(self, name: str, kind: type) -> Any:
        """Return one entry.

        Parameters
        ----------
        name : str
            Its name.
        kind : type
            What it must be.

        Returns
        -------
        Any
            An instance of `kind`.

        Raises
        ------
        CorruptSaveError
            If it is missing or something else.
        """
        value = self.body.get(name)
        if type(value) is not kind:
            raise CorruptSaveError(f"{MANIFEST}: {name!r} is missing or no {kind.__name__}")
        return value


def write_folder(
    target: Path, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Path:
    """Write a saved router, replacing one that is there.

    Parameters
    ----------
    target : Path
        Folder; it must not exist, be empty, or hold a saved router.
    fields : mapping
        Everything but arrays, JSON-ready.
    arrays : mapping of str to NDArray
        The arrays by name.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InvalidInputError
        If the folder holds something else.
    """
    _require_replaceable(target)
    contents = {name: _array_bytes(array) for name, array in arrays.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    head = {"format": _FORMAT, "format_version": FORMAT_VERSION}
    manifest = _document({**head, **fields, "sha256": digests})
    target.mkdir(parents=True, exist_ok=True)
    files = {_file_name(name, digests[name]): content for name, content in contents.items()}
    try:
        for name, content in files.items():
            _write(target / name, content)
        _write(target / MANIFEST, manifest)
    except OSError:
        _remove_arrays(target, keep=_referenced(target))
        raise
    _remove_arrays(target, keep=files.keys())
    return target


def read_manifest(root: Path) -> Manifest:
    """Read ``router.json`` and check that it is what was written.

    Parameters
    ----------
    root : Path
        Folder.

    Returns
    -------
    Manifest
        Its content.

    Raises
    ------
    SaveNotFoundError
        If there is no saved router.
    CorruptSaveError
        If it is damaged or of another format version.
    """
    path = root / MANIFEST
    if not path.is_file():
        raise SaveNotFoundError(f"no saved router in {root}: {MANIFEST} is missing")
    try:
        content = path.read_bytes()
        document = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptSaveError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise CorruptSaveError(f"{path} is not the file of a saved router")
    if document.get("format_version") != FORMAT_VERSION:
        raise CorruptSaveError(
            f"{path} has format version {document.get('format_version')!r}; this release reads "
            f"{FORMAT_VERSION}"
        )
    body = {name: value for name, value in document.items() if name != "checksum"}
    if not _is_unchanged(body, content):
        raise CorruptSaveError(f"{path} was changed after it was written; save the router anew")
    return Manifest(body)


def _is_unchanged(body: dict[str, Any], content: bytes) -> bool:
    try:
        return _document(body) == content
    except (ValueError, RecursionError):
        # NaN can be read but is never written.
        return False


def read_array(root: Path, name: str, manifest: Manifest) -> NDArray[Any]:
    """Read one array and check every byte.

    Parameters
    ----------
    root : Path
        Folder.
    name : str
        Name of the array.
    manifest : Manifest
        Content of ``router.json``.

    Returns
    -------
    NDArray
        Read-only.

    Raises
    ------
    CorruptSaveError
        If it is missing or damaged.
    """
    digest = str(manifest.part("sha256", dict).get(name))
    path = root / _file_name(name, digest)
    if _ARRAY_FILE.fullmatch(path.name) is None:
        raise CorruptSaveError(f"{root / MANIFEST} has no checksum of its {name}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptSaveError(f"{path} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise CorruptSaveError(f"{path} is truncated or damaged; save the router anew")
    try:
        buffer = io.BytesIO(content)
        np.lib.format.read_magic(buffer)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(buffer)
        order: Literal["F", "C"] = "F" if by_columns else "C"
        return np.frombuffer(content, dtype, offset=buffer.tell()).reshape(shape, order=order)
    except Exception as error:  # re-raised: foreign bytes can upset the parser in many ways
        raise CorruptSaveError(f"{path} is no array: {error}") from error


def _require_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if target.is_dir():
        path = target / MANIFEST
        if path.is_file():
            with path.open("rb") as file:
                if _FORMAT.encode() in file.read(_HEAD_BYTES):
                    return
        elif all(_is_leftover(entry.name) for entry in target.iterdir()):
            return
    raise InvalidInputError(f"{target} exists and is no saved router; choose another folder")


def _is_leftover(name: str) -> bool:
    """Say whether a file can only come from a save that was interrupted."""
    return _ARRAY_FILE.fullmatch(name.removesuffix(_PART)) is not None or name == MANIFEST + _PART


def _referenced(target: Path) -> set[str]:
    """Return the arrays that the manifest in a folder needs; all of them if it cannot be read."""
    names = {entry.name for entry in target.iterdir() if _ARRAY_FILE.fullmatch(entry.name)}
    path = target / MANIFEST
    if not path.is_file():
        return set()
    text = path.read_bytes().decode("ascii", "replace")
    return {name for name in names if name.removesuffix(".npy").partition("-")[2] in text}


def _remove_arrays(target: Path, keep: Iterable[str]) -> None:
    kept = set(keep)
    for entry in list(target.iterdir()):
        if entry.name not in kept and _is_leftover(entry.name):
            entry.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + _PART)
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _file_name(name: str, digest: str) -> str:
    return f"{name}-{digest[:16]}.npy"


def _array_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _document(body: dict[str, Any]) -> bytes:
    # Plain ASCII, so that texts with lone surrogates, which UTF-8 cannot write, are kept as well.
    text = json.dumps(body, indent=1, allow_nan=False)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"checksum": checksum, **body}, indent=1, allow_nan=False).encode()
