"""What calls cost: exact sums from a table, and no sum where there is no price."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Protocol

from stratarouter.errors import InvalidInputError, MissingExtraError
from stratarouter_runtime.conversation import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CataloguePrices",
    "ModelPrice",
    "PriceSource",
    "PriceTable",
    "price_call",
    "price_ceiling",
]

_PER_TOKENS = Decimal(1_000_000)
_MAX_REMEMBERED = 1024
_DATED = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest))$")


class PriceSource(Protocol):
    """Knows prices."""

    def cost_usd(self, provider: str, model: str | None, usage: Usage) -> Decimal | None:
        """Return what a call costs.

        Parameters
        ----------
        provider : str
            Who was asked.
        model : str or None
            Which model.
        usage : Usage
            What it used.

        Returns
        -------
        Decimal or None
            US dollars, >= 0; None if the price is not known.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """Prices of one model, US dollars per million tokens, each >= 0.

    Decimal, int and text are taken exactly, a float as it is written.

    Raises
    ------
    InvalidInputError
        If a price is negative or no finite number.

    Examples
    --------
    >>> from stratarouter_runtime.conversation import Usage
    >>> price = ModelPrice(input_usd="2.50", output_usd="10", cached_input_usd="1.25")
    >>> price.cost_usd(Usage(input_tokens=1000, cached_tokens=400, output_tokens=50))
    Decimal('0.0025')
    """

    input_usd: Decimal | int | float | str
    """Tokens of the prompt."""
    output_usd: Decimal | int | float | str = Decimal(0)
    """Tokens of the answer."""
    cached_input_usd: Decimal | int | float | str | None = None
    """Tokens from the provider's cache; None: as the others of the prompt."""
    cache_write_usd: Decimal | int | float | str | None = None
    """Tokens put into the provider's cache; None: as the others of the prompt."""
    reasoning_usd: Decimal | int | float | str | None = None
    """Tokens of reasoning; None: as the others of the answer."""
    request_usd: Decimal | int | float | str = Decimal(0)
    """US dollars for the call itself."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None:
                object.__setattr__(self, entry.name, _exact(entry.name, value))

    def cost_usd(self, usage: Usage) -> Decimal:
        """Return what a call costs.

        Parameters
        ----------
        usage : Usage
            What it used.

        Returns
        -------
        Decimal
            US dollars, exact, >= 0.
        """
        cached, written = usage.cached_tokens, usage.cache_write_tokens
        # Reports contradict themselves at times; nothing is ever paid back for it.
        fresh = max(0, usage.input_tokens - cached - written)
        said = max(0, usage.output_tokens - usage.reasoning_tokens)
        total = (
            fresh * self._price("input_usd")
            + cached * self._price("cached_input_usd", "input_usd")
            + written * self._price("cache_write_usd", "input_usd")
            + said * self._price("output_usd")
            + usage.reasoning_tokens * self._price("reasoning_usd", "output_usd")
        )
        return total / _PER_TOKENS + self._price("request_usd")

    def ceiling_usd(self, usage: Usage) -> Decimal:
        """Return the most that so many tokens can cost, of whatever kind they turn out to be.

        Parameters
        ----------
        usage : Usage
            The sums of input and output; the finer figures do not matter.

        Returns
        -------
        Decimal
            US dollars, exact, >= 0.
        """
        dearest_in = max(
            self._price("input_usd"),
            self._price("cached_input_usd", "input_usd"),
            # Anthropic, for one, charges more for what it puts into its cache.
            self._price("cache_write_usd", "input_usd"),
        )
        dearest_out = max(self._price("output_usd"), self._price("reasoning_usd", "output_usd"))
        total = usage.input_tokens * dearest_in + usage.output_tokens * dearest_out
        return total / _PER_TOKENS + self._price("request_usd")

    def _price(self, name: str, other: str = "") -> Decimal:
        value = getattr(self, name)
        price: Decimal = getattr(self, other) if value is None else value
        return price


class PriceTable:
    """Prices by model, as the user gives them.

    Parameters
    ----------
    prices : mapping of str to ModelPrice or mapping
        By "provider/model" or by "model"; "provider/*" is for all models of a provider. A mapping
        has the fields of `ModelPrice`.

    Raises
    ------
    InvalidInputError
        If a price is malformed.

    Examples
    --------
    >>> table = PriceTable({"openai/gpt-4o": {"input_usd": "2.5", "output_usd": 10}})
    >>> table.price("openai", "gpt-4o-2024-08-06").input_usd
    Decimal('2.5')
    >>> table.price("openai", "gpt-4o-mini") is None
    True
    """

    __slots__ = ("_found", "_prices")

    def __init__(self, prices: Mapping[str, ModelPrice | Mapping[str, Any]]) -> None:
        self._prices = {name: _price_of(name, entry) for name, entry in prices.items()}
        self._found: dict[tuple[str, str | None], ModelPrice | None] = {}

    def price(self, provider: str, model: str | None) -> ModelPrice | None:
        """Return the price of a model.

        Parameters
        ----------
        provider : str
            Its provider.
        model : str or None
            Its name; a date at its end is left out if the whole name has no price.

        Returns
        -------
        ModelPrice or None
            The price; None if the table has none.
        """
        key = (provider, model)
        if key in self._found:
            return self._found[key]
        if len(self._found) >= _MAX_REMEMBERED:
            self._found.clear()
        found = self._found[key] = self._search(provider, model)
        return found

    def _search(self, provider: str, model: str | None) -> ModelPrice | None:
        names = []
        if model is not None:
            undated = _DATED.sub("", model)
            names = [f"{provider}/{model}", model, f"{provider}/{undated}", undated]
        names.append(f"{provider}/*")
        return next((self._prices[name] for name in names if name in self._prices), None)

    def cost_usd(self, provider: str, model: str | None, usage: Usage) -> Decimal | None:
        """Return what a call costs.

        Parameters
        ----------
        provider : str
            Who was asked.
        model : str or None
            Which model.
        usage : Usage
            What it used.

        Returns
        -------
        Decimal or None
            US dollars, exact; None if the table has no price.
        """
        price = self.price(provider, model)
        return None if price is None else price.cost_usd(usage)


class CataloguePrices:
    """Prices of the genai-prices catalogue, for what the user's own table lacks.

    Needs the extra ``prices``. The catalogue is part of that package, so it is as old as it; no
    network is used.

    Parameters
    ----------
    own : PriceSource, optional
        Asked first.
    """

    __slots__ = ("_own",)

    def __init__(self, own: PriceSource | None = None) -> None:
        self._own = own

    def cost_usd(self, provider: str, model: str | None, usage: Usage) -> Decimal | None:
        """Return what a call costs.

        Parameters
        ----------
        provider : str
            Who was asked.
        model : str or None
            Which model.
        usage : Usage
            What it used.

        Returns
        -------
        Decimal or None
            US dollars; None if nobody knows the price.

        Raises
        ------
        MissingExtraError
            If genai-prices is not installed.
        """
        own = None if self._own is None else self._own.cost_usd(provider, model, usage)
        if own is not None or model is None:
            return own
        try:
            import genai_prices
        except ImportError as error:
            raise MissingExtraError("genai_prices", "prices") from error
        counts = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            # The catalogue refuses reports whose parts exceed their sum.
            cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
            cache_write_tokens=min(
                usage.cache_write_tokens, max(0, usage.input_tokens - usage.cached_tokens)
            ),
            output_tokens=usage.output_tokens,
        )
        try:
            found = genai_prices.calc_price(counts, model_ref=model, provider_id=provider)
        except (LookupError, ValueError):
            return None
        return Decimal(found.total_price)


def price_call(
    source: PriceSource | None,
    provider: str,
    model: str | None,
    usage: Usage,
    *,
    asked_model: str | None = None,
) -> tuple[Decimal | None, tuple[str, ...]]:
    """Return what a call costs, and what has to be said about it.

    Parameters
    ----------
    source : PriceSource, optional
        Who knows prices; None knows none.
    provider : str
        Who was asked.
    model : str or None
        Which model answered, by its own account.
    usage : Usage
        What it used.
    asked_model : str, optional
        Which model was asked; its price counts if that of `model` is not known.

    Returns
    -------
    cost_usd : Decimal or None
        US dollars; None if the price is not known, which is never the same as 0.
    warnings : tuple of str
        A sentence if there is no price, or if the tokens are estimated.
    """
    cost = None
    if source is not None:
        cost = source.cost_usd(provider, model, usage)
        if cost is None and asked_model is not None and asked_model != model:
            cost = source.cost_usd(provider, asked_model, usage)
    if cost is None:
        name = f"{provider}/{model}" if model is not None else provider
        return None, (f"the price of {name!r} is not known, so the cost is not either",)
    if usage.estimated:
        return cost, ("the provider did not report its usage; tokens and cost are estimates",)
    return cost, ()


def price_ceiling(
    source: PriceSource | None, provider: str, model: str | None, usage: Usage
) -> Decimal | None:
    """Return the most that a call can cost, for reservations.

    Parameters
    ----------
    source : PriceSource, optional
        Who knows prices; None knows none.
    provider : str
        Who is asked.
    model : str or None
        Which model.
    usage : Usage
        The most that it can use, as of `usage.ceiling_usage`.

    Returns
    -------
    Decimal or None
        US dollars, >= 0; None if the price is not known.
    """
    if source is None:
        return None
    if isinstance(source, PriceTable):
        price = source.price(provider, model)
        return None if price is None else price.ceiling_usd(usage)
    # Tokens of one kind only cost the most, for each kind adds up on its own.
    total = usage.input_tokens
    plain = Usage(input_tokens=total, output_tokens=usage.output_tokens)
    costs = [
        source.cost_usd(provider, model, variant)
        for variant in (
            plain,
            replace(plain, cached_tokens=total),
            replace(plain, cache_write_tokens=total),
            replace(plain, reasoning_tokens=usage.output_tokens),
        )
    ]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return None
    return max(known[:3]) + max(known[3] - known[0], Decimal(0))


def _price_of(name: str, entry: ModelPrice | Mapping[str, Any]) -> ModelPrice:
    if isinstance(entry, ModelPrice):
        return entry
    try:
        return ModelPrice(**entry)
    except TypeError as error:
        known = ", ".join(field.name for field in fields(ModelPrice))
        raise InvalidInputError(f"the price of {name!r} has the fields {known}: {error}") from error


def _exact(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, float, str)):
        raise InvalidInputError(f"{name} must be a number, got {value!r}")
    try:
        # A float by its shortest text: 0.1 means 0.1.
        price = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation as error:
        raise InvalidInputError(f"{name} must be a number, got {value!r}") from error
    if not price.is_finite() or price < 0:
        raise InvalidInputError(f"{name} must be a finite number >= 0, got {value!r}")
    return price
