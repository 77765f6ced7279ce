"""Public fakes: encoders that need no model, and routes to try things on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.vectors import as_unit_vector
from stratarouter.encoders.base import BaseEncoder, ensure_encoder
from stratarouter.encoders.checks import check_texts
from stratarouter.errors import DimensionMismatchError, EncodingError, InvalidInputError
from stratarouter.types import Route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["CountingEncoder", "TableEncoder", "sample_routes"]


class TableEncoder(BaseEncoder):
    """Encodes texts by looking them up, so that a test decides how similar they are.

    Parameters
    ----------
    table : mapping of str to array_like, shape (d,)
        Vector of each text, of any length above 0.
    dimension : int, optional
        Width of the vectors; None takes that of the table.
    fallback : Encoder, optional
        Encodes the texts that are not in the table; None refuses them.
    encoder_id : str, optional
        Name of the vector space; None makes one of the width.

    Raises
    ------
    InvalidInputError
        If the table is empty and neither `dimension` nor `fallback` is given.
    InvalidEmbeddingError
        If a vector has no direction or another width than the others.

    Examples
    --------
    >>> encoder = TableEncoder({"bill": [1, 0], "invoice": [3, 4]})
    >>> encoder.encode(["invoice"]).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """

    def __init__(
        self,
        table: Mapping[str, ArrayLike],
        dimension: int | None = None,
        *,
        fallback: Any | None = None,
        encoder_id: str | None = None,
    ) -> None:
        self._fallback = None if fallback is None else ensure_encoder(fallback)
        if dimension is None and self._fallback is not None:
            dimension = self._fallback.dimension
        if not table and dimension is None:
            raise InvalidInputError("the table is empty; give the dimension of its vectors")
        vectors = [np.asarray(vector) for vector in table.values()]
        width = vectors[0].size if dimension is None else dimension
        self._rows: dict[str, NDArray[np.float32]] = {
            text: as_unit_vector(vector, dimension=width)
            for text, vector in zip(table, vectors, strict=True)
        }
        self._dimension = width
        if self._fallback is not None and self._fallback.dimension != self._dimension:
            raise DimensionMismatchError(self._dimension, self._fallback.dimension, "fallback")
        self._encoder_id = f"table:{self._dimension}" if encoder_id is None else encoder_id

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return self._dimension

    @property
    def encoder_id(self) -> str:
        """Name of the vector space."""
        return self._encoder_id

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Look texts up.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank.

        Returns
        -------
        NDArray[np.float32], shape (n, d)
            One row of length 1 per text.

        Raises
        ------
        EncodingError
            If a text is not in the table and there is no fallback.
        """
        matrix = np.empty((len(texts), self._dimension), dtype=np.float32)
        for position, text in enumerate(check_texts(texts)):
            matrix[position] = self._row_of(text)
        return matrix

    def _row_of(self, text: str) -> NDArray[np.float32]:
        row = self._rows.get(text)
        if row is not None:
            return row
        if self._fallback is None:
            raise EncodingError(f"the table has no vector of {text!r}; add it, or pass fallback=")
        encoded: NDArray[np.float32] = self._fallback.encode([text])[0]
        return encoded


class CountingEncoder(BaseEncoder):
    """Remembers what another encoder was asked for.

    Parameters
    ----------
    encoder : Encoder
        The encoder that does the work; its vector space stays the same.

    Examples
    --------
    >>> encoder = CountingEncoder(TableEncoder({"bill": [1, 0]}))
    >>> _ = encoder.encode(["bill", "bill"])
    >>> encoder.calls, encoder.n_texts
    ([('bill', 'bill')], 2)
    """

    def __init__(self, encoder: Any) -> None:
        self._inner = ensure_encoder(encoder)
        self.calls: list[tuple[str, ...]] = []

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return self._inner.dimension

    @property
    def encoder_id(self) -> str:
        """Name of the vector space."""
        return self._inner.encoder_id

    @property
    def texts(self) -> list[str]:
        """Every text that was encoded, in order, repeats kept."""
        return [text for call in self.calls for text in call]

    @property
    def n_texts(self) -> int:
        """How many texts were encoded."""
        return sum(map(len, self.calls))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts and remember the call.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank.

        Returns
        -------
        NDArray[np.float32], shape (n, d)
            What the other encoder returns.
        """
        self.calls.append(tuple(texts))
        return self._inner.encode(texts)

    def forget(self) -> None:
        """Begin counting anew."""
        self.calls.clear()


def sample_routes() -> list[Route]:
    """Return the routes of a small web shop, for tests and first steps.

    Returns
    -------
    list of Route
        Four routes of five examples, with keywords, patterns, a threshold and metadata among them.

    Examples
    --------
    >>> [route.id for route in sample_routes()]
    ['billing', 'delivery', 'returns', 'account']
    """
    return [*_order_routes(), *_customer_routes()]


def _order_routes() -> list[Route]:
    return [
        Route(
            "billing",
            description="Questions about invoices, charges and payments",
            examples=[
                "Where's my invoice?",
                "I was charged twice this month",
                "Which payment methods do you accept?",
                "Send me the receipt for April",
                "Why was my card declined?",
            ],
            keywords=["invoice", "payment", "receipt"],
            patterns=[r"re:\binv-\d+\b"],
        ),
        Route(
            "delivery",
            examples=[
                "Where is my parcel?",
                "My order has not arrived",
                "How long does shipping take?",
                "Can I track my package?",
                "The courier went to the wrong address",
            ],
            keywords=["parcel", "shipping"],
            patterns=["tracking number"],
            metadata={"team": "logistics"},
        ),
    ]


def _customer_routes() -> list[Route]:
    return [
        Route(
            "returns",
            examples=[
                "I want to send this back",
                "How do I return a broken lamp?",
                "Can I exchange it for another size?",
                "When do I get my money back?",
                "I need a return label",
            ],
            keywords=["return", "exchange", "refund"],
            tags=["after sales"],
        ),
        Route(
            "account",
            description="Signing in and changing personal data",
            examples=[
                "I forgot my password",
                "How do I change my email address?",
                "Please delete my account",
                "I cannot log in",
                "Turn off the newsletter",
            ],
            threshold=0.6,
        ),
    ]
