"""A saved router comes back as it was, and saving never harms what is there."""

from __future__ import annotations

import json
import math
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import (
    DimensionMismatchError,
    EncoderMismatchError,
    EncoderRequiredError,
    HashingEncoder,
    InvalidInputError,
    Route,
    Router,
    SaveNotFoundError,
)
from stratarouter.calibration import PRIOR
from stratarouter.persistence import load_snapshot, save_snapshot
from stratarouter.testing import CountingEncoder, TableEncoder, sample_routes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCODER = HashingEncoder(48)
QUERIES = [
    "Where is my invoice?",
    "re INV-7, twice charged",
    "the tracking number",
    "supervisor!",
    "?!",
    "café déjà vu",
]
EMBEDDINGS = ENCODER.encode(QUERIES)
SPECIAL_ROUTES = [
    Route(
        "speçial ✓",
        examples=["call my supervisor", "déjà vu", "tab\tand\nline"],
        keywords=["supervisor", "日本語"],
        patterns=["supervisor", r"re:\bvip-\d{3}\b"],
        tags=["a", "b"],
        metadata={"deep": {"list": [1, 2.5, None, True, "ü"]}, "big": 10**30},
        threshold=0.0,
        pattern_mode="override",
    ),
    Route("only a description", description="Everything that fits nowhere else", threshold=1.0),
]


def make_router(**settings: Any) -> Router:
    """Return a router that uses everything that can be saved."""
    options = {"threshold": 0.31, "fallback_route": "account", "rule_weight": 0.1, **settings}
    router = Router(encoder=ENCODER, **options)
    router.add_routes([*sample_routes(), *SPECIAL_ROUTES])
    router.build_index()
    return router


def fit(router: Router) -> None:
    texts = [text for route in sample_routes() for text in route.examples]
    labels: list[str | None] = [route.id for route in sample_routes() for _ in route.examples]
    router.fit([*texts, *QUERIES[3:]] * 10, [*labels, None, None, None] * 10)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_decides_alike(one: Router, other: Router) -> None:
    for query, embedding in zip(QUERIES, EMBEDDINGS, strict=True):
        left, right = (router.route(query, embedding, k=9) for router in (one, other))
        first, second = ({**result.to_dict(), "latency_ms": 0} for result in (left, right))
        assert first == second


# There and back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fitted", [False, True])
def test_everything_comes_back_bit_for_bit(tmp_path: Path, fitted: bool) -> None:
    router = make_router()
    if fitted:
        fit(router)

    loaded = Router.load(router.save(tmp_path / "saved"), encoder=ENCODER)

    assert loaded.routes == router.routes
    assert [route.to_dict() for route in loaded.routes] == [
        route.to_dict() for route in router.routes
    ]
    assert loaded.config == router.config
    assert (loaded.version, loaded.encoder_id) == (router.version, router.encoder_id)
    assert_decides_alike(router, loaded)


def test_snapshots_are_equal_in_every_number(tmp_path: Path) -> None:
    router = make_router()
    fit(router)
    snapshot = load_snapshot(router.save(tmp_path / "one"))

    again = load_snapshot(save_snapshot(snapshot, tmp_path / "two"))

    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")
    assert again.confidence == snapshot.confidence
    assert again.confidence.source == "queries"
    assert again.scorer.weights == snapshot.scorer.weights
    assert (again.built, again.plain) == (snapshot.built, snapshot.plain)
    assert again.built != again.used
    assert again.head_stale is snapshot.head_stale is False
    assert again.vectors.tobytes() == snapshot.vectors.tobytes()
    assert (again.aligned, again.thresholds) == (snapshot.aligned, snapshot.thresholds)


def test_the_prior_is_kept(tmp_path: Path) -> None:
    router = make_router(enable_calibration=False)

    snapshot = load_snapshot(router.save(tmp_path / "saved"))

    assert snapshot.confidence == PRIOR
    assert not snapshot.confidence.calibrated


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    make_router().save(tmp_path / "one")
    make_router().save(tmp_path / "two")

    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


def test_a_loaded_router_can_be_changed_like_the_saved_one(tmp_path: Path) -> None:
    router = make_router()
    loaded = Router.load(router.save(tmp_path / "saved"), encoder=ENCODER)

    for each in (router, loaded):
        each.add(Route("new", examples=["something new", "déjà vu"]))
        each.remove_route("returns")
        each.build_index()
        assert each.version == 4

    assert_decides_alike(router, loaded)


def test_texts_that_utf8_cannot_write_are_kept(tmp_path: Path) -> None:
    router = Router(dimension=2)
    router.add(Route("odd", examples=["lone \ud800 surrogate"], metadata={"\udfff": "\ud800"}))
    router.build_index([[1.0, 0.0]])

    assert Router.load(router.save(tmp_path / "saved")).routes == router.routes


@pytest.mark.parametrize("spelling", [str, lambda path: path])
def test_folders_are_made_and_returned(tmp_path: Path, spelling: Any) -> None:
    folder = tmp_path / "not" / "yet" / "there"

    assert make_router().save(spelling(folder)) == folder
    assert Router.load(spelling(folder), encoder=ENCODER).is_built


def test_the_files_are_json_and_arrays(tmp_path: Path) -> None:
    folder = make_router().save(tmp_path / "saved")

    names = sorted(path.name.partition("-")[0] for path in folder.iterdir())
    document = json.loads((folder / "router.json").read_text(encoding="ascii"))
    vectors = np.load(next(folder.glob("vectors-*.npy")), allow_pickle=False)

    assert names == ["offsets", "router.json", "vectors"]
    assert [route["id"] for route in document["routes"]][:2] == ["billing", "delivery"]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)


# Encoders ----------------------------------------------------------------------------------------


def test_loading_encodes_nothing(tmp_path: Path) -> None:
    folder = make_router().save(tmp_path / "saved")
    encoder = CountingEncoder(ENCODER)

    loaded = Router.load(folder, encoder=encoder)
    loaded.route(QUERIES[0], EMBEDDINGS[0])

    assert encoder.calls == []
    assert loaded.route(QUERIES[0]).matched
    assert encoder.texts == [QUERIES[0]]


def test_the_default_encoder_need_not_be_passed(tmp_path: Path) -> None:
    router = Router(dimension=48)
    router.add_routes(sample_routes())

    loaded = Router.load(router.save(tmp_path / "saved"))

    assert loaded.route(QUERIES[0]).scores == router.route(QUERIES[0]).scores


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    folder = make_router().save(tmp_path / "saved")
    other = TableEncoder({"a": [1.0] * 48}, encoder_id="theirs")
    named_alike = TableEncoder({"a": [1.0, 2.0]}, encoder_id=ENCODER.encoder_id)

    with pytest.raises(EncoderMismatchError, match="'theirs'") as caught:
        Router.load(folder, encoder=other)
    with pytest.raises(DimensionMismatchError, match="has 2 dimensions, the router has 48"):
        Router.load(folder, encoder=named_alike)

    assert caught.value.expected == ENCODER.encoder_id


def test_text_needs_the_encoder_that_vectors_do_not(tmp_path: Path) -> None:
    encoder = TableEncoder({QUERIES[0]: EMBEDDINGS[0]}, fallback=ENCODER, encoder_id="mine")
    router = Router(encoder=encoder)
    router.add_routes(sample_routes())
    loaded = Router.load(router.save(tmp_path / "saved"))

    assert loaded.route(QUERIES[0], EMBEDDINGS[0]).scores == router.route(QUERIES[0]).scores
    with pytest.raises(EncoderRequiredError, match="'mine'"):
        loaded.route(QUERIES[0])


def test_vectors_from_outside_stay_vectors_from_outside(tmp_path: Path) -> None:
    router = Router(dimension=48)
    router.add_routes(sample_routes())
    router.build_index(EMBEDDINGS[:4])
    folder = router.save(tmp_path / "saved")

    loaded = Router.load(folder)

    assert (loaded.encoder, loaded.encoder_id) == (None, "external")
    with pytest.raises(EncoderRequiredError):
        loaded.route(QUERIES[0])
    with pytest.raises(EncoderMismatchError, match="'external'"):
        Router.load(folder, encoder=ENCODER)


# Saving over what is there -----------------------------------------------------------------------


def test_a_saved_router_is_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    router = make_router()
    folder = router.save(tmp_path / "saved")
    (folder / "notes.txt").write_text("mine")
    router.add(Route("new", examples=["something new"]))

    router.save(folder)

    assert_decides_alike(router, Router.load(folder, encoder=ENCODER))
    assert len(list(folder.glob("*.npy"))) == 2
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "router.json", "vectors.npy", "sub/file"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "mine"
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_text('{"mine": 1}')

    with pytest.raises(InvalidInputError, match="is no saved router; choose another folder"):
        make_router().save(folder)

    assert [found for found in folder.rglob("*") if found.is_file()] == [path]
    assert path.read_text() == '{"mine": 1}'


def test_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")

    with pytest.raises(InvalidInputError, match="choose another folder"):
        make_router().save(path)
    with pytest.raises(SaveNotFoundError):
        Router.load(path)

    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": {1, 2}},
        {"a": (1, 2)},
        {"a": math.nan},
        {"a": math.inf},
        {"a": b"bytes"},
        {"a": object()},
        {1: "number as key"},
        {"a": {None: 1}},
    ],
)
def test_metadata_that_is_no_json_is_refused(tmp_path: Path, metadata: dict[str, Any]) -> None:
    router = make_router()
    folder = router.save(tmp_path / "saved")
    before = content_of(folder)
    router.add(Route("new", examples=["x"], metadata=metadata))

    with pytest.raises(InvalidInputError, match="metadata of route 'new'"):
        router.save(folder)

    assert content_of(folder) == before


def test_metadata_that_holds_itself_is_refused(tmp_path: Path) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    router = Router(encoder=ENCODER)
    router.add(Route("new", examples=["x"], metadata=circle))

    with pytest.raises(InvalidInputError, match="metadata of route 'new'"):
        router.save(tmp_path / "saved")

    assert not (tmp_path / "saved").exists()


# Crashes -----------------------------------------------------------------------------------------


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Make writes beyond a size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 0.999])
@pytest.mark.parametrize("longest", ["vectors", "router"])
def test_a_full_disk_keeps_the_old_router(tmp_path: Path, longest: str, share: float) -> None:
    old, new = make_router(), make_router()
    folder = old.save(tmp_path / "saved")
    before = content_of(folder)
    padding = {"padding": "x" * (200_000 if longest == "router" else 0)}
    new.add(Route("new", examples=["something new"], metadata=padding))
    sizes = {path.name: path.stat().st_size for path in new.save(tmp_path / "other").iterdir()}
    size = next(size for name, size in sizes.items() if name.startswith(longest))

    with largest_file(int(share * size)), pytest.raises(OSError, match="File too large"):
        new.save(folder)

    assert content_of(folder) == before
    assert_decides_alike(old, Router.load(folder, encoder=ENCODER))
    new.save(folder)
    assert_decides_alike(new, Router.load(folder, encoder=ENCODER))


def states_of_a_crash(old: Path, new: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield what a folder holds after each write of a save that is killed, and while it writes."""
    state = content_of(old)
    written = content_of(new)
    for name in sorted(written, key=lambda name: name == "router.json"):
        content = written[name]
        for length in (0, len(content) // 2, len(content)):
            yield f"{name}:{length}", {**state, f"{name}.part": content[:length]}
        state[name] = content
        yield name, dict(state)


@pytest.mark.parametrize("was_saved", [True, False])
def test_a_crash_leaves_the_old_router_or_the_new_one(tmp_path: Path, was_saved: bool) -> None:
    old, new = make_router(), make_router()
    new.add(Route("new", examples=["something new"]))
    empty = tmp_path / "empty"
    empty.mkdir()
    first = old.save(tmp_path / "old") if was_saved else empty
    second = new.save(tmp_path / "new")

    for number, (name, files) in enumerate(states_of_a_crash(first, second)):
        folder = tmp_path / f"crashed-{number}"
        folder.mkdir()
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content)
        if name == "router.json":
            assert_decides_alike(new, Router.load(folder, encoder=ENCODER))
        elif was_saved:
            assert_decides_alike(old, Router.load(folder, encoder=ENCODER))
        else:
            with pytest.raises(SaveNotFoundError):
                Router.load(folder)
        new.save(folder)
        assert content_of(folder) == content_of(second)
