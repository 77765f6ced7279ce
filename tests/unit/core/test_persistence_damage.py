"""A damaged save is refused by name, wherever the damage is."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter import CorruptSaveError, HashingEncoder, Route, Router, SaveNotFoundError
from stratarouter.saved_folder import FORMAT_VERSION
from stratarouter.testing import sample_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENCODER = HashingEncoder(8)
EMBEDDING = ENCODER.encode(["invoice"])[0]
KINDS = ("router", "vectors", "offsets")

Files = dict[str, bytes]


def saved_files(*more: Route) -> Files:
    router = Router(encoder=ENCODER)
    router.add_routes([*sample_routes(), *more])
    with tempfile.TemporaryDirectory() as folder:
        router.save(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


GOOD = saved_files()
OTHER = saved_files(Route("new", examples=["something new"]))


def name_of(kind: str, files: Files = GOOD) -> str:
    return next(name for name in files if name.startswith(kind))


def load(files: Files) -> Router:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        return Router.load(folder, encoder=ENCODER)


def array_bytes(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def forged(edit: Callable[[dict[str, Any]], object], **arrays: bytes) -> Files:
    """Return a save that was edited by somebody who also corrected all checksums."""
    document = json.loads(GOOD["router.json"])
    del document["checksum"]
    files = {}
    for kind in ("vectors", "offsets"):
        content = arrays.get(kind, GOOD[name_of(kind)])
        document["sha256"][kind] = hashlib.sha256(content).hexdigest()
        files[f"{kind}-{document['sha256'][kind][:16]}.npy"] = content
    edit(document)
    checksum = hashlib.sha256(json.dumps(document, indent=1).encode()).hexdigest()
    text = json.dumps({"checksum": checksum, **document}, indent=1)
    return {**files, "router.json": text.encode()}


def no_edit(document: dict[str, Any]) -> None:
    """Leave a document as it is."""


def test_the_undamaged_save_loads() -> None:
    assert load(GOOD).route("invoice", EMBEDDING).snapshot_version == 1
    assert forged(no_edit) == GOOD


# Chance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=60)
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    name = name_of(kind)
    content = GOOD[name][: int(share * len(GOOD[name]))]

    with pytest.raises(CorruptSaveError):
        load({**GOOD, name: content})


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.floats(0.0, 1.0, exclude_max=True), change=st.integers(1, 255))
@settings(max_examples=60)
def test_a_changed_byte_is_refused(kind: str, share: float, change: int) -> None:
    name = name_of(kind)
    content = bytearray(GOOD[name])
    content[int(share * len(content))] ^= change

    with pytest.raises(CorruptSaveError):
        load({**GOOD, name: bytes(content)})


@pytest.mark.parametrize("kind", KINDS)
@given(place=st.floats(0.0, 1.0), added=st.binary(min_size=1, max_size=20))
@settings(max_examples=50)
def test_added_bytes_are_refused(kind: str, place: float, added: bytes) -> None:
    name = name_of(kind)
    cut = int(place * len(GOOD[name]))

    with pytest.raises(CorruptSaveError):
        load({**GOOD, name: GOOD[name][:cut] + added + GOOD[name][cut:]})


@pytest.mark.parametrize("kind", KINDS)
@given(content=st.binary(max_size=200))
@settings(max_examples=50)
def test_foreign_content_is_refused(kind: str, content: bytes) -> None:
    with pytest.raises(CorruptSaveError):
        load({**GOOD, name_of(kind): content})


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_refused(kind: str) -> None:
    files = {name: content for name, content in GOOD.items() if name != name_of(kind)}

    with pytest.raises(SaveNotFoundError if kind == "router" else CorruptSaveError):
        load(files)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_router_is_refused(kind: str) -> None:
    with pytest.raises(CorruptSaveError):
        load({**GOOD, name_of(kind): OTHER[name_of(kind, OTHER)]})


@pytest.mark.parametrize("kind", ["vectors", "offsets"])
def test_an_array_that_is_a_folder_is_refused(tmp_path: Path, kind: str) -> None:
    for name, content in GOOD.items():
        if name == name_of(kind):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(content)

    with pytest.raises(CorruptSaveError, match="cannot be read"):
        Router.load(tmp_path)


@pytest.mark.parametrize("place", ["nothing", "folder", "file"])
def test_no_save_is_no_corrupt_save(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("{}")

    with pytest.raises(SaveNotFoundError, match="no saved router in"):
        Router.load(tmp_path / place)


# Hands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"threshold": 0.5', b'"threshold": 0.4'),
        (b'"billing"', b'"billinG"'),
        (b'"snapshot_version": 1', b'"snapshot_version": 2'),
        (b"\n", b"\n\n"),
        (b"\n", b" "),
        (b'"checksum"', b'"Checksum"'),
    ],
)
def test_an_edited_manifest_is_refused(old: bytes, new: bytes) -> None:
    assert old in GOOD["router.json"]

    with pytest.raises(CorruptSaveError, match="was changed after it was written"):
        load({**GOOD, "router.json": GOOD["router.json"].replace(old, new, 1)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"format": "stratarouter-router"}',
        '{"format": "another"}',
        "[" * 100_000,
        '{"a": ' * 100_000,
        "1" * 5_000,
        "{'format': 'stratarouter-router'}",
    ],
)
def test_a_manifest_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CorruptSaveError):
        load({**GOOD, "router.json": text.encode()})


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, None, "1", 99, 1.5])
def test_another_format_version_is_named(version: object) -> None:
    with pytest.raises(CorruptSaveError, match=f"version {version!r}; this release reads 1"):
        load(forged(lambda document: document.update(format_version=version)))


VECTORS = np.load(io.BytesIO(GOOD[name_of("vectors")]))
OFFSETS = np.load(io.BytesIO(GOOD[name_of("offsets")]))


@pytest.mark.parametrize(
    "vectors",
    [
        VECTORS.astype(np.float64),
        VECTORS.astype(complex),
        VECTORS[:-1],
        VECTORS[:, :-1],
        VECTORS[0],
        VECTORS[np.newaxis],
        VECTORS * 0,
        VECTORS * np.nan,
        np.where(VECTORS.max() == VECTORS, np.inf, VECTORS),
        VECTORS.astype("U8"),
        np.array(["text"] * len(VECTORS), dtype=object),
        np.array([]),
        np.array(5.0, dtype=np.float32),
    ],
)
def test_forged_vectors_are_refused(vectors: Any) -> None:
    with pytest.raises(CorruptSaveError):
        load(forged(no_edit, vectors=array_bytes(vectors)))


@pytest.mark.parametrize(
    "offsets",
    [
        OFFSETS.astype(float),
        OFFSETS[:-1],
        OFFSETS[::-1],
        OFFSETS * 0,
        OFFSETS + 1,
        OFFSETS - 1,
        np.array([0, 7, 6, 12, len(VECTORS)]),
        np.array([0, 6, 6, 12, len(VECTORS)]),
        np.array([0, -3, 6, 12, len(VECTORS)]),
        OFFSETS[np.newaxis],
        OFFSETS.astype(object),
    ],
)
def test_forged_offsets_are_refused(offsets: Any) -> None:
    with pytest.raises(CorruptSaveError):
        load(forged(no_edit, offsets=array_bytes(offsets)))


def test_columns_are_not_taken_for_rows() -> None:
    by_columns = np.asfortranarray(VECTORS)
    assert not by_columns.flags.c_contiguous

    loaded = load(forged(no_edit, vectors=array_bytes(by_columns)))

    assert (
        loaded.route("invoice", EMBEDDING).scores == load(GOOD).route("invoice", EMBEDDING).scores
    )


def test_vectors_of_texts_that_are_not_there_are_refused() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["routes"][1]["examples"] = ["only one"]

    with pytest.raises(CorruptSaveError, match="do not belong together"):
        load(forged(edit))


@pytest.mark.parametrize("verdict", ["used", "built", "plain"])
def test_confidences_of_another_number_of_routes_are_refused(verdict: str) -> None:
    def edit(document: dict[str, Any]) -> None:
        document[verdict]["confidence"]["offsets"] = [0.5] * (len(document["routes"]) - 1)

    with pytest.raises(CorruptSaveError, match="confidence does not belong"):
        load(forged(edit))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("kind", ["vectors", "offsets"])
def test_a_pickled_array_runs_nothing(tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "ran"
    content = array_bytes(np.array([Payload(marker)], dtype=object))

    with pytest.raises(CorruptSaveError):
        load(forged(no_edit, **{kind: content}))

    assert not marker.exists()
    np.load(io.BytesIO(content), allow_pickle=True)
    assert marker.exists()


def paths_in(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths_in(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from paths_in(part, (*path, number))


DOCUMENT = json.loads(GOOD["router.json"])
PLACES = [path for path in paths_in(DOCUMENT) if path[0] not in {"checksum", "sha256"}]
VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 10**400, 0.5, "", "x", "re:(a+)+$", [], ["x"], [[]], {}, {"a": 1}]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part),
    max_leaves=4,
)


def replace_at(document: Any, path: tuple[Any, ...], value: object) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@pytest.mark.parametrize("missing", [path for path in PLACES if len(path) <= 2])
def test_a_forged_manifest_without_a_part_is_refused_or_routes(missing: tuple[Any, ...]) -> None:
    def edit(document: Any) -> None:
        for key in missing[:-1]:
            document = document[key]
        del document[missing[-1]]

    assert_refused_or_works(forged(edit))


@settings(max_examples=150)
@given(path=st.sampled_from(PLACES), value=VALUES)
def test_a_forged_manifest_is_refused_or_routes(path: tuple[Any, ...], value: object) -> None:
    assert_refused_or_works(forged(lambda document: replace_at(document, path, value)))


def assert_refused_or_works(files: Files) -> None:
    """Load what may be a valid router after all; it must then really be one."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        try:
            router = Router.load(folder)
        except CorruptSaveError:
            return
        result = router.route("invoice", EMBEDDING, k=9)
        assert 0.0 < result.confidence < 1.0
        assert str(result.explain())
        assert Router.load(router.save(Path(folder, "again"))).routes == router.routes
        router.build_index()
