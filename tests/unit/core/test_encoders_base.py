"""Anything with `encode` and `dimension` is made an encoder whose output can be relied on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter.encoders.adapters import FunctionEncoder, SingleTextEncoder
from stratarouter.encoders.base import BaseEncoder, CheckedEncoder, ensure_encoder
from stratarouter.encoders.checks import check_dimension, check_texts
from stratarouter.encoders.hashing import HashingEncoder
from stratarouter.errors import EncodingError, InvalidInputError
from stratarouter.protocols import Encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Giving:
    """An encoder that returns what it was made with."""

    dimension = 2

    def __init__(self, output: Any) -> None:
        self.output = output
        self.calls: list[list[str]] = []

    def encode(self, texts: list[str]) -> Any:
        self.calls.append(texts)
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


class Tensor:
    """Looks like a tensor of torch that wants gradients and lives on a graphics card."""

    def __init__(self, values: Any, *, steps: tuple[str, ...] = ()) -> None:
        self.values = values
        self.steps = steps

    def detach(self) -> Tensor:
        return Tensor(self.values, steps=(*self.steps, "detach"))

    def cpu(self) -> Tensor:
        return Tensor(self.values, steps=(*self.steps, "cpu"))

    def float(self) -> Tensor:
        return self

    def numpy(self) -> NDArray[Any]:
        if self.steps != ("detach", "cpu"):
            raise TypeError("call detach() and cpu() first")
        return np.array(self.values)


class Sparse:
    """Looks like a sparse matrix."""

    def toarray(self) -> NDArray[Any]:
        return np.array([[0.0, 2.0]])


@pytest.mark.parametrize(
    "output",
    [
        [[0, 2]],
        np.array([[0.0, 0.5]]),
        np.array([0.0, 3.0], dtype=np.float16),
        [0.0, 3.0],
        Tensor([[0.0, 2.0]]),
        Sparse(),
        ((0.0, 1e30),),
    ],
)
def test_output_of_any_form_becomes_one_unit_row(output: Any) -> None:
    rows = ensure_encoder(Giving(output)).encode(["a"])

    assert rows.dtype == np.float32
    assert rows.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ([[1.0, 0.0]], r"shape \(1, 2\) for 2 texts; expected \(2, 2\)"),
        ([[1.0, 0.0, 0.0]] * 2, r"shape \(2, 3\)"),
        ([1.0, 0.0], r"shape \(2,\)"),
        (None, r"shape \(\)"),
        ([[1.0, 0.0], [1.0]], "cannot be read as a matrix"),
        ([[1.0, 0.0], [0.0, 0.0]], r"texts\[1\] is all zero"),
        ([[1.0, 0.0], [np.nan, 0.0]], r"texts\[1\] holds NaN"),
        ([["x", "y"], ["x", "y"]], "real numbers"),
    ],
)
def test_output_that_is_no_row_per_text_is_refused(output: Any, message: str) -> None:
    with pytest.raises(EncodingError, match=message) as caught:
        ensure_encoder(Giving(output)).encode(["a", "b"])

    assert "Giving:2" in str(caught.value)


def test_the_failure_of_an_encoder_is_the_cause_of_ours() -> None:
    failure = OSError("no route to host")

    with pytest.raises(EncodingError, match=r"Giving:2.*OSError: no route to host") as caught:
        ensure_encoder(Giving(failure)).encode(["a"])

    assert caught.value.__cause__ is failure
    assert "SingleTextEncoder" not in str(caught.value)


def test_our_own_errors_pass_unchanged() -> None:
    failure = EncodingError("quota")

    with pytest.raises(EncodingError) as caught:
        ensure_encoder(Giving(failure)).encode(["a"])

    assert caught.value is failure


def test_an_encoder_of_single_texts_is_told_of_the_adapter() -> None:
    class OneText:
        dimension = 2

        def encode(self, text: str) -> list[int]:
            return [text.upper().count("A"), 1]

    with pytest.raises(EncodingError, match="wrap it in SingleTextEncoder"):
        ensure_encoder(OneText()).encode(["a"])
    rows = SingleTextEncoder(OneText()).encode(["b", "a"])
    np.testing.assert_allclose(rows, [[0.0, 1.0], [0.5**0.5, 0.5**0.5]], atol=1e-7)


def test_single_vectors_may_be_rows_of_a_matrix_or_tensors() -> None:
    class OneText:
        dimension = 2

        def encode(self, text: str) -> Any:
            return np.array([[0.0, 2.0]]) if text == "row" else Tensor([2.0, 0.0])

    assert SingleTextEncoder(OneText()).encode(["row", "x"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_single_vectors_of_unequal_width_are_refused() -> None:
    class OneText:
        dimension = 2

        def encode(self, text: str) -> list[float]:
            return [1.0] * len(text)

    with pytest.raises(EncodingError, match="OneText:2"):
        SingleTextEncoder(OneText()).encode(["ab", "abc"])


def test_the_wrapped_encoder_gets_a_list_once_and_nothing_for_no_texts() -> None:
    inner = Giving([[1.0, 0.0], [0.0, 1.0]])
    encoder = ensure_encoder(inner)

    assert encoder.encode([]).shape == (0, 2)
    encoder.encode(text for text in ("a", "b"))

    assert inner.calls == [["a", "b"]]
    assert encoder.inner is inner


def test_the_returned_array_is_never_the_encoder_s_own() -> None:
    table = np.eye(2, dtype=np.float32)
    encoder = ensure_encoder(Giving(table))

    encoder.encode(["a", "b"])[:] = 7.0

    assert table.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_wrapping_twice_is_wrapping_once() -> None:
    encoder = ensure_encoder(Giving([[1.0, 0.0]]))

    assert ensure_encoder(encoder) is encoder


def test_the_width_may_be_a_method_or_that_of_sentence_transformers() -> None:
    class Method:
        def dimension(self) -> int:
            return 3

        def encode(self, texts: list[str]) -> Any:
            return np.ones((len(texts), 3))

    class SentenceModel:
        def get_sentence_embedding_dimension(self) -> Any:
            return np.int64(3)

        def encode(self, texts: list[str]) -> Any:
            return np.ones((len(texts), 3))

    for encoder in (Method(), SentenceModel()):
        assert ensure_encoder(encoder).dimension == 3
        assert ensure_encoder(encoder).encode(["a"]).shape == (1, 3)


def test_a_subclass_may_give_its_width_as_a_method_or_an_attribute() -> None:
    class Base(BaseEncoder):
        def encode(self, texts: Sequence[str]) -> Any:
            return np.ones((len(texts), 3))

    class WithMethod(Base):
        def dimension(self) -> int:  # type: ignore[override]
            return 3

    class WithAttribute(Base):
        dimension = 3

    assert ensure_encoder(WithMethod()).encoder_id == "WithMethod:3"
    assert WithAttribute().encoder_id == "WithAttribute:3"


def test_a_subclass_without_width_or_encode_cannot_be_made() -> None:
    class NoWidth(BaseEncoder):
        def encode(self, texts: Sequence[str]) -> Any:
            return texts

    with pytest.raises(TypeError, match="dimension"):
        NoWidth()  # type: ignore[abstract]


def test_an_encoder_may_name_its_vector_space() -> None:
    class Named(Giving):
        encoder_id = "minilm-l6-v2"

    assert ensure_encoder(Named(None)).encoder_id == "minilm-l6-v2"
    assert ensure_encoder(Giving(None)).encoder_id == "Giving:2"
    assert repr(ensure_encoder(Named(None))) == "CheckedEncoder('minilm-l6-v2')"


class _NoWidth:
    def encode(self, texts: list[str]) -> Any:
        return texts


class _BadWidth(_NoWidth):
    dimension = 0


class _BadId(_NoWidth):
    dimension = 2
    encoder_id = " "


class _AsyncOnly:
    dimension = 2

    async def encode(self, texts: list[str]) -> Any:
        return texts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "needs encode"),
        ("all-MiniLM-L6-v2", "needs encode"),
        (b"bytes", "needs encode"),
        (len, "FunctionEncoder"),
        (HashingEncoder, "instance"),
        (_NoWidth(), "does not say its width"),
        (_BadWidth(), r"_BadWidth\.dimension must be a whole number > 0, got 0"),
        (_BadId(), "encoder_id"),
        (_AsyncOnly(), "aencode"),
    ],
)
def test_what_is_no_encoder_is_refused_with_advice(given: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ensure_encoder(given)


def test_a_function_is_named_and_checked() -> None:
    def letters(texts: list[str]) -> Any:
        return [[text.count("a"), text.count("b")] for text in texts]

    assert FunctionEncoder(letters, 2).encode(["aa", "b"]).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert FunctionEncoder(letters, 2).encoder_id.endswith("letters:2")
    assert FunctionEncoder(letters, 2, encoder_id="ab").encoder_id == "ab"
    with pytest.raises(EncodingError, match=r"texts\[0\] is all zero"):
        FunctionEncoder(letters, 2).encode(["c"])


async def _coroutine(texts: list[str]) -> Any:
    return texts


@pytest.mark.parametrize(
    ("function", "dimension"),
    [("no function", 2), (_coroutine, 2), (len, 0), (len, 2.0), (len, True), (len, "2")],
)
def test_a_function_encoder_refuses_what_it_cannot_use(function: Any, dimension: Any) -> None:
    with pytest.raises(InvalidInputError):
        FunctionEncoder(function, dimension)


class _Awaitable(Giving):
    async def aencode(self, texts: list[str]) -> Any:
        return self.encode(texts)


class _AwaitableOneText:
    dimension = 2

    def encode(self, text: str) -> Any:
        return [1.0, 0.0]

    async def aencode(self, text: str) -> Any:
        return [0.0, float(len(text))]


def test_aencode_is_only_there_where_the_wrapped_encoder_has_it() -> None:
    assert not hasattr(ensure_encoder(Giving(None)), "aencode")
    assert not hasattr(FunctionEncoder(len, 2), "aencode")
    assert hasattr(ensure_encoder(_Awaitable(None)), "aencode")


async def test_aencode_checks_like_encode() -> None:
    assert (await ensure_encoder(_Awaitable([[0, 3]])).aencode(["a"])).tolist() == [[0.0, 1.0]]
    assert (await ensure_encoder(_Awaitable(None)).aencode([])).shape == (0, 2)
    single = SingleTextEncoder(_AwaitableOneText())
    assert (await single.aencode(["a", "bb"])).tolist() == [[0.0, 1.0], [0.0, 1.0]]
    with pytest.raises(EncodingError, match="all zero"):
        await ensure_encoder(_Awaitable([[0, 0]])).aencode(["a"])
    with pytest.raises(EncodingError, match="OSError"):
        await ensure_encoder(_Awaitable(OSError("down"))).aencode(["a"])
    with pytest.raises(InvalidInputError, match="single string"):
        await ensure_encoder(_Awaitable(None)).aencode("a")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("text", r"single string; write \[text\]"),
        (b"text", "single string"),
        (None, "list of strings"),
        (7, "list of strings"),
        (["a", ""], r"texts\[1\] is blank"),
        (["a", "b", " \t\n\u00a0"], r"texts\[2\] is blank"),
        (["a", None], r"texts\[1\] must be a string, got NoneType"),
        ([b"a"], r"texts\[0\] must be a string, got bytes"),
    ],
)
def test_texts_that_cannot_be_encoded_are_refused_by_position(texts: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_texts(texts)


def test_texts_pass_unchanged_from_any_iterable() -> None:
    for given in (["a", " b "], ("a", " b "), iter(["a", " b "]), np.array(["a", " b "])):
        assert check_texts(given) == ["a", " b "]


def test_a_width_is_an_int_of_any_type() -> None:
    assert type(check_dimension(np.int32(5))) is int


def test_every_form_fulfils_the_protocol() -> None:
    forms: list[Encoder] = [HashingEncoder(), CheckedEncoder(Giving(None))]

    assert all(isinstance(form, Encoder) for form in forms)
