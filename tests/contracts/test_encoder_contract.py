"""What every encoder promises, whichever it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter.encoders.adapters import FunctionEncoder, SingleTextEncoder
from stratarouter.encoders.base import BaseEncoder, ensure_encoder
from stratarouter.encoders.cached import CachedEncoder
from stratarouter.encoders.hashing import HashingEncoder
from stratarouter.encoders.onnx import OnnxEncoder
from stratarouter.errors import InvalidInputError
from stratarouter.protocols import Encoder
from tests.onnx_models import sentence_model, token_model, write_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEXTS = ["Where's my invoice?", "cancel my order", "i want a refund", "你好", "👍", "?!"]


def profile(text: str) -> list[float]:
    """Return a vector that tells the texts of this module apart."""
    return [1.0, float(len(text)), float(sum(map(ord, text)) % 97), -float(ord(text[0]) % 31)]


class UserEncoder(BaseEncoder):
    """What a user writes after reading the published documentation."""

    @property
    def dimension(self) -> int:
        return 4

    def encode(self, texts: Sequence[str] | str) -> Any:
        if isinstance(texts, str):
            return np.array(profile(texts))
        return np.array([profile(text) for text in texts])


class OneTextEncoder:
    dimension = 4

    def encode(self, text: str) -> list[float]:
        return profile(text)


class DuckEncoder:
    dimension = 4

    def encode(self, texts: list[str]) -> list[list[float]]:
        return [profile(text) for text in texts]


def function_encoder() -> Encoder:
    return FunctionEncoder(lambda texts: [profile(text) for text in texts], 4)


def onnx_encoder(model: Any) -> OnnxEncoder:
    # A loaded model needs its folder no more.
    with TemporaryDirectory() as folder:
        return OnnxEncoder(write_folder(Path(folder), model))


ENCODERS: dict[str, Callable[[], Any]] = {
    "hashing": HashingEncoder,
    "hashing, narrow": lambda: HashingEncoder(7, ngram_range=(1, 3), function_word_weight=1.0),
    "hashing, checked": lambda: ensure_encoder(HashingEncoder()),
    "cached": lambda: CachedEncoder(HashingEncoder()),
    "cached, small": lambda: CachedEncoder(HashingEncoder(), max_entries=1),
    "cached twice": lambda: CachedEncoder(CachedEncoder(UserEncoder())),
    "function": function_encoder,
    "onnx": lambda: onnx_encoder(token_model()),
    "onnx, quantised": lambda: onnx_encoder(token_model(quantised=True)),
    "onnx, pooled inside": lambda: onnx_encoder(sentence_model()),
    "single texts": lambda: SingleTextEncoder(OneTextEncoder()),
    "user's subclass": lambda: ensure_encoder(UserEncoder()),
    "user's object": lambda: ensure_encoder(DuckEncoder()),
}


@pytest.fixture(params=list(ENCODERS.values()), ids=list(ENCODERS))
def encoder(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_it_fulfils_the_protocol_and_names_its_space(encoder: Any) -> None:
    assert type(encoder.dimension) is int
    assert encoder.dimension > 0
    assert isinstance(encoder.encoder_id, str)
    assert str(encoder.dimension) in encoder.encoder_id
    assert isinstance(encoder, Encoder)


def test_rows_are_contiguous_float32_of_length_1(encoder: Any) -> None:
    rows = encoder.encode(TEXTS)

    assert isinstance(rows, np.ndarray)
    assert rows.dtype == np.float32
    assert rows.shape == (len(TEXTS), encoder.dimension)
    assert rows.flags.c_contiguous
    assert np.abs(np.linalg.norm(rows, axis=1) - 1.0).max() < 1e-6


def test_a_batch_equals_its_texts_one_by_one_in_order(encoder: Any) -> None:
    rows = encoder.encode(TEXTS)

    for text, row in zip(TEXTS, rows, strict=True):
        assert encoder.encode([text])[0].tobytes() == row.tobytes()
    assert encoder.encode(TEXTS[::-1]).tobytes() == rows[::-1].tobytes()


def test_different_texts_get_different_rows(encoder: Any) -> None:
    assert len({row.tobytes() for row in encoder.encode(TEXTS)}) == len(TEXTS)


def test_repeats_get_equal_rows(encoder: Any) -> None:
    first, other, again = encoder.encode([TEXTS[0], TEXTS[1], TEXTS[0]])

    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_the_same_texts_always_give_the_same_bits(encoder: Any) -> None:
    assert encoder.encode(TEXTS).tobytes() == encoder.encode(tuple(TEXTS)).tobytes()


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_two_instances_agree(kind: str) -> None:
    first, second = ENCODERS[kind](), ENCODERS[kind]()

    assert first.encode(TEXTS).tobytes() == second.encode(TEXTS).tobytes()
    assert ensure_encoder(first).encoder_id == ensure_encoder(second).encoder_id


def test_results_belong_to_the_caller(encoder: Any) -> None:
    before = encoder.encode(TEXTS).copy()

    encoder.encode(TEXTS)[:] = 7.0

    assert encoder.encode(TEXTS).tobytes() == before.tobytes()


def test_no_texts_give_no_rows(encoder: Any) -> None:
    rows = encoder.encode([])

    assert rows.shape == (0, encoder.dimension)
    assert rows.dtype == np.float32


@pytest.mark.parametrize("given", ["a single string", b"bytes", None, 7])
def test_what_is_no_sequence_of_texts_is_refused(encoder: Any, given: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"write \[text\]"):
        encoder.encode(given)


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u3000"])
def test_a_blank_text_is_refused_by_position(encoder: Any, blank: str) -> None:
    with pytest.raises(InvalidInputError, match=r"texts\[2\] is blank"):
        encoder.encode(["a", "b", blank])


@pytest.mark.parametrize("given", [None, 7, b"bytes", ["nested"]])
def test_what_is_no_text_is_refused_by_position(encoder: Any, given: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"texts\[1\] must be a string"):
        encoder.encode(["a", given])


def test_checking_it_again_changes_no_bit(encoder: Any) -> None:
    assert ensure_encoder(encoder).encode(TEXTS).tobytes() == encoder.encode(TEXTS).tobytes()
