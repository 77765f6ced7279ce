"""Saving a built router to a folder and reading it back.

The folder holds ``router.json`` (format, settings, routes, confidence, checksums) and one ``.npy``
file per array. Nothing is pickled and loading encodes nothing. A new save is written beside the old
one and then swapped in, so a crash leaves one of the two.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.vectors import as_unit_rows
from stratarouter.building import build_snapshot
from stratarouter.calibration import ConfidenceMap
from stratarouter.config import RouterConfig
from stratarouter.errors import (
    ConfigurationError,
    CorruptSaveError,
    InvalidInputError,
    SaveNotFoundError,
)
from stratarouter.route_vectors import RouteVectors
from stratarouter.types import Route

if TYPE_CHECKING:
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray, IntArray

__all__ = ["FORMAT_VERSION", "load_snapshot", "save_snapshot"]

FORMAT_VERSION = 1
"""Version of the folder's format; a higher one is refused."""

_FORMAT = "stratarouter-router"
_MANIFEST = "router.json"
_ARRAYS = {"vectors": "vectors.npy", "offsets": "offsets.npy"}


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The checked content of ``router.json``."""

    body: dict[str, Any]
    """Everything but the checksum of the file itself."""

    def part(self, name: str, kind: type) -> Any:
        value = self.body.get(name)
        if not isinstance(value, kind):
            raise CorruptSaveError(f"{_MANIFEST}: {name!r} is missing or no {kind.__name__}")
        return value


def save_snapshot(snapshot: Snapshot, folder: str | Path) -> Path:
    """Write a snapshot to a folder, replacing a router that is there.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    folder : str or Path
        Folder to write; it must not exist, be empty, or hold a saved router.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InvalidInputError
        If the folder holds something else, or the metadata of a route is not JSON.
    """
    target = Path(folder)
    if target.exists() and not _is_replaceable(target):
        raise InvalidInputError(f"{target} exists and is no saved router; choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _write(snapshot, scratch / "new")
        if target.exists():
            target.rename(scratch / "old")
        (scratch / "new").rename(target)
    finally:
        shutil.rmtree(scratch)
    return target


def load_snapshot(folder: str | Path) -> Snapshot:
    """Read a snapshot from a folder, checking every byte.

    Parameters
    ----------
    folder : str or Path
        Folder that `save_snapshot` wrote.

    Returns
    -------
    Snapshot
        A snapshot that decides like the saved one.

    Raises
    ------
    SaveNotFoundError
        If there is no saved router.
    CorruptSaveError
        If it is damaged, incomplete, or of a newer format.
    """
    root = Path(folder)
    manifest = _read_manifest(root)
    arrays = {name: _read_array(root, name, manifest) for name in _ARRAYS}
    try:
        config = RouterConfig.from_options(**manifest.part("config", dict))
        routes = [Route(**fields) for fields in manifest.part("routes", list)]
        entries = _entries(
            routes, manifest.part("aligned", list), arrays["vectors"], arrays["offsets"]
        )
        return build_snapshot(
            entries,
            config,
            encoder_id=manifest.part("encoder_id", str),
            version=manifest.part("snapshot_version", int),
            inherited=(
                ConfidenceMap.from_dict(manifest.part("confidence", dict)),
                ConfidenceMap.from_dict(manifest.part("built_confidence", dict)),
            ),
        )
    except (TypeError, InvalidInputError, ConfigurationError) as error:
        raise CorruptSaveError(f"{root / _MANIFEST} does not describe a router: {error}") from error


def _is_replaceable(target: Path) -> bool:
    if not target.is_dir():
        return False
    return (target / _MANIFEST).is_file() or not any(target.iterdir())


def _write(snapshot: Snapshot, folder: Path) -> None:
    folder.mkdir()
    arrays = {"vectors": snapshot.vectors, "offsets": snapshot.offsets}
    files: dict[str, dict[str, Any]] = {}
    for name, file_name in _ARRAYS.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, arrays[name], allow_pickle=False)
        content = buffer.getvalue()
        (folder / file_name).write_bytes(content)
        files[file_name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    body = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "encoder_id": snapshot.encoder_id,
        "dimension": snapshot.dimension,
        "snapshot_version": snapshot.version,
        "config": asdict(snapshot.config),
        "routes": [route.to_dict() for route in snapshot.routes],
        "aligned": list(snapshot.aligned),
        "confidence": snapshot.confidence.to_dict(),
        "built_confidence": snapshot.built_confidence.to_dict(),
        "files": files,
    }
    try:
        text = _canonical(body)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"the metadata of a route cannot be saved as JSON: {error}"
        ) from error
    document = {"checksum": hashlib.sha256(text.encode()).hexdigest(), **body}
    (folder / _MANIFEST).write_text(
        json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8"
    )


def _read_manifest(root: Path) -> _Manifest:
    path = root / _MANIFEST
    if not path.is_file():
        raise SaveNotFoundError(f"no saved router in {root}: {_MANIFEST} is missing")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptSaveError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise CorruptSaveError(f"{path} is not the file of a saved router")
    if document.get("format_version") != FORMAT_VERSION:
        raise CorruptSaveError(
            f"{path} has format version {document.get('format_version')!r}; this release reads "
            f"{FORMAT_VERSION}"
        )
    checksum = document.pop("checksum", None)
    if hashlib.sha256(_canonical(document).encode()).hexdigest() != checksum:
        raise CorruptSaveError(f"{path} was changed after it was written; save the router anew")
    return _Manifest(document)


def _read_array(root: Path, name: str, manifest: _Manifest) -> Any:
    file_name = _ARRAYS[name]
    path = root / file_name
    expected = manifest.part("files", dict).get(file_name, {}).get("sha256")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptSaveError(f"{path} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise CorruptSaveError(f"{path} is truncated or damaged; save the router anew")
    try:
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise CorruptSaveError(f"{path} is no array: {error}") from error


def _entries(
    routes: list[Route], aligned: list[bool], vectors: FloatArray, offsets: IntArray
) -> list[RouteVectors]:
    rising = len(offsets) == len(routes) + 1 and bool((np.diff(offsets) > 0).all())
    if not rising or len(aligned) != len(routes) or offsets[-1] != len(vectors):
        raise CorruptSaveError("the saved routes and vectors do not belong together")
    rows = as_unit_rows(vectors, what="saved vectors")
    return [
        RouteVectors(route, rows[int(offsets[number]) : int(offsets[number + 1])], bool(flag))
        for number, (route, flag) in enumerate(zip(routes, aligned, strict=True))
    ]


def _canonical(body: dict[str, Any]) -> str:
    return json.dumps(
        body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
