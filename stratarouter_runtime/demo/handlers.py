"""What the help desk does about each kind of message.

Handlers that read the orders block, so they are plain functions and leave the event loop by the
bridge's pool; the others are coroutines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from stratarouter_runtime.demo.orders import euros, order_id_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from stratarouter_runtime.demo.orders import Order, OrderBook

__all__ = ["TODAY", "DeskHandler", "HelpDesk"]

TODAY = date(2025, 3, 14)
"""The day on which the bundled orders were taken down; the desk's clock stands still."""

_RETURN_WINDOW = timedelta(days=30)
_WARRANTY = timedelta(days=2 * 365)
_CODE = re.compile(r"\b[A-Z]{4,}\d{2}\b")
_CODES = {
    "WELCOME10": "10 % off a first order",
    "SAVE15": "15 % off baskets from 100.00 EUR",
    "SPRING20": "20 % off lamps and speakers until 31 March",
}
_SHOPS = {
    "harbour street": "Mon-Sat 9:00-20:00",
    "eastgate": "Mon-Sat 10:00-19:00, parking behind the house",
    "millbrook": "Mon-Fri 10:00-18:00, Sat 10:00-16:00",
    "riverside": "closed for renovation until 1 April",
}
_PLANS = {"plus": "Larkfield Plus", "care": "Care plan", "storage": "camera storage"}

_Handler: TypeAlias = "Callable[..., str | Awaitable[str]]"
_OrderHandler: TypeAlias = "Callable[[Order], str]"


@dataclass(frozen=True, slots=True)
class DeskHandler:
    """What answers one kind of message."""

    answer: _Handler
    """Takes the query and the context, or the query alone."""
    cacheable: bool = False
    """Whether the answer may be kept, because it depends on nothing but the message."""


class HelpDesk:
    """The handlers of all routes.

    Parameters
    ----------
    orders : OrderBook
        The shop's orders.
    today : date
        The current day.
    """

    def __init__(self, orders: OrderBook, today: date = TODAY) -> None:
        self._orders = orders
        self._today = today

    def handlers(self) -> dict[str, DeskHandler]:
        """Return the handler of each route.

        Returns
        -------
        dict of str to DeskHandler
            By route id.
        """
        return {
            "order_status": DeskHandler(self._about_order(self._status)),
            "delivery_problem": DeskHandler(self._about_order(self._delivery_problem)),
            "damaged_item": DeskHandler(self._about_order(self._damaged)),
            "return_item": DeskHandler(self._about_order(self._return)),
            "refund_request": DeskHandler(self._about_order(self._refund)),
            "cancel_order": DeskHandler(self._about_order(_cancel)),
            "change_address": DeskHandler(self._about_order(_change_address)),
            "invoice_copy": DeskHandler(self._about_order(_invoice)),
            "warranty_claim": DeskHandler(self._about_order(self._warranty)),
            "payment_failed": DeskHandler(self._about_order(_payment)),
            "product_availability": DeskHandler(self._availability),
            "promo_code": DeskHandler(_promo_code, cacheable=True),
            "technical_support": DeskHandler(_technical_support, cacheable=True),
            "account_login": DeskHandler(_account_login, cacheable=True),
            "delete_account": DeskHandler(_delete_account, cacheable=True),
            "subscription_change": DeskHandler(_subscription, cacheable=True),
            "store_hours": DeskHandler(_store_hours, cacheable=True),
            "talk_to_human": DeskHandler(_human),
        }

    def _about_order(self, answer: _OrderHandler) -> _Handler:
        """Look the order up that a message names, or ask for its number."""

        def handler(query: str, context: Mapping[str, Any]) -> str:
            order_id = order_id_in(query) or context.get("order_id")
            if order_id is None:
                return "Which order is it about? Please send its number, such as ORD-10213."
            order = self._orders.find(order_id)
            if order is None:
                return f"There is no order {order_id}. Please check the number."
            return answer(order)

        return handler

    def _status(self, order: Order) -> str:
        state = order.status.replace("_", " ")
        if order.due_on is None or order.status in {"delivered", "returned"}:
            return f"{order.order_id} is {state}."
        carrier = "" if order.carrier is None else f" with {order.carrier}"
        late = (self._today - order.due_on).days
        when = f"was due on {order.due_on}, {late} days ago" if late > 0 else f"due {order.due_on}"
        return f"{order.order_id} is {state}{carrier}, {when}."

    def _delivery_problem(self, order: Order) -> str:
        if order.carrier is None:
            return f"{order.order_id} is {order.status}: no carrier has it yet."
        return (
            f"A search for {order.order_id} is opened with {order.carrier}. "
            f"If it is not found, {euros(order.total_cents)} are paid back or it is sent again."
        )

    def _damaged(self, order: Order) -> str:
        names = ", ".join(item.name for item in order.items)
        return f"Sorry about that. Which of these arrived damaged: {names}? A photo helps."

    def _return(self, order: Order) -> str:
        if order.status != "delivered" or order.due_on is None:
            return (
                f"{order.order_id} is {order.status.replace('_', ' ')}, so nothing can go back yet."
            )
        last_day = order.due_on + _RETURN_WINDOW
        if self._today > last_day:
            return f"{order.order_id} could be returned until {last_day}."
        names = [item.name for item in order.items if item.returnable]
        if not names:
            return f"Nothing in {order.order_id} can be returned."
        return f"A label for {', '.join(names)} is on its way; please post it by {last_day}."

    def _refund(self, order: Order) -> str:
        if order.status == "cancelled":
            return f"{order.order_id} was cancelled: {euros(order.total_cents)} go back in full."
        refund_cents = sum(item.price_cents for item in order.items if item.returnable)
        kept = [item.name for item in order.items if not item.returnable]
        without = f", without {', '.join(kept)}" if kept else ""
        if order.status == "returned":
            return (
                f"{euros(refund_cents)} for {order.order_id} are paid out within 5 days{without}."
            )
        return f"Returning {order.order_id} would bring {euros(refund_cents)} back{without}."

    def _warranty(self, order: Order) -> str:
        last_day = order.placed_on + _WARRANTY
        verdict = "is covered until" if self._today <= last_day else "was covered until"
        return f"{order.order_id} {verdict} {last_day}. Please describe the fault."

    def _availability(self, query: str) -> str:
        articles = self._orders.articles_like(query)
        if not articles:
            return "Which article are you looking for?"
        offers = "; ".join(f"{name}, {euros(cents)}" for name, cents in articles)
        return f"In our range: {offers}."


def _cancel(order: Order) -> str:
    if order.status == "processing":
        return f"{order.order_id} is cancelled; {euros(order.total_cents)} go back to you."
    return f"{order.order_id} is {order.status.replace('_', ' ')} and can no longer be cancelled."


def _change_address(order: Order) -> str:
    if order.status == "processing":
        return f"{order.order_id} has not left yet. What is the new address?"
    return (
        f"{order.order_id} is {order.status.replace('_', ' ')}; ask {order.carrier} to redirect it."
    )


def _invoice(order: Order) -> str:
    lines = [f"Invoice for {order.order_id} of {order.placed_on}"]
    lines += [f"{item.quantity} x {item.name}: {euros(item.price_cents)}" for item in order.items]
    shipping_cents = order.total_cents - sum(item.price_cents for item in order.items)
    if shipping_cents:
        lines.append(f"shipping: {euros(shipping_cents)}")
    return "\n".join([*lines, f"total: {euros(order.total_cents)}"])


def _payment(order: Order) -> str:
    return f"{euros(order.total_cents)} were charged once for {order.order_id}."


async def _promo_code(query: str) -> str:
    found = _CODE.search(query.upper())
    if found is None:
        return "Codes go into the field below the basket; one per order."
    return f"{found[0]}: {_CODES.get(found[0], 'no such code')}."


async def _technical_support(query: str) -> str:
    restart = "Hold the power button for ten seconds, then try again."
    return f"{restart} Error codes are explained in the manual." if "error" in query else restart


async def _account_login(query: str) -> str:
    if "hack" in query.lower():
        return "All devices are signed out; please choose a new password by the link we sent."
    return "A link to choose a new password is on its way."


async def _delete_account(query: str) -> str:
    del query
    return "Your account and data are erased after 14 days, unless you sign in before."


async def _subscription(query: str) -> str:
    plan = next((name for word, name in _PLANS.items() if word in query.lower()), "plan")
    return f"You can change, pause or end your {plan} under Account, Plans."


async def _store_hours(query: str) -> str:
    asked = [shop for shop in _SHOPS if shop in query.lower()] or list(_SHOPS)
    return "; ".join(f"{shop.title()}: {_SHOPS[shop]}" for shop in asked)


async def _human(query: str, context: Mapping[str, Any]) -> str:
    waiting = context.get("user_id", "a guest")
    return f"A colleague will be with {waiting} in a minute and has read: {query!r}"
