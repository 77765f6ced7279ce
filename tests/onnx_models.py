"""Tiny models in the layout of Hugging Face exports, made on the spot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 8
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
ALPHABET = sorted(ByteLevel.alphabet())
VOCABULARY = {token: number for number, token in enumerate([*SPECIAL, *ALPHABET])}


def table(seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the vector of each token."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((len(VOCABULARY), WIDTH)).astype(np.float32)


def tokens_of(text: str) -> list[int]:
    """Return what the tokenizer makes of an ASCII text, computed here."""
    inner = [VOCABULARY["Ġ" if letter == " " else letter] for letter in text]
    return [VOCABULARY["[CLS]"], *inner, VOCABULARY["[SEP]"]]


def expected_mean(text: str) -> Any:
    """Return the unit mean of a text's token vectors, computed here."""
    mean = table()[tokens_of(text)].astype(np.float64).mean(axis=0)
    return mean / np.linalg.norm(mean)


def write_folder(folder: Path, model: onnx.ModelProto, name: str = "model.onnx") -> Path:
    """Write a model, its tokenizer and its settings, and return the folder."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / name)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", {"max_position_embeddings": 64, "pad_token_id": 0})
    return folder


def write_json(path: Path, value: object) -> None:
    """Write one settings file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def make_tokenizer(*, special: bool = True) -> Any:
    """Return a tokenizer with one token per byte, padded to 48 as exports often are."""
    tokenizer = Tokenizer(WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Sequence(
        [ByteLevel(add_prefix_space=False, use_regex=False), Split(Regex("."), "isolated")]
    )
    if special:
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[(t, VOCABULARY[t]) for t in SPECIAL[2:]]
        )
    tokenizer.enable_padding(length=48)
    return tokenizer


def token_model(
    *,
    values: np.ndarray[Any, np.dtype[np.float32]] | None = None,
    output: str = "last_hidden_state",
    quantised: bool = False,
    kind: int = TensorProto.INT64,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
    shape: tuple[str | int, ...] = ("batch", "sequence"),
    opset: int = 17,
) -> onnx.ModelProto:
    """Return a model that looks up each token.

    A quantised one rounds to 8 bits by a scale that the whole batch decides, as dynamically
    quantised models do.
    """
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["hidden"])]
    if quantised:
        parts = ["rounded", "scale", "zero"]
        nodes.append(helper.make_node("DynamicQuantizeLinear", ["hidden"], parts))
        nodes.append(helper.make_node("DequantizeLinear", parts, [output]))
    else:
        nodes.append(helper.make_node("Identity", ["hidden"], [output]))
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["b", "s", WIDTH])]
    return _model(nodes, outputs, values, kind=kind, inputs=inputs, shape=shape, opset=opset)


def sentence_model(*, with_tokens: bool = False) -> onnx.ModelProto:
    """Return a model that pools by itself: the largest number of each column, padding included."""
    outputs = [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["b", WIDTH])]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["token_embeddings"]),
        helper.make_node(
            "ReduceMax", ["token_embeddings"], ["sentence_embedding"], axes=[1], keepdims=0
        ),
    ]
    if with_tokens:
        tokens = helper.make_tensor_value_info(
            "token_embeddings", TensorProto.FLOAT, ["b", "s", WIDTH]
        )
        outputs.insert(0, tokens)
    return _model(nodes, outputs, None)


def two_outputs_model() -> onnx.ModelProto:
    """Return a model with two outputs that nobody knows."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["a"])]
    nodes.append(helper.make_node("Identity", ["a"], ["b"]))
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "s", WIDTH]) for name in "ab"
    ]
    return _model(nodes, outputs, None)


def _model(
    nodes: list[onnx.NodeProto],
    outputs: list[onnx.ValueInfoProto],
    values: np.ndarray[Any, np.dtype[np.float32]] | None,
    *,
    kind: int = TensorProto.INT64,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
    shape: tuple[str | int, ...] = ("batch", "sequence"),
    opset: int = 17,
) -> onnx.ModelProto:
    weights = numpy_helper.from_array(table() if values is None else values, "table")
    given = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    graph = helper.make_graph(nodes, "tiny", given, outputs, [weights])
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
