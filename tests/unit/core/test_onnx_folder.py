"""What lies in the folder of a model decides how it is used, or is refused by name."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from stratarouter.encoders import OnnxEncoder
from stratarouter.errors import (
    ConfigurationError,
    EncodingError,
)
from tests.onnx_models import (
    WIDTH,
    expected_mean,
    make_tokenizer,
    table,
    token_model,
    write_folder,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["where is my invoice", "no", "I want to cancel the order of last week", "refund me", "no"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "model", token_model())


@pytest.mark.parametrize(
    "settings",
    [
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode": "cls"},
    ],
)
def test_the_folder_decides_the_pooling(folder: Path, settings: dict[str, Any]) -> None:
    write_json(folder / "1_Pooling" / "config.json", settings)

    by_folder, by_hand = OnnxEncoder(folder), OnnxEncoder(folder, pooling="mean")

    assert (
        by_folder.encode(["a"]).tobytes()
        == OnnxEncoder(folder, pooling="cls").encode(["a"]).tobytes()
    )
    assert by_folder.encoder_id != by_hand.encoder_id
    assert np.abs(by_hand.encode(["ab"]) - expected_mean("ab")).max() < 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": "lasttoken"},
    ],
)
def test_an_unknown_pooling_is_refused_unless_it_is_overruled(
    folder: Path, settings: dict[str, Any]
) -> None:
    write_json(folder / "1_Pooling" / "config.json", settings)

    with pytest.raises(ConfigurationError, match="decide by pooling="):
        OnnxEncoder(folder)
    assert OnnxEncoder(folder, pooling="mean").encode(["a"]).shape == (1, WIDTH)


def test_a_layer_after_the_pooling_is_refused(folder: Path) -> None:
    write_json(folder / "modules.json", [{"type": "sentence_transformers.models.Dense"}])

    with pytest.raises(ConfigurationError, match="dense layer"):
        OnnxEncoder(folder)


def test_the_model_may_lie_in_a_folder_of_its_own_or_have_another_name(tmp_path: Path) -> None:
    inner = write_folder(tmp_path / "a", token_model(), "onnx/model.onnx")
    named = write_folder(tmp_path / "b", token_model(), "onnx/model_quantized.onnx")

    expected = OnnxEncoder(inner).encode(TEXTS)

    assert OnnxEncoder(named).encode(TEXTS).tobytes() == expected.tobytes()
    onnx.save(token_model(values=table(1)), named / "other.onnx")
    with pytest.raises(ConfigurationError, match=r"'onnx/model_quantized.onnx', 'other.onnx'"):
        OnnxEncoder(named)
    chosen = OnnxEncoder(named, model_file="onnx/model_quantized.onnx")
    assert chosen.encode(TEXTS).tobytes() == expected.tobytes()


def test_a_folder_that_lacks_something_says_what(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        OnnxEncoder(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="no ONNX model"):
        OnnxEncoder(tmp_path)
    write_folder(tmp_path, token_model())
    with pytest.raises(ConfigurationError, match=r"no file 'int8.onnx'"):
        OnnxEncoder(tmp_path, model_file="int8.onnx")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ConfigurationError, match=r"no tokenizer.json"):
        OnnxEncoder(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x00damaged")

    with pytest.raises(EncodingError, match=name):
        OnnxEncoder(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\ufffe{"])
def test_damaged_settings_are_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"config\.json"):
        OnnxEncoder(folder)


def test_settings_other_than_the_model_may_be_missing(folder: Path) -> None:
    expected = OnnxEncoder(folder).encode(TEXTS)
    (folder / "config.json").unlink()

    encoder = OnnxEncoder(folder)

    assert encoder.max_length == 256
    assert encoder.encode(TEXTS).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("files", "length"),
    [
        ({}, 64),
        ({"sentence_bert_config.json": {"max_seq_length": 24}}, 24),
        ({"sentence_bert_config.json": {"max_seq_length": None}}, 64),
        ({"tokenizer_config.json": {"model_max_length": 32}}, 32),
        ({"tokenizer_config.json": {"model_max_length": 10**30}}, 64),
        ({"config.json": {"max_position_embeddings": 8192}}, 256),
        (
            {
                "config.json": {"max_position_embeddings": 8192},
                "sentence_bert_config.json": {"max_seq_length": 8192},
            },
            512,
        ),
        (
            {
                "config.json": {
                    "max_position_embeddings": 66,
                    "model_type": "roberta",
                    "pad_token_id": 1,
                }
            },
            64,
        ),
    ],
)
def test_the_folder_decides_how_much_is_read(
    folder: Path, files: dict[str, Any], length: int
) -> None:
    for name, value in files.items():
        write_json(folder / name, value)

    encoder = OnnxEncoder(folder)

    assert encoder.max_length == length
    assert str(length) in encoder.encoder_id


def test_the_name_of_the_space_is_that_of_the_content(folder: Path, tmp_path: Path) -> None:
    name = OnnxEncoder(folder).encoder_id
    copy = shutil.copytree(folder, tmp_path / "copy")

    assert OnnxEncoder(copy).encoder_id == name
    assert OnnxEncoder(copy, encoder_id="mine").encoder_id == "mine"
    (copy / "model.onnx_data").write_bytes(b"weights beside the model")
    assert OnnxEncoder(copy).encoder_id != name
    (copy / "model.onnx_data").unlink()
    onnx.save(token_model(values=table(1)), copy / "model.onnx")
    assert OnnxEncoder(copy).encoder_id != name
    shutil.copy(folder / "model.onnx", copy)
    assert OnnxEncoder(copy).encoder_id == name
    make_tokenizer(special=False).save(str(copy / "tokenizer.json"))
    assert OnnxEncoder(copy).encoder_id != name
