"""The hashing encoder: equal in every process, near for near spellings, a vector for any text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stratarouter
from stratarouter.encoders.hashing import HashingEncoder
from stratarouter.errors import InvalidInputError

WIDE = HashingEncoder(4096)


def cosine(first: str, second: str, encoder: HashingEncoder = WIDE) -> float:
    a, b = encoder.encode([first, second])
    return float(a @ b)


def test_version_1_gives_these_vectors_for_ever() -> None:
    rows = HashingEncoder(8).encode(["Where's my invoice INV-42?", "Größe 5 € 👍 发票"])

    # Saved routers hold such vectors: who changes them has to raise the version in encoder_id.
    assert HashingEncoder(8).encoder_id == "hashing-v1:d=8:n=2-4:f=0.5"
    expected = [
        [0.176, 0.324, 0.197, 0.141, 0.07, -0.07, 0.846, 0.282],
        [-0.347, 0.104, 0.173, -0.693, -0.52, 0.0, 0.104, -0.277],
    ]
    assert np.abs(rows - expected).max() < 6e-4


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_gives_the_same_bits(hash_seed: str) -> None:
    text = "résumé of the 请问 meeting 👍"
    script = (
        "from stratarouter.encoders.hashing import HashingEncoder;"
        f"print(HashingEncoder(64).encode([{text!r}]).tobytes().hex())"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(stratarouter.__file__).parents[1],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        text=True,
    )

    assert finished.stdout.strip() == HashingEncoder(64).encode([text]).tobytes().hex()


def test_near_spellings_are_nearer_than_other_words() -> None:
    other = cosine("my invoice", "will it rain")

    assert cosine("my invoice", "two invoices") > 0.4
    assert cosine("where is my invoice", "where is my invioce") > 0.5
    assert abs(other) < 0.15


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Cancel My Order", "cancel my order"),
        ("cancel my order!", "  cancel, my order "),
        ("what's up", "whats up"),
        ("what’s up", "what's up"),
        ("\uff23\uff21\uff2e\uff23\uff25\uff2c it", "cancel it"),
        ("STRASSE in köln", "straße in KÖLN"),
        ("cafe\u0301", "caf\u00e9"),
        ("soft\u00adware", "software"),
        ("love \u2764\ufe0f", "love \u2764"),
    ],
)
def test_case_punctuation_and_forms_of_letters_do_not_matter(first: str, second: str) -> None:
    assert cosine(first, second) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from rome to oslo", "from oslo to rome"),
        ("pay 5 $", "pay 5 €"),
        ("i can", "i cannot"),
        ("👍", "👎"),
        ("?", "!"),
        ("very very very good", "very good"),
        ("cafe", "café"),
    ],
)
def test_order_symbols_negation_and_repeats_do_matter(first: str, second: str) -> None:
    assert cosine(first, second) < 0.999


def test_words_in_scripts_with_vowel_signs_stay_whole() -> None:
    assert cosine("हिन्दी", "हिन्दी में") > cosine("हिन्दी", "हाथी में") + 0.2


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("我的发票在哪里", "请把发票给我", "明天会下雨吗"),
        ("請求書はどこですか", "請求書を送って", "明日雨が降りますか"),
        ("ใบแจ้งหนี้ของฉันอยู่ที่ไหน", "ส่งใบแจ้งหนี้ให้ฉัน", "พรุ่งนี้ฝนจะตกไหม"),
    ],
)
def test_texts_without_blanks_are_near_if_they_share_a_part(
    query: str, near: str, far: str
) -> None:
    assert cosine(query, near) > cosine(query, far) + 0.1


def test_function_words_count_less_and_their_weight_can_be_set() -> None:
    first, second = "where is the invoice", "where is the umbrella"

    even = HashingEncoder(4096, function_word_weight=1.0)
    none = HashingEncoder(4096, function_word_weight=0.0)
    assert cosine(first, second, none) < cosine(first, second) < cosine(first, second, even)
    assert none.encode(["where is the"]).shape == (1, 4096)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "?!",
        "…",
        "\u200b",
        "\u00ad\u200d",
        "\ud800",
        "\ue000",
        "\x00",
        "👩‍👩‍👧",
        "\u0301",
        "\u00b4",
        "x" * 100_000,
    ],
)
@pytest.mark.parametrize("dimension", [1, 2, 384])
def test_any_text_that_is_not_blank_gets_a_unit_vector(text: str, dimension: int) -> None:
    rows = HashingEncoder(dimension).encode([text])

    assert rows.dtype == np.float32
    assert float(rows[0] @ rows[0]) == pytest.approx(1.0, abs=1e-6)


def test_a_text_whose_features_cancel_out_still_gets_a_vector() -> None:
    encoder = HashingEncoder(1, ngram_range=(16, 16), function_word_weight=0.0)

    # A single function word of weight 0 leaves nothing at all.
    assert np.abs(encoder.encode(["the"])).tolist() == [[1.0]]


def test_every_parameter_is_part_of_the_name_of_the_vector_space() -> None:
    encoders = [
        HashingEncoder(),
        HashingEncoder(1024),
        HashingEncoder(ngram_range=(3, 4)),
        HashingEncoder(ngram_range=(2, 5)),
        HashingEncoder(function_word_weight=0.25),
    ]

    assert len({encoder.encoder_id for encoder in encoders}) == len(encoders)
    assert HashingEncoder().encoder_id == HashingEncoder(384, ngram_range=(2, 4)).encoder_id
    assert HashingEncoder().encoder_id in repr(HashingEncoder())


def test_single_letters_can_be_used_as_groups() -> None:
    assert cosine("abc", "cab", HashingEncoder(4096, ngram_range=(1, 1))) > 0.4
    assert cosine("abc", "cab", HashingEncoder(4096, ngram_range=(3, 3))) < 0.4


def test_memory_for_words_is_bounded_and_forgetting_changes_nothing() -> None:
    encoder = HashingEncoder(16)
    before = encoder.encode(["the first text"])

    encoder.encode([" ".join(f"word{i}" for i in range(20_000)), "y" * 1000])

    assert len(encoder._remembered) <= 8192
    assert all(len(word) <= 64 for word in encoder._remembered)
    assert encoder.encode(["the first text"]).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 0}, "dimension"),
        ({"dimension": 3.5}, "dimension"),
        ({"dimension": True}, "dimension"),
        ({"ngram_range": 3}, "ngram_range"),
        ({"ngram_range": (4, 3)}, "ngram_range"),
        ({"ngram_range": (0, 3)}, "ngram_range"),
        ({"ngram_range": (2, 17)}, "ngram_range"),
        ({"ngram_range": ("2", "3")}, "ngram_range"),
        ({"ngram_range": (2, 3, 4)}, "ngram_range"),
        ({"function_word_weight": -0.1}, "function_word_weight"),
        ({"function_word_weight": 1.1}, "function_word_weight"),
        ({"function_word_weight": float("nan")}, "function_word_weight"),
        ({"function_word_weight": True}, "function_word_weight"),
        ({"function_word_weight": None}, "function_word_weight"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        HashingEncoder(**options)
