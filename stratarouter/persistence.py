"""Saving a built router and reading it back: what of it is saved, and how it is made again.

Nothing is pickled and loading encodes nothing; `saved_folder` knows the files.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.heads import SKETCH_WIDTH, LinearHead, sketch_words
from stratarouter.algorithms.vectors import as_unit_rows
from stratarouter.building import assemble, training_rows
from stratarouter.config import RouterConfig
from stratarouter.errors import (
    CorruptSaveError,
    InvalidInputError,
    NoRoutesError,
)
from stratarouter.indexing import breadth_of, indexed_again
from stratarouter.learning import Verdict
from stratarouter.route_vectors import RouteVectors, encoded_texts
from stratarouter.saved_folder import MANIFEST, Manifest, read_array, read_manifest, write_folder
from stratarouter.snapshot import Snapshot
from stratarouter.types import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratarouter.scoring.hybrid import HybridScorer
    from stratarouter.types import FloatArray, IntArray

__all__ = ["load_snapshot", "save_snapshot"]

# Far beyond what training makes, and far from what single precision cannot hold.
_LARGEST_LOGIT = 1e6


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
    return write_folder(Path(folder), _manifest_fields(snapshot), _arrays_of(snapshot))


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
    manifest = read_manifest(root)
    vectors, offsets = (read_array(root, name, manifest) for name in ("vectors", "offsets"))
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
        raise CorruptSaveError(f"{root / MANIFEST} does not describe a router: {error}") from error


def _manifest_fields(snapshot: Snapshot) -> dict[str, Any]:
    return {
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
    }


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
    root: Path, manifest: Manifest, scorer: HybridScorer, entries: Sequence[RouteVectors]
) -> LinearHead | None:
    fields = manifest.part("head", dict)
    if not fields:
        return None
    weights, bias = (read_array(root, name, manifest) for name in ("head_weights", "head_bias"))
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
