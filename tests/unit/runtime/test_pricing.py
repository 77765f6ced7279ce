"""Costs are exact, and unknown where nobody knows the price."""

from __future__ import annotations

import sys
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.errors import InvalidInputError, MissingExtraError
from stratarouter_runtime.conversation import Usage
from stratarouter_runtime.policies.pricing import (
    CataloguePrices,
    ModelPrice,
    PriceTable,
    price_call,
    price_ceiling,
)

TABLE = PriceTable(
    {
        "openai/gpt-4o": ModelPrice(input_usd="2.50", output_usd=10, cached_input_usd="1.25"),
        "gpt-4o-mini": {"input_usd": 0.15, "output_usd": 0.6},
        "local/*": {"input_usd": 0},
    }
)
counts = st.integers(0, 10**7)
prices = st.decimals(0, 1000, places=6)


@pytest.mark.parametrize(
    ("provider", "model", "input_usd"),
    [
        ("openai", "gpt-4o", "2.50"),
        ("openai", "gpt-4o-2024-08-06", "2.50"),
        ("openai", "gpt-4o@20240806", "2.50"),
        ("openai", "gpt-4o-0613", "2.50"),
        ("azure", "gpt-4o-mini", "0.15"),
        ("openai", "gpt-4o-mini-latest", "0.15"),
        ("local", "anything", "0"),
        ("local", None, "0"),
    ],
)
def test_prices_are_found(provider: str, model: str | None, input_usd: str) -> None:
    price = TABLE.price(provider, model)

    assert price is not None
    assert price.input_usd == Decimal(input_usd)


@pytest.mark.parametrize("model", ["gpt-4o", None, "gpt-4o-audio", "gpt-4"])
def test_prices_are_not_guessed(model: str | None) -> None:
    assert TABLE.price("azure", model) is None
    assert TABLE.cost_usd("azure", model, Usage(input_tokens=9)) is None


def test_every_kind_of_token_has_its_price() -> None:
    price = ModelPrice(
        input_usd=1,
        output_usd=10,
        cached_input_usd="0.1",
        cache_write_usd="1.25",
        reasoning_usd=20,
        request_usd="0.01",
    )
    usage = Usage(
        input_tokens=1000,
        cached_tokens=500,
        cache_write_tokens=200,
        output_tokens=100,
        reasoning_tokens=40,
    )

    expected = 300 * 1 + 500 * Decimal("0.1") + 200 * Decimal("1.25") + 60 * 10 + 40 * 20
    assert price.cost_usd(usage) == expected / 10**6 + Decimal("0.01")


def test_contradicting_reports_never_pay_back() -> None:
    price = ModelPrice(input_usd=1, output_usd=1)

    assert price.cost_usd(Usage(input_tokens=1, cached_tokens=5)) == Decimal(5) / 10**6
    assert price.cost_usd(Usage(output_tokens=1, reasoning_tokens=5)) == Decimal(5) / 10**6


@given(fresh=counts, cached=counts, said=counts, price_in=prices, price_out=prices)
def test_sums_are_exact_and_add_up(
    fresh: int, cached: int, said: int, price_in: Decimal, price_out: Decimal
) -> None:
    price = ModelPrice(input_usd=price_in, output_usd=price_out)
    usage = Usage(input_tokens=fresh + cached, cached_tokens=cached, output_tokens=said)
    cost = price.cost_usd(usage)

    # In whole numbers of 10**-12 dollars.
    assert cost * 10**12 == (fresh + cached) * int(price_in * 10**6) + said * int(price_out * 10**6)
    assert price.cost_usd(usage + usage) == 2 * cost


class OnlyCosts:
    """A source of prices that knows nothing of ceilings."""

    def __init__(self, price: ModelPrice | None) -> None:
        self.price = price

    def cost_usd(self, provider: str, model: str | None, usage: Usage) -> Decimal | None:
        return None if self.price is None else self.price.cost_usd(usage)


@given(
    kinds=st.tuples(counts, counts, counts, counts, counts),
    costs=st.tuples(prices, prices, st.none() | prices, st.none() | prices, st.none() | prices),
)
def test_no_kind_of_tokens_costs_more_than_the_ceiling(
    kinds: tuple[int, ...], costs: tuple[Any, ...]
) -> None:
    fresh, cached, written, said, thought = kinds
    price = ModelPrice(
        input_usd=costs[0],
        output_usd=costs[1],
        cached_input_usd=costs[2],
        cache_write_usd=costs[3],
        reasoning_usd=costs[4],
        request_usd="0.5",
    )
    usage = Usage(
        input_tokens=fresh + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=said + thought,
        reasoning_tokens=thought,
    )
    table = PriceTable({"m": price})
    ceiling = price_ceiling(table, "p", "m", usage)

    assert ceiling is not None
    assert price.cost_usd(usage) <= ceiling
    assert price_ceiling(OnlyCosts(price), "p", "m", usage) == ceiling


def test_what_has_no_price_has_no_ceiling() -> None:
    assert price_ceiling(None, "p", "m", Usage()) is None
    assert price_ceiling(TABLE, "openai", "new", Usage()) is None
    assert price_ceiling(OnlyCosts(None), "openai", "new", Usage()) is None


def test_a_model_under_another_name_costs_what_was_asked_for() -> None:
    usage = Usage(input_tokens=10**6)

    assert price_call(TABLE, "openai", "renamed", usage, asked_model="gpt-4o")[0] == Decimal("2.5")
    assert price_call(TABLE, "openai", "renamed", usage, asked_model="new")[0] is None


@pytest.mark.parametrize("bad", [-1, "x", float("nan"), float("inf"), True, [], Decimal("-0.1")])
def test_impossible_prices_are_refused(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="output_usd must be"):
        ModelPrice(input_usd=1, output_usd=bad)


def test_misspelt_prices_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="the price of 'm' has the fields input_usd"):
        PriceTable({"m": {"input": 1}})


def test_what_costs_nothing_is_not_what_nobody_knows() -> None:
    usage = Usage(input_tokens=5)

    assert price_call(TABLE, "local", "m", usage) == (Decimal(0), ())
    cost, warnings = price_call(TABLE, "openai", "new", usage)
    assert cost is None
    assert "the price of 'openai/new' is not known" in warnings[0]
    assert price_call(None, "openai", None, usage)[0] is None


def test_a_guess_is_called_one() -> None:
    _, warnings = price_call(TABLE, "local", "m", Usage(estimated=True))

    assert "estimates" in warnings[0]


def test_the_catalogue_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices = CataloguePrices(TABLE)

    assert prices.cost_usd("openai", "gpt-4o", Usage(input_tokens=10**6)) == Decimal("2.5")
    assert prices.cost_usd("openai", None, Usage()) is None
    with pytest.raises(MissingExtraError, match="prices"):
        prices.cost_usd("openai", "other", Usage())


def test_the_catalogue_answers_what_the_table_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def calc_price(usage: object, *, model_ref: str, provider_id: str) -> object:
        asked.append((usage, model_ref, provider_id))
        if model_ref == "unknown":
            raise LookupError(model_ref)
        return SimpleNamespace(total_price=Decimal("0.5"))

    fake = ModuleType("genai_prices")
    fake.__dict__.update(Usage=dict, calc_price=calc_price)
    monkeypatch.setitem(sys.modules, "genai_prices", fake)
    usage = Usage(input_tokens=10, cached_tokens=20, output_tokens=1)

    assert CataloguePrices().cost_usd("openai", "o1", usage) == Decimal("0.5")
    assert CataloguePrices().cost_usd("openai", "unknown", usage) is None
    counts = {"input_tokens": 10, "cache_read_tokens": 10, "cache_write_tokens": 0}
    assert asked[0] == ({**counts, "output_tokens": 1}, "o1", "openai")
