"""The class that users meet."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, overload

from stratarouter.algorithms.vectors import as_unit_vector
from stratarouter.config import RouterConfig
from stratarouter.encoders.base import ensure_encoder
from stratarouter.errors import (
    ConfigurationError,
    DimensionMismatchError,
    EncoderMismatchError,
)
from stratarouter.inputs import checked_k, checked_queries, checked_query, owned
from stratarouter.registry import Registry
from stratarouter.serving import decide, decide_arrays, decide_batch
from stratarouter.tuning import RouteTuner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stratarouter.types import FloatArray, RouteArrays, RouteResult

__all__ = ["Router"]


class Router(RouteTuner):
    """Decides where a query should go, and how sure it is.

    Routing never locks: it reads one immutable snapshot, which adding, updating and removing routes
    replace. A change is visible when its call returns, and a call that raises changes nothing.

    Parameters
    ----------
    config : RouterConfig, optional
        Settings. An encoder in this place is taken as `encoder`.
    encoder : Encoder, optional
        Anything with ``encode(texts)`` and ``dimension``. Without one, texts are encoded by a
        `HashingEncoder` of the configured width, unless vectors are handed in.
    mode : {"local"}, optional
        Accepted for compatibility; there is no hosted service.
    **options : Any
        Fields of `RouterConfig`, replacing those of `config`.

    Raises
    ------
    ConfigurationError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> from stratarouter import Route
    >>> router = Router(threshold=0.3)
    >>> router.add_routes(
    ...     [
    ...         Route("billing", examples=["Where's my invoice?", "I was charged twice"]),
    ...         Route("delivery", examples=["Where is my parcel?", "My order has not arrived"]),
    ...     ]
    ... )
    >>> router.route("please send me the invoice for April").route_id
    'billing'
    """

    def __init__(
        self,
        config: RouterConfig | Any | None = None,
        *,
        encoder: Any | None = None,
        mode: str = "local",
        **options: Any,
    ) -> None:
        if config is not None and not isinstance(config, RouterConfig):
            if encoder is not None:
                raise ConfigurationError("two encoders were given; pass only encoder=")
            config, encoder = None, config
        if mode != "local":
            raise ConfigurationError(f"mode must be 'local', got {mode!r}: there is no service")
        if isinstance(encoder, str):
            raise ConfigurationError(
                f"encoder {encoder!r} is a name; pass an encoder object with encode() and dimension"
            )
        settings = RouterConfig.from_options(config, **options)
        checked = None if encoder is None else ensure_encoder(encoder)
        if checked is not None:
            settings = replace(settings, dimension=checked.dimension)
        super().__init__(Registry(settings, checked))

    def route(
        self,
        query: str,
        embedding: Any | None = None,
        k: int | None = None,
        *,
        top_k: int | None = None,
    ) -> RouteResult:
        """Decide where a query goes.

        Parameters
        ----------
        query : str
            Query text.
        embedding : array_like, shape (d,), optional
            Its vector; None encodes the text.
        k : int, optional
            How many ranked routes the result names, the winner included; 1 if not given.
        top_k : int, optional
            Other name of `k`.

        Returns
        -------
        RouteResult
            Always a result: `route_id` is None, or the fallback, if nothing was sure enough.

        Raises
        ------
        InvalidInputError
            If the query is blank, or the vector cannot be one.
        NoRoutesError
            If there are no routes.
        IndexNotBuiltError
            If the router is not built and a vector is given that only the caller's encoder knows.
        EncoderRequiredError
            If the routes' vectors came from outside and the query has none.
        """
        started = perf_counter()
        text = checked_query(query)
        count = 1 if k is None and top_k is None else checked_k(k, top_k)
        snapshot = self._registry.snapshot
        if snapshot is None:
            snapshot = self._registry.ready(has_embedding=embedding is not None)
        if embedding is None:
            vector: FloatArray = self._registry.encoder_for(snapshot).encode([text])[0]
        else:
            vector = owned(as_unit_vector(embedding, dimension=snapshot.dimension), embedding)
        result = decide(snapshot, text, vector, count)
        result.latency_ms = (perf_counter() - started) * 1e3
        return result

    @overload
    def route_batch(
        self,
        queries: Sequence[str],
        embeddings: Any | None = None,
        k: int | None = None,
        *,
        as_arrays: Literal[False] = False,
    ) -> list[RouteResult]: ...

    @overload
    def route_batch(
        self,
        queries: Sequence[str],
        embeddings: Any | None = None,
        k: int | None = None,
        *,
        as_arrays: Literal[True],
    ) -> RouteArrays: ...

    def route_batch(
        self,
        queries: Sequence[str],
        embeddings: Any | None = None,
        k: int | None = None,
        *,
        as_arrays: bool = False,
    ) -> list[RouteResult] | RouteArrays:
        """Decide where many queries go, all by the same snapshot, encoding them in one call.

        Parameters
        ----------
        queries : sequence of str
            Query texts.
        embeddings : array_like, shape (n, d), optional
            Their vectors; None encodes the texts in one call.
        k : int, optional
            How many ranked routes each result names, the winner included; 1 if not given.
        as_arrays : bool, optional
            Whether to return arrays, which name the best route only, in half the time.

        Returns
        -------
        list of RouteResult, or RouteArrays
            In the order of the queries, all from one snapshot; `latency_ms` is the mean.

        Raises
        ------
        InvalidInputError
            If a query is blank, or the vectors do not fit.
        """
        started = perf_counter()
        texts = checked_queries(queries)
        count = checked_k(k, None)
        snapshot, matrix = self._prepared(texts, embeddings)
        if as_arrays:
            return decide_arrays(snapshot, texts, matrix)
        results = list(decide_batch(snapshot, texts, matrix, count))
        mean_ms = (perf_counter() - started) * 1e3 / max(len(results), 1)
        for result in results:
            result.latency_ms = mean_ms
        return results

    def save(self, folder: str | Path) -> Path:
        """Save the built router to a folder.

        Parameters
        ----------
        folder : str or Path
            Folder to write; a saved router in it is replaced.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        IndexNotBuiltError
            If the router is not built and has no encoder.
        InvalidInputError
            If the folder holds something else.
        """
        from stratarouter.persistence import save_snapshot

        snapshot = self._registry.snapshot or self._registry.ready(has_embedding=False)
        return save_snapshot(snapshot, folder)

    @classmethod
    def load(cls, folder: str | Path, *, encoder: Any | None = None) -> Router:
        """Read a saved router; encodes nothing, but builds a search graph anew if it had one.

        Parameters
        ----------
        folder : str or Path
            Folder that `save` wrote.
        encoder : Encoder, optional
            Encoder of the build, needed to route text unless it is the default `HashingEncoder`.

        Returns
        -------
        Router
            A router that decides like the saved one.

        Raises
        ------
        SaveNotFoundError
            If there is no saved router.
        CorruptSaveError
            If it is damaged or of a newer format.
        EncoderMismatchError
            If `encoder` is not the one that the router was built with.
        DimensionMismatchError
            If `encoder` goes by the right name but has another width.
        MissingExtraError
            If its settings ask for an HNSW index and faiss is not installed.
        """
        from stratarouter.persistence import load_snapshot

        snapshot = load_snapshot(folder)
        router = cls(snapshot.config, encoder=encoder)
        if encoder is not None:
            if router.encoder_id != snapshot.encoder_id:
                raise EncoderMismatchError(snapshot.encoder_id, router.encoder_id)
            if router.config.dimension != snapshot.dimension:
                raise DimensionMismatchError(
                    snapshot.dimension, router.config.dimension, f"encoder {router.encoder_id!r}"
                )
        router._registry.adopt(snapshot)
        return router
