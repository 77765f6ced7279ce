"""Embeddings are read exactly, or refused."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from stratarouter_runtime.policies.vectors import read_vectors
from stratarouter_runtime.provider_errors import InvalidAnswerError


def encoded(*numbers: float) -> str:
    return base64.b64encode(np.asarray(numbers, dtype="<f4").tobytes()).decode()


def test_both_forms_give_the_same_rows() -> None:
    numbers = [0.1, -2.5, 3e-8]
    plain = read_vectors("p", [numbers, [1, 2, 3]], 2)
    packed = read_vectors("p", [encoded(*numbers), encoded(1, 2, 3)], 2)

    assert plain.dtype == packed.dtype == np.float32
    assert np.array_equal(plain, packed)
    packed[0, 0] = 1.0


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "expected 1 embeddings, got 0"),
        ([[1.0], [2.0]], "expected 1 embeddings, got 2"),
        ([[]], "no list of numbers"),
        ([""], "no list of numbers"),
        ([None], "no list of numbers"),
        ([7.0], "no list of numbers"),
        ([["1.0"]], "no list of numbers"),
        ([[[1.0]]], "no list of numbers"),
        ([[True]], "no list of numbers"),
        ([[10**400]], "no list of numbers"),
        (["%%%"], "no list of numbers"),
        (["AAA="], "no list of numbers"),
        ([[float("nan")]], "not finite"),
        ([[1e300]], "not finite"),
        ([encoded(float("inf"))], "not finite"),
    ],
)
def test_what_is_no_embedding_is_refused(rows: list[Any], problem: str) -> None:
    with pytest.raises(InvalidAnswerError, match=problem):
        read_vectors("p", rows, 1, model="m")


def test_rows_have_one_width() -> None:
    with pytest.raises(InvalidAnswerError, match="embedding 1 has 1 numbers, not 2") as caught:
        read_vectors("p", [[1.0, 2.0], [1.0]], 2, model="m")

    assert (caught.value.provider, caught.value.model) == ("p", "m")
