"""The shop's orders, read from SQLite."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Item", "Order", "OrderBook", "euros", "order_id_in"]

# "ORD-10213", "ord 10213", "order #10213" or the bare number; not the tail of "INV-10213".
_ORDER_ID = re.compile(r"(?<![\w-])(?:ord(?:er)?[\s#-]*)?(1\d{4})(?![\w])", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{4,}")


def order_id_in(text: str) -> str | None:
    """Find the order that a message is about.

    Parameters
    ----------
    text : str
        The message.

    Returns
    -------
    str or None
        The first order id in it, in the shop's spelling.

    Examples
    --------
    >>> order_id_in("eta on 10251?"), order_id_in("resend INV-10251")
    ('ORD-10251', None)
    """
    found = _ORDER_ID.search(text)
    return None if found is None else f"ORD-{found[1]}"


def euros(cents: int) -> str:
    """Write an amount of money.

    Parameters
    ----------
    cents : int
        The amount, hundredths of a euro.

    Returns
    -------
    str
        The amount in euros.

    Examples
    --------
    >>> euros(11980)
    '119.80 EUR'
    """
    return f"{cents // 100}.{cents % 100:02} EUR"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order."""

    sku: str
    """Article number."""
    name: str
    """Name of the article."""
    quantity: int
    """Number of pieces."""
    unit_price_cents: int
    """Price of one piece, hundredths of a euro."""
    returnable: bool
    """Whether it can be sent back."""

    @property
    def price_cents(self) -> int:
        """Price of all pieces, hundredths of a euro."""
        return self.quantity * self.unit_price_cents


@dataclass(frozen=True, slots=True)
class Order:
    """An order and its lines."""

    order_id: str
    """Its number."""
    placed_on: date
    """Day of the order."""
    status: str
    """"processing", "shipped", "out_for_delivery", "delivered", "returned" or "cancelled"."""
    carrier: str | None
    """Who delivers it; None before it is handed over."""
    due_on: date | None
    """Day of delivery, expected or past; None if there will be none."""
    total_cents: int
    """What was paid, hundredths of a euro."""
    items: tuple[Item, ...]
    """Its lines."""


class OrderBook:
    """Looks orders up; safe to use from several threads.

    Parameters
    ----------
    path : Path
        SQLite file with the tables ``orders`` and ``items``; it is opened read-only.
    """

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def find(self, order_id: str) -> Order | None:
        """Return an order.

        Parameters
        ----------
        order_id : str
            Its number.

        Returns
        -------
        Order or None
            The order; None if there is none of this number.
        """
        # A connection belongs to one thread; opening one costs a tenth of a millisecond.
        with closing(sqlite3.connect(self._uri, uri=True)) as connection:
            row = connection.execute(
                "SELECT placed_on, status, carrier, eta, total_cents FROM orders"
                " WHERE order_id = ?",
                (order_id,),
            ).fetchone()
            if row is None:
                return None
            lines = connection.execute(
                "SELECT sku, name, quantity, unit_price_cents, returnable FROM items"
                " WHERE order_id = ? ORDER BY sku",
                (order_id,),
            ).fetchall()
        placed_on, status, carrier, due_on, total_cents = row
        return Order(
            order_id=order_id,
            placed_on=date.fromisoformat(placed_on),
            status=status,
            carrier=carrier,
            due_on=None if due_on is None else date.fromisoformat(due_on),
            total_cents=total_cents,
            items=tuple(
                Item(sku, name, quantity, unit_price_cents, bool(returnable))
                for sku, name, quantity, unit_price_cents, returnable in lines
            ),
        )

    def articles_like(self, text: str) -> list[tuple[str, int]]:
        """Return the articles that share a word with a message.

        Parameters
        ----------
        text : str
            The message.

        Returns
        -------
        list of (str, int)
            Name and price in hundredths of a euro, by name.
        """
        wanted = set(_WORD.findall(text.lower()))
        with closing(sqlite3.connect(self._uri, uri=True)) as connection:
            rows = connection.execute(
                "SELECT DISTINCT name, unit_price_cents FROM items ORDER BY name"
            ).fetchall()
        return [(name, cents) for name, cents in rows if wanted & set(_WORD.findall(name.lower()))]
