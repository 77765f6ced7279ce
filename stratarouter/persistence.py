"""Saving a built router to a folder and reading it back.

The folder holds ``router.json`` (format, settings, routes, confidence, checksums) and one ``.npy``
file per array, which carries its checksum in its name. Nothing is pickled and loading encodes
nothing. A new save first writes its arrays beside the old ones and then replaces ``router.json`` in
one step, so that a crash at any moment leaves the old router or the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stratarouter.algorithms.heads import SKETCH_WIDTH, LinearHead, sketch_words
from stratarouter.algorithms.vectors import as_unit_rows
from stratarouter.building import assemble, training_rows
from stratarouter.config import RouterConfig
from stratarouter.errors import (
    CorruptSaveError,
    InvalidInputError,
    NoRoutesError,
    SaveNotFoundError,
)
from stratarouter.indexing import breadth_of, indexed_again
from stratarouter.learning import Verdict
from stratarouter.route_vectors import RouteVectors, encoded_texts
from stratarouter.snapshot import Snapshot
from stratarouter.types import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratarouter.scoring.hybrid import HybridScorer
    from stratarouter.types import FloatArray, IntArray

__all__ = ["FORMAT_VERSION", "load_snapshot", "save_snapshot"]

FORMAT_VERSION = 1
"""Version of the folder's format; a higher one is refused."""

_FORMAT = "stratarouter-router"
_MANIFEST = "router.json"
_ARRAY_FILE = re.compile(r"(?:vectors|offsets|head_weights|head_bias)-[0-9a-f]{16}\.npy")
_PART = ".part"
# The format is named at the very start of the manifest, where it survives most damage.
_HEAD_BYTES = 400
# Far beyond what training makes, and far from what single precision cannot hold.
_LARGEST_LOGIT = 1e6


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The checked content of ``router.json``."""

    body: dict[str, Any]
    """Everything but the checksum of the file itself."""

    def part(self, name: str, kind: type) -> Any:
        value = self.body.get(name)
        if type(value) is not kind:
            raise CorruptSaveError(f"{_MANIFEST}: {name!r} is missing or no {kind.__name__}")
        return value


def save_snapshot(snapshot: Snapshot, folder: str | Path) -> Path:
    """Write a snapshot to a folder, replacing a router that is there.

    Other files in the folder are left alone. Several threads or processes must not save to one
    folder at the same time.

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
    _require_replaceable(target)
    arrays = {name: _array_bytes(array) for name, array in _arrays_of(snapshot).items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in arrays.items()}
    manifest = _manifest_bytes(snapshot, digests)
    target.mkdir(parents=True, exist_ok=True)
    files = {_file_name(name, digests[name]): content for name, content in arrays.items()}
    try:
        for name, content in files.items():
            _write(target / name, content)
        _write(target / _MANIFEST, manifest)
    except OSError:
        _remove_arrays(target, keep=_referenced(target))
        raise
    _remove_arrays(target, keep=files.keys())
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
    MissingExtraError
        If its settings ask for an HNSW index and faiss is not installed.
    """
    root = Path(folder)
    manifest = _read_manifest(root)
    vectors, offsets = (_read_array(root, name, manifest) for name in ("vectors", "offsets"))
    try:
        config = RouterConfig.from_options(**manifest.part("config", dict))
        routes = [Route(**fields) for fields in manifest.part("routes", list)]
        entries = _entries(
            routes, manifest.part("aligned", list), vectors, offsets, config.dimension
        )
        scorer = indexed_again(assemble(entries, config), manifest.body["breadth"], config)
        used, built, plain = (
            Verdict.from_dict(manifest.part(name, dict)) for name in ("used", "built", "plain")
        )
        _require_offsets((used, built, plain), len(routes))
        return Snapshot(
            version=manifest.part("snapshot_version", int),
            config=config,
            routes=tuple(routes),
            aligned=tuple(entry.aligned for entry in entries),
            encoder_id=manifest.part("encoder_id", str),
            scorer=scorer.revised(
                used.weights, _read_head(root, manifest, scorer, entries), used.n_candidates
            ),
            confidence=used.confidence,
            built=built,
            plain=plain,
            thresholds=_thresholds(manifest.part("thresholds", list), len(routes)),
            head_stale=manifest.part("head_stale", bool),
        )
    except CorruptSaveError:
        raise
    except (TypeError, ValueError, KeyError, OverflowError, NoRoutesError) as error:
        raise CorruptSaveError(f"{root / _MANIFEST} does not describe a router: {error}") from error


def _require_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if target.is_dir():
        path = target / _MANIFEST
        if path.is_file():
            with path.open("rb") as file:
                if _FORMAT.encode() in file.read(_HEAD_BYTES):
                    return
        elif all(_is_leftover(entry.name) for entry in target.iterdir()):
            return
    raise InvalidInputError(f"{target} exists and is no saved router; choose another folder")


def _is_leftover(name: str) -> bool:
    """Say whether a file can only come from a save that was interrupted."""
    return _ARRAY_FILE.fullmatch(name.removesuffix(_PART)) is not None or name == _MANIFEST + _PART


def _referenced(target: Path) -> set[str]:
    """Return the arrays that the manifest in a folder needs; all of them if it cannot be read."""
    names = {entry.name for entry in target.iterdir() if _ARRAY_FILE.fullmatch(entry.name)}
    path = target / _MANIFEST
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


def _manifest_bytes(snapshot: Snapshot, digests: dict[str, str]) -> bytes:
    body = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "encoder_id": snapshot.encoder_id,
        "dimension": snapshot.dimension,
        "snapshot_version": snapshot.version,
        "config": asdict(snapshot.config),
        "routes": [_route_fields(route) for route in snapshot.routes],
        "aligned": list(snapshot.aligned),
        "used": snapshot.used.to_dict(),
        "built": snapshot.built.to_dict(),
        "plain": snapshot.plain.to_dict(),
        "head": _head_fields(snapshot.scorer.head),
        "head_stale": snapshot.head_stale,
        "breadth": breadth_of(snapshot.scorer),
        "thresholds": list(snapshot.thresholds),
        "sha256": digests,
    }
    return _document(body)


def _document(body: dict[str, Any]) -> bytes:
    # Plain ASCII, so that texts with lone surrogates, which UTF-8 cannot write, are kept as well.
    text = json.dumps(body, indent=1, allow_nan=False)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"checksum": checksum, **body}, indent=1, allow_nan=False).encode()


def _thresholds(saved: list[Any], n_routes: int) -> tuple[float, ...]:
    # Comparisons are written so that NaN fails them.
    thresholds = tuple(float(value) for value in saved)
    if len(thresholds) != n_routes or not all(0.0 <= value <= 1.0 for value in thresholds):
        raise CorruptSaveError("the saved thresholds do not belong to the saved routes")
    return thresholds


def _require_offsets(verdicts: Iterable[Verdict], n_routes: int) -> None:
    if any(len(verdict.confidence.offsets) not in {0, n_routes} for verdict in verdicts):
        raise CorruptSaveError("the saved confidence does not belong to the saved routes")


def _arrays_of(snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"vectors": snapshot.vectors, "offsets": snapshot.offsets}
    head = snapshot.scorer.head
    return (
        arrays if head is None else {**arrays, "head_weights": head.weights, "head_bias": head.bias}
    )


def _head_fields(head: LinearHead | None) -> dict[str, Any]:
    if head is None:
        return {}
    return {"low": head.low, "high": head.high, "reads_words": head.sketch is not None}


def _read_head(
    root: Path, manifest: _Manifest, scorer: HybridScorer, entries: Sequence[RouteVectors]
) -> LinearHead | None:
    fields = manifest.part("head", dict)
    if not fields:
        return None
    weights, bias = (_read_array(root, name, manifest) for name in ("head_weights", "head_bias"))
    seed = int(manifest.part("config", dict).get("seed", 0))
    rows = training_rows(scorer, entries)
    sketch = sketch_words(rows.words, seed) if fields.get("reads_words") else None
    width = rows.vectors.shape[1] + (0 if sketch is None else SKETCH_WIDTH)
    low, high = float(fields["low"]), float(fields["high"])
    fits = (
        weights.shape == (scorer.n_routes, width)
        and bias.shape == (scorer.n_routes,)
        and weights.dtype == bias.dtype == np.float32
        and bool(np.isfinite(weights).all() and np.isfinite(bias).all())
        and -_LARGEST_LOGIT < low < high < _LARGEST_LOGIT
        and high - low > 1.0 / _LARGEST_LOGIT
    )
    if not fits:
        raise CorruptSaveError("the saved head does not belong to the saved routes")
    return LinearHead(weights, bias, low, high, sketch)


def _route_fields(route: Route) -> dict[str, Any]:
    fields = route.to_dict()
    metadata = fields["metadata"]
    try:
        unchanged = json.loads(json.dumps(metadata, allow_nan=False)) == metadata
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"the metadata of route {route.id!r} cannot be saved as JSON: {error}"
        ) from error
    if not unchanged:
        raise InvalidInputError(
            f"the metadata of route {route.id!r} would change when saved as JSON; "
            "use lists instead of tuples, and strings as keys"
        )
    return fields


def _read_manifest(root: Path) -> _Manifest:
    path = root / _MANIFEST
    if not path.is_file():
        raise SaveNotFoundError(f"no saved router in {root}: {_MANIFEST} is missing")
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
    return _Manifest(body)


def _is_unchanged(body: dict[str, Any], content: bytes) -> bool:
    try:
        return _document(body) == content
    except (ValueError, RecursionError):
        # NaN can be read but is never written.
        return False


def _read_array(root: Path, name: str, manifest: _Manifest) -> NDArray[Any]:
    digest = str(manifest.part("sha256", dict).get(name))
    path = root / _file_name(name, digest)
    if _ARRAY_FILE.fullmatch(path.name) is None:
        raise CorruptSaveError(f"{root / _MANIFEST} has no checksum of its {name}")
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


def _entries(
    routes: list[Route],
    aligned: list[bool],
    vectors: FloatArray,
    offsets: IntArray,
    dimension: int,
) -> list[RouteVectors]:
    fits = (
        len({route.id for route in routes}) == len(routes) == len(aligned)
        and (vectors.dtype.name, vectors.ndim) == ("float32", 2)
        and (offsets.dtype.kind, offsets.shape) == ("i", (len(routes) + 1,))
        and (offsets[0], offsets[-1]) == (0, len(vectors))
        and bool((np.diff(offsets) > 0).all())
        and all(
            not flag or size in {len(route.examples), len(route.texts), len(encoded_texts(route))}
            for route, flag, size in zip(routes, aligned, np.diff(offsets).tolist(), strict=True)
        )
    )
    if not fits:
        raise CorruptSaveError("the saved routes and vectors do not belong together")
    rows = as_unit_rows(vectors, dimension=dimension, what="saved vectors")
    return [
        RouteVectors(route, rows[int(offsets[number]) : int(offsets[number + 1])], flag is True)
        for number, (route, flag) in enumerate(zip(routes, aligned, strict=True))
    ]
