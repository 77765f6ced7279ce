"""An encoder whose embeddings come from files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.cli_vectors import StoredEncoder

if TYPE_CHECKING:
    from pathlib import Path


def stored(folder: Path, name: str, texts: list[str], rows: np.ndarray) -> tuple[Path, Path]:
    texts_path, vectors_path = folder / f"{name}.jsonl", folder / f"{name}.npy"
    texts_path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts))
    np.save(vectors_path, rows)
    return texts_path, vectors_path


def test_each_text_has_the_row_of_its_line(tmp_path: Path) -> None:
    rows = np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float16)
    encoder = StoredEncoder([stored(tmp_path, "a", ["x", "y"], rows)])
    encoded = encoder.encode(["y", "x", "y"])
    assert encoded.dtype == np.float32
    assert encoded.tolist() == rows[[1, 0, 1]].astype(np.float32).tolist()
    assert (encoder.dimension, encoder.encoder_id) == (2, "stored:a.npy:2")


def test_first_of_several_files_wins(tmp_path: Path) -> None:
    first = stored(tmp_path, "a", ["x"], np.array([[1.0, 0.0]]))
    second = stored(tmp_path, "b", ["x", "y"], np.array([[0.0, 1.0], [0.6, 0.8]]))
    encoder = StoredEncoder([first, second])
    assert encoder.encode(["x", "y"]) == pytest.approx(np.array([[1.0, 0.0], [0.6, 0.8]]))
    assert encoder.encoder_id == "stored:a.npy+b.npy:2"


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    encoder = StoredEncoder([stored(tmp_path, "a", ["x"], np.eye(1))])
    assert encoder.encode([]).shape == (0, 1)


def test_text_of_no_file_is_refused(tmp_path: Path) -> None:
    encoder = StoredEncoder([stored(tmp_path, "a", ["x"], np.eye(1))])
    with pytest.raises(InvalidInputError, match="no stored embedding for 'z'"):
        encoder.encode(["x", "z"])


def test_rows_must_be_as_many_as_texts(tmp_path: Path) -> None:
    pair = stored(tmp_path, "a", ["x"], np.eye(2))
    with pytest.raises(InvalidInputError, match=r"a\.npy has 2 rows, but .* has 1 texts"):
        StoredEncoder([pair])


def test_widths_must_agree(tmp_path: Path) -> None:
    pairs = [stored(tmp_path, "a", ["x"], np.eye(1)), stored(tmp_path, "b", ["y"], np.ones((1, 3)))]
    with pytest.raises(InvalidInputError, match=r"b\.npy is 3 wide, the file before it 1"):
        StoredEncoder(pairs)


@pytest.mark.parametrize(
    "rows",
    [np.ones(1), np.ones((1, 1), dtype=int), np.array([["x"]]), np.array([[None]], dtype=object)],
)
def test_anything_but_a_matrix_of_floats_is_refused(tmp_path: Path, rows: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match=r"a\.npy: "):
        StoredEncoder([stored(tmp_path, "a", ["x"], rows)])


def test_archive_and_missing_file_are_refused(tmp_path: Path) -> None:
    texts_path, _ = stored(tmp_path, "a", ["x"], np.eye(1))
    archive = tmp_path / "a.npz"
    np.savez(archive, rows=np.eye(1))
    for path in (archive, tmp_path / "gone.npy"):
        with pytest.raises(InvalidInputError, match=path.name):
            StoredEncoder([(texts_path, path)])
