"""A damaged head is refused by name, and what was learned is checked before it serves."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter import CorruptSaveError, HashingEncoder, Router, RouterConfig
from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.building import build_snapshot, entries_of, training_rows
from stratarouter.learning import Verdict
from stratarouter.persistence import save_snapshot
from stratarouter.route_vectors import encode_routes
from stratarouter.testing import sample_routes
from stratarouter.training import HeadKind, train_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENCODER = HashingEncoder(8)
EMBEDDING = ENCODER.encode(["invoice"])[0]

Files = dict[str, bytes]


def saved_head() -> Files:
    """Return a save whose router has learned a head that reads words."""
    snapshot = build_snapshot(
        encode_routes(sample_routes(), ENCODER),
        RouterConfig(dimension=8),
        encoder_id=ENCODER.encoder_id,
        version=1,
    )
    rows = training_rows(snapshot.scorer, entries_of(snapshot))
    head = train_head(rows, HeadKind("logistic+words", reads_words=True), seed=0)
    weights = FusionWeights(0.3, 0.2, 0.2, 0.07, head=0.3)
    verdict = Verdict(weights, snapshot.confidence, 10)
    with_head = replace(snapshot, scorer=snapshot.scorer.revised(weights, head), built=verdict)
    with tempfile.TemporaryDirectory() as folder:
        save_snapshot(with_head, folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


HEAD = saved_head()


def name_of(kind: str) -> str:
    return next(name for name in HEAD if name.startswith(kind))


def load(files: Files) -> Router:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        return Router.load(folder, encoder=ENCODER)


def array_bytes(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def forged(
    edit: Callable[[dict[str, Any]], object], arrays: dict[str, bytes] | None = None
) -> Files:
    """Return a save that was edited by somebody who also corrected all checksums."""
    document = json.loads(HEAD["router.json"])
    del document["checksum"]
    files = {}
    for kind in document["sha256"]:
        content = (arrays or {}).get(kind, HEAD[name_of(kind)])
        document["sha256"][kind] = hashlib.sha256(content).hexdigest()
        files[f"{kind}-{document['sha256'][kind][:16]}.npy"] = content
    edit(document)
    checksum = hashlib.sha256(json.dumps(document, indent=1).encode()).hexdigest()
    text = json.dumps({"checksum": checksum, **document}, indent=1)
    return {**files, "router.json": text.encode()}


def no_edit(document: dict[str, Any]) -> None:
    """Leave a document as it is."""


def test_the_undamaged_head_loads_and_serves() -> None:
    assert load(HEAD).route("invoice", EMBEDDING).snapshot_version == 1
    assert forged(no_edit) == HEAD


@pytest.mark.parametrize("kind", ["head_weights", "head_bias"])
@given(share=st.floats(0.0, 1.0, exclude_max=True), change=st.integers(1, 255))
@settings(max_examples=50)
def test_a_changed_byte_of_a_head_is_refused(kind: str, share: float, change: int) -> None:
    name = name_of(kind)
    content = bytearray(HEAD[name])
    content[int(share * len(content))] ^= change

    with pytest.raises(CorruptSaveError):
        load({**HEAD, name: bytes(content)})
    with pytest.raises(CorruptSaveError):
        load({**HEAD, name: HEAD[name][: int(share * len(content))]})


@pytest.mark.parametrize("kind", ["head_weights", "head_bias"])
def test_a_missing_part_of_a_head_is_refused(kind: str) -> None:
    with pytest.raises(CorruptSaveError, match="cannot be read"):
        load({name: content for name, content in HEAD.items() if name != name_of(kind)})


HEAD_WEIGHTS = np.load(io.BytesIO(HEAD[name_of("head_weights")]))
HEAD_BIAS = np.load(io.BytesIO(HEAD[name_of("head_bias")]))


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        ("head_weights", HEAD_WEIGHTS[:-1]),
        ("head_weights", HEAD_WEIGHTS[:, :8]),
        ("head_weights", HEAD_WEIGHTS[0]),
        ("head_weights", HEAD_WEIGHTS.astype(float)),
        ("head_weights", HEAD_WEIGHTS.astype(complex)),
        ("head_weights", HEAD_WEIGHTS.astype("U8")),
        ("head_weights", HEAD_WEIGHTS.astype(object)),
        ("head_weights", HEAD_WEIGHTS * np.float32(np.nan)),
        ("head_bias", HEAD_BIAS[:-1]),
        ("head_bias", HEAD_BIAS[np.newaxis]),
        ("head_bias", HEAD_BIAS.astype(int)),
        ("head_bias", HEAD_BIAS + np.float32(np.inf)),
    ],
)
def test_forged_heads_are_refused(kind: str, array: Any) -> None:
    with pytest.raises(CorruptSaveError):
        load(forged(no_edit, {kind: array_bytes(array)}))


def test_columns_of_a_head_are_not_taken_for_rows() -> None:
    by_columns = np.asfortranarray(HEAD_WEIGHTS)
    assert not by_columns.flags.c_contiguous

    loaded = load(forged(no_edit, {"head_weights": array_bytes(by_columns)}))

    assert dict(loaded.route("invoice", EMBEDDING).scores) == pytest.approx(
        dict(load(HEAD).route("invoice", EMBEDDING).scores), abs=1e-5
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"low": 1.0, "high": 1.0, "reads_words": True},
        {"low": 2.0, "high": 1.0, "reads_words": True},
        {"low": -1.0, "high": 1.0, "reads_words": False},
        {"low": "x", "high": 1.0, "reads_words": True},
        {"high": 1.0, "reads_words": True},
        [],
    ],
)
def test_a_head_without_its_scale_is_refused(fields: object) -> None:
    with pytest.raises(CorruptSaveError):
        load(forged(lambda document: document.update(head=fields)))


def test_a_head_of_other_routes_is_refused() -> None:
    vectors, offsets = (np.load(io.BytesIO(HEAD[name_of(kind)])) for kind in ("vectors", "offsets"))

    def drop_route(document: dict[str, Any]) -> None:
        for name in ("routes", "aligned", "thresholds"):
            document[name].pop()

    arrays = {
        "vectors": array_bytes(vectors[: int(offsets[-2])]),
        "offsets": array_bytes(offsets[:-1]),
    }

    with pytest.raises(CorruptSaveError, match="head does not belong to the saved routes"):
        load(forged(drop_route, arrays))


def paths_in(value: object, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths_in(part, (*path, key))


PLACES = [
    path
    for name in ("used", "built", "plain", "head", "head_stale", "thresholds")
    for path in paths_in(json.loads(HEAD["router.json"])[name], (name,))
]
VALUES: st.SearchStrategy[object] = st.one_of(
    st.sampled_from([None, True, -1, 10**400, 1e308, -1e308, "", "x", [], {}, {"a": 1}]),
    st.integers(),
    st.floats(allow_nan=False),
)


def replace_at(document: Any, path: tuple[Any, ...], value: object) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@settings(max_examples=300)
@given(path=st.sampled_from(PLACES), value=VALUES)
def test_forged_learning_is_refused_or_routes(path: tuple[Any, ...], value: object) -> None:
    files = forged(lambda document: replace_at(document, path, value))
    try:
        router = load(files)
    except CorruptSaveError:
        return

    # What may be a valid router after all must really be one.
    result = router.route("invoice", EMBEDDING, k=9)

    assert 0.0 < result.confidence < 1.0
    assert str(result.explain())
    router.build_index()
