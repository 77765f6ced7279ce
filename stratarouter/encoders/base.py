"""What an encoder is, and the checks that make anything with `encode` one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.vectors import as_unit_rows
from stratarouter.encoders.checks import check_dimension, check_texts, to_array
from stratarouter.errors import EncodingError, InvalidEmbeddingError, InvalidInputError, StrataError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from stratarouter.types import FloatArray

__all__ = [
    "BaseEncoder",
    "CheckedEncoder",
    "ensure_encoder",
]

# Later names are those that sentence-transformers models use.
_DIMENSION_NAMES = ("dimension", "get_sentence_embedding_dimension", "get_embedding_dimension")


class BaseEncoder(ABC):
    """Base of encoders: a subclass gives `dimension` and `encode`.

    `encode` may return rows of any length: whoever uses the encoder passes it through
    `ensure_encoder`, which checks the rows and brings them to length 1.

    Examples
    --------
    >>> class CountingEncoder(BaseEncoder):
    ...     dimension = 2
    ...
    ...     def encode(self, texts):
    ...         return [[text.count("a"), text.count("b")] for text in texts]
    >>> encoder = ensure_encoder(CountingEncoder())
    >>> encoder.encoder_id, encoder.encode(["bb"]).tolist()
    ('CountingEncoder:2', [[0.0, 1.0]])
    """

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Width of the embeddings."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank; a single one is a list of one.

        Returns
        -------
        FloatArray, shape (n, d)
            One row per text, in their order; nested lists serve as well.
        """

    @property
    def encoder_id(self) -> str:
        """Name of the vector space; vectors of differently named spaces are never compared."""
        return f"{type(self).__name__}:{_dimension_of(self)}"


class CheckedEncoder(BaseEncoder):
    """An encoder whose input and output are checked; made by `ensure_encoder`.

    Parameters
    ----------
    encoder : object
        Anything with ``encode`` and ``dimension``.

    Raises
    ------
    InvalidInputError
        If `encoder` lacks one of the two, or they cannot be used.
    """

    def __init__(self, encoder: Any) -> None:
        _require_encode(encoder)
        self._inner = encoder
        self._dimension = _dimension_of(encoder)
        self._encoder_id = _encoder_id_of(encoder, self._dimension)

    @property
    def inner(self) -> Any:
        """The encoder as it was handed in."""
        return self._inner

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return self._dimension

    @property
    def encoder_id(self) -> str:
        """Name of the vector space."""
        return self._encoder_id

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Encode texts to unit vectors.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank; an empty sequence gives no rows.

        Returns
        -------
        NDArray[np.float32], shape (n, d)
            One row of length 1 per text, in their order; the array belongs to the caller.

        Raises
        ------
        InvalidInputError
            If `texts` is a single string, or one of them is blank or no string.
        EncodingError
            If the encoder fails, or does not return one usable row per text.
        """
        checked = check_texts(texts)
        if not checked:
            return np.empty((0, self._dimension), dtype=np.float32)
        with self._failures_named():
            output = self._call(checked)
        return self._checked_rows(output, len(checked))

    @property
    def aencode(self) -> Callable[[Iterable[str]], Awaitable[NDArray[np.float32]]]:
        """The same as `encode`, awaited; only there if the wrapped encoder has it."""
        if not callable(getattr(self._inner, "aencode", None)):
            raise AttributeError(f"encoder {self._encoder_id!r} has no aencode; use encode")
        return self._aencode

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._encoder_id!r})"

    async def _aencode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        checked = check_texts(texts)
        if not checked:
            return np.empty((0, self._dimension), dtype=np.float32)
        with self._failures_named():
            output = await self._acall(checked)
        return self._checked_rows(output, len(checked))

    def _call(self, texts: list[str]) -> Any:
        return self._inner.encode(texts)

    async def _acall(self, texts: list[str]) -> Any:
        return await self._inner.aencode(texts)

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except StrataError:
            raise
        except Exception as error:  # re-raised: whatever foreign code raises gets our name
            hint = ""
            if isinstance(error, (TypeError, AttributeError)):
                hint = "; if it takes one text at a time, wrap it in SingleTextEncoder"
            raise EncodingError(
                f"encoder {self._encoder_id!r} failed: {type(error).__name__}: {error}{hint}"
            ) from error

    def _checked_rows(self, output: Any, n_texts: int) -> NDArray[np.float32]:
        try:
            rows = to_array(output)
        except (TypeError, ValueError, RuntimeError) as error:
            raise EncodingError(
                f"encoder {self._encoder_id!r} returned a {type(output).__name__} "
                f"that cannot be read as a matrix: {error}"
            ) from error
        if rows.ndim == 1 and n_texts == 1:
            rows = rows[np.newaxis]
        if rows.shape != (n_texts, self._dimension):
            raise EncodingError(
                f"encoder {self._encoder_id!r} returned the shape {rows.shape} for {n_texts} "
                f"texts; expected ({n_texts}, {self._dimension})"
            )
        try:
            unit = as_unit_rows(rows, what="embedding of texts")
        except InvalidEmbeddingError as error:
            raise EncodingError(f"encoder {self._encoder_id!r}: {error}") from error
        # The encoder may hold on to what it returned: a table of vectors, or a buffer used again.
        return unit.copy() if np.may_share_memory(unit, rows) else unit


def ensure_encoder(encoder: Any) -> CheckedEncoder:
    """Wrap anything with ``encode`` and ``dimension``, so that its output can be relied on.

    ``dimension`` may be an attribute, a property or a method; sentence-transformers'
    ``get_sentence_embedding_dimension()`` serves as well. ``encode`` gets a list of texts and may
    return an array, nested lists, a tensor, a sparse matrix, or one flat vector for one text. The
    result has ``aencode`` if `encoder` has.

    An encoder that only takes a single text is not guessed, since that would hide faults and repeat
    calls that cost money: wrap it in `SingleTextEncoder`, a bare function in `FunctionEncoder`.

    Parameters
    ----------
    encoder : object
        An encoder; one that is checked already is returned itself.

    Returns
    -------
    CheckedEncoder
        Encodes sequences of texts to unit float32 rows, or raises an error that says why not.

    Raises
    ------
    InvalidInputError
        If `encoder` lacks one of the two, or they cannot be used.
    """
    if isinstance(encoder, CheckedEncoder):
        return encoder
    return CheckedEncoder(encoder)


def _require_encode(encoder: Any) -> None:
    if isinstance(encoder, type):
        raise InvalidInputError(
            f"got the class {encoder.__name__} as encoder; pass an instance of it"
        )
    encode = getattr(encoder, "encode", None)
    if isinstance(encoder, (str, bytes)) or not callable(encode):
        hint = "; wrap a function in FunctionEncoder" if callable(encoder) else ""
        raise InvalidInputError(
            f"an encoder needs encode(texts) and dimension, got {type(encoder).__name__}{hint}"
        )
    if iscoroutinefunction(encode):
        raise InvalidInputError(
            f"{type(encoder).__name__}.encode is a coroutine function; "
            "name it aencode, and give a synchronous encode beside it"
        )


def _dimension_of(encoder: Any) -> int:
    for name in _DIMENSION_NAMES:
        value = getattr(encoder, name, None)
        if callable(value):
            value = value()
        if value is not None:
            return check_dimension(value, f"{type(encoder).__name__}.{name}")
    raise InvalidInputError(
        f"{type(encoder).__name__} does not say its width; give it a dimension attribute"
    )


def _encoder_id_of(encoder: Any, dimension: int) -> str:
    encoder_id = getattr(encoder, "encoder_id", None)
    if encoder_id is None:
        return f"{type(encoder).__name__}:{dimension}"
    if not isinstance(encoder_id, str) or not encoder_id.strip():
        raise InvalidInputError(
            f"{type(encoder).__name__}.encoder_id must be a non-empty string, got {encoder_id!r}"
        )
    return encoder_id
