"""A folder with a model becomes an encoder, or says why it cannot."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from stratarouter.encoders import OnnxEncoder
from stratarouter.errors import (
    ConfigurationError,
    EncodingError,
    InvalidInputError,
    MissingExtraError,
)
from tests.onnx_models import (
    VOCABULARY,
    WIDTH,
    expected_mean,
    make_tokenizer,
    sentence_model,
    table,
    token_model,
    tokens_of,
    two_outputs_model,
    write_folder,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["where is my invoice", "no", "I want to cancel the order of last week", "refund me", "no"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "model", token_model())


def test_rows_are_the_mean_of_the_tokens_and_padding_adds_nothing(folder: Path) -> None:
    encoder = OnnxEncoder(folder)

    rows = encoder.encode(TEXTS)

    assert encoder.batch_size == 32
    assert np.abs(rows - np.stack([expected_mean(text) for text in TEXTS])).max() < 1e-6
    assert encoder.dimension == WIDTH


def test_cls_takes_the_first_token(folder: Path) -> None:
    rows = OnnxEncoder(folder, pooling="cls").encode(TEXTS)

    first = table()[VOCABULARY["[CLS]"]]
    assert np.abs(rows - first / np.linalg.norm(first)).max() < 1e-6


def test_a_batch_of_any_size_equals_single_texts(folder: Path) -> None:
    single = np.concatenate([OnnxEncoder(folder).encode([text]) for text in TEXTS])

    for batch_size in (1, 2, 3, 100):
        rows = OnnxEncoder(folder, batch_size=batch_size).encode(TEXTS)
        assert rows.tobytes() == single.tobytes()


def test_a_model_whose_rows_depend_on_their_batch_gets_texts_one_by_one(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, token_model(quantised=True))
    careful, hasty = OnnxEncoder(folder), OnnxEncoder(folder, batch_size=32)

    single = np.concatenate([careful.encode([text]) for text in TEXTS])

    assert careful.batch_size == 1
    assert careful.encode(TEXTS).tobytes() == single.tobytes()
    assert np.abs(hasty.encode(TEXTS) - single).max() > 1e-5


def test_a_model_that_ignores_the_mask_gets_texts_one_by_one(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_folder(tmp_path, sentence_model()))

    expected = np.stack([table()[tokens_of(text)].max(axis=0) for text in TEXTS])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert encoder.batch_size == 1
    assert np.abs(encoder.encode(TEXTS) - expected).max() < 1e-6


def test_own_pooling_of_the_model_is_preferred_unless_one_is_asked_for(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, sentence_model(with_tokens=True))
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "max"})
    write_json(folder / "modules.json", [{"type": "Dense"}])

    largest = table()[tokens_of("ab")].max(axis=0)
    expected = largest / np.linalg.norm(largest)
    assert np.abs(OnnxEncoder(folder).encode(["ab"]) - expected).max() < 1e-6
    (folder / "modules.json").unlink()
    rows = OnnxEncoder(folder, pooling="mean").encode(["ab"])
    assert np.abs(rows - expected_mean("ab")).max() < 1e-6


@pytest.mark.parametrize(
    "model",
    [
        token_model(kind=TensorProto.INT32),
        token_model(inputs=("input_ids",)),
        token_model(inputs=("input_ids", "attention_mask")),
        token_model(output="token_embeddings"),
        token_model(output="whatever it is called"),
    ],
    ids=["int32", "ids only", "no types", "token_embeddings", "other name"],
)
def test_models_of_other_exporters_serve_too(tmp_path: Path, model: onnx.ModelProto) -> None:
    rows = OnnxEncoder(write_folder(tmp_path, model)).encode(TEXTS)

    assert np.abs(rows - np.stack([expected_mean(text) for text in TEXTS])).max() < 1e-6


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (token_model(inputs=("input_ids", "pixels")), "attention_mask and token_type_ids"),
        (token_model(inputs=("input_ids",), shape=(1, "sequence")), "dynamic axes"),
        (token_model(inputs=("input_ids",), shape=("batch", 16)), "dynamic axes"),
        (two_outputs_model(), "last_hidden_state or sentence_embedding"),
    ],
    ids=["other input", "one text only", "one length only", "unknown outputs"],
)
def test_models_that_do_not_fit_are_refused(
    tmp_path: Path, model: onnx.ModelProto, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        OnnxEncoder(write_folder(tmp_path, model))


def test_what_is_too_long_is_cut_off_and_huge_texts_are_quick(folder: Path) -> None:
    encoder = OnnxEncoder(folder, max_length=10)

    rows = encoder.encode(["12345678", "123456789", "12345678" * 1_000_000])

    assert rows[0].tobytes() == rows[1].tobytes() == rows[2].tobytes()
    assert np.abs(rows[0] - expected_mean("12345678")).max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_length": True}, "max_length"),
        ({"max_length": 2}, "2 special tokens"),
        ({"max_length": 65}, "only 64 positions"),
        ({"batch_size": 0}, "batch_size"),
        ({"threads": 0}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"pooling": "max"}, "pooling"),
    ],
)
def test_settings_out_of_range_are_refused(
    folder: Path, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        OnnxEncoder(folder, **settings)


def test_half_a_character_is_read_as_a_question_mark(folder: Path) -> None:
    encoder = OnnxEncoder(folder)

    assert encoder.encode(["a\ud800"]).tobytes() == encoder.encode(["a?"]).tobytes()


def test_a_text_without_tokens_is_an_error(folder: Path) -> None:
    tokenizer = make_tokenizer(special=False)
    from tokenizers.normalizers import Replace

    tokenizer.normalizer = Replace("x", "")
    tokenizer.save(str(folder / "tokenizer.json"))
    encoder = OnnxEncoder(folder)

    assert encoder.encode(["ax"]).tobytes() == encoder.encode(["a"]).tobytes()
    with pytest.raises(EncodingError, match="nothing to read in 'xx'"):
        encoder.encode(["a", "xx"])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_without_a_direction_are_an_error(tmp_path: Path, value: float) -> None:
    values = np.full_like(table(), value)

    with pytest.raises(EncodingError, match="zeros, NaN or infinity"):
        OnnxEncoder(write_folder(tmp_path, token_model(values=values)))


def test_a_tokenizer_of_another_model_is_an_error(tmp_path: Path) -> None:
    n_known = VOCABULARY["Ã"]  # The first byte of "é".
    encoder = OnnxEncoder(write_folder(tmp_path, token_model(values=table()[:n_known])))

    assert encoder.encode(["abc"]).shape == (1, WIDTH)
    with pytest.raises(EncodingError, match="the tokenizer is of another one"):
        encoder.encode(["é"])


def test_a_blank_text_is_refused_by_position(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"texts\[1\] is blank"):
        OnnxEncoder(folder).encode(["a", " "])


def test_threads_get_what_one_thread_gets(folder: Path) -> None:
    encoder = OnnxEncoder(folder)
    texts = [f"query number {number}" for number in range(64)]
    expected = [encoder.encode([text]).tobytes() for text in texts]

    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(lambda _: [encoder.encode([t]).tobytes() for t in texts], range(8)):
            assert rows == expected


def test_the_result_does_not_depend_on_the_number_of_threads(folder: Path) -> None:
    one, two = OnnxEncoder(folder), OnnxEncoder(folder, threads=2)

    assert one.encode(TEXTS).tobytes() == two.encode(TEXTS).tobytes()
    assert one.encoder_id == two.encoder_id


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_a_missing_package_names_the_extra(
    folder: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtraError, match=r"stratarouter\[onnx\]") as caught:
        OnnxEncoder(folder)
    assert caught.value.package == package


def test_importing_it_loads_neither_package() -> None:
    code = (
        "import sys; from stratarouter.encoders import OnnxEncoder; "
        "sys.exit(bool({'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
