"""The published cache: answers by query, with one run per miss."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.cache.flight import SingleFlight
from stratarouter_runtime.cache.memory import MemoryBackend
from stratarouter_runtime.cache.store import AnswerStore
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.errors import (
    CacheBackendError,
    FeatureNotBuiltWarning,
    UncacheableValueError,
)
from stratarouter_runtime.policies.fingerprint import text_key
from stratarouter_runtime.policies.plain_json import decode_plain, encode_plain
from stratarouter_runtime.types import ANONYMOUS, CacheHit

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratarouter_runtime.protocols import BlockingDoor, CacheBackend, Clock
    from stratarouter_runtime.types import Partition

__all__ = ["CacheManager"]

_EvictionPolicy: TypeAlias = Literal["lru", "lfu", "ttl"]

_logger = logging.getLogger("stratarouter_runtime")


class CacheManager:
    """Keeps answers to queries.

    So far a query is answered from the cache if it was asked before, letter for letter; similar
    queries are not compared yet. Answers are plain JSON data (None, bool, int, finite float, str,
    list, dict); every hit is a fresh copy. Each partition has its own answers; without `partition`
    they belong to nobody in particular and are shared by all who name no partition either.

    Parameters
    ----------
    backend : {"memory", "redis"} or CacheBackend
        Where answers are kept. "redis" is not built yet: it warns and uses the memory. A backend
        of your own has limits of its own; of the settings below it gets `ttl` only.
    redis_url : str
        Address of Redis.
    redis_pool_size : int
        Connections to Redis.
    redis_timeout : float, seconds
        Longest wait for Redis.
    ttl : float, seconds, > 0
        Life of an answer.
    max_age : float, seconds, > 0, optional
        Age at which an answer ends even if it was stored with a longer life.
    max_entries : int, >= 1
        Most answers.
    max_cache_size_mb : float, MiB, > 0
        Most memory.
    enable_semantic : bool
        Whether similar queries may share an answer, once that is built.
    similarity_threshold : float, in [0, 1]
        Least cosine of similar queries.
    embedding_dimension : int, >= 1
        Width of the embeddings.
    eviction_policy : {"lru", "lfu", "ttl"}
        Which answer goes first when the cache is full; only "lru" is built.
    clock : Clock, optional
        Where the time comes from; None takes the machine's.
    door : BlockingDoor, optional
        Where blocking executors run; None takes the threads of asyncio.

    Raises
    ------
    ConfigurationError
        If a setting is out of range.

    Examples
    --------
    >>> async def main() -> tuple[object, object]:
    ...     cache = CacheManager(ttl=60)
    ...     first = await cache.get_or_execute(key="hi", executor=lambda: "hello")
    ...     return first, await cache.get_exact("hi")
    >>> asyncio.run(main())
    ('hello', CacheHit(response='hello', similarity=1.0))
    """

    def __init__(  # noqa: PLR0913 -- the published settings, each with its default.
        self,
        backend: str | CacheBackend = "memory",
        *,
        redis_url: str = "redis://localhost:6379",
        redis_pool_size: int = 10,
        redis_timeout: float = 1.0,
        ttl: float = 3600.0,
        max_age: float | None = None,
        max_entries: int = 10_000,
        max_cache_size_mb: float = 1024.0,
        enable_semantic: bool = True,
        similarity_threshold: float = 0.95,
        embedding_dimension: int = 384,
        eviction_policy: _EvictionPolicy = "lru",
        clock: Clock | None = None,
        door: BlockingDoor | None = None,
    ) -> None:
        # The ranges are those of the settings of the same meaning.
        settings = RuntimeConfig(
            cache_backend=cast("Any", backend) if isinstance(backend, str) else "memory",
            redis_url=redis_url,
            redis_pool_size=redis_pool_size,
            redis_timeout=redis_timeout,
            cache_ttl=ttl,
            cache_max_age=max_age,
            cache_max_entries=max_entries,
            cache_max_size_mb=max_cache_size_mb,
            cache_semantic_enabled=enable_semantic,
            cache_similarity_threshold=similarity_threshold,
            cache_eviction_policy=eviction_policy,
        )
        if isinstance(embedding_dimension, bool) or embedding_dimension < 1:
            raise ConfigurationError(
                f"embedding_dimension must be a whole number >= 1, got {embedding_dimension!r}"
            )
        if settings.cache_backend == "redis":
            _warn("backend='redis' is not built yet; answers are kept in this process")
        if settings.cache_eviction_policy != "lru":
            _warn("eviction_policy is not built yet; the least recently used answer goes first")
        store = (
            MemoryBackend(
                max_entries=settings.cache_max_entries,
                max_bytes=int(settings.cache_max_size_mb * 2**20),
                ttl_s=settings.cache_ttl,
                max_age_s=settings.cache_max_age,
                clock=clock,
            )
            if isinstance(backend, str)
            else backend
        )
        self.answers = AnswerStore(store, settings.cache_ttl)
        """The entries below the queries, for callers that have keys of their own."""
        self._door = door
        self._flights: SingleFlight[tuple[Any, bytes | None]] = SingleFlight()
        self._uncacheable = 0

    async def get(
        self,
        query: str,
        embedding: object = None,  # noqa: ARG002 -- for similar queries, once they are compared.
        *,
        partition: Partition = ANONYMOUS,
    ) -> CacheHit | None:
        """Return the answer to a query, if there is one.

        Parameters
        ----------
        query : str
            The query.
        embedding : object
            Its embedding; not used yet.
        partition : Partition
            Whose answers to look through.

        Returns
        -------
        CacheHit or None
            The hit, or None.

        Raises
        ------
        CacheBackendError
            If the store cannot be used.
        """
        return await self.get_exact(query, partition=partition)

    async def get_exact(self, query: str, *, partition: Partition = ANONYMOUS) -> CacheHit | None:
        """Return the answer to a query that was asked before, letter for letter.

        Parameters
        ----------
        query : str
            The query.
        partition : Partition
            Whose answers to look through.

        Returns
        -------
        CacheHit or None
            The hit, or None.

        Raises
        ------
        CacheBackendError
            If the store cannot be used.
        """
        data = await self.answers.get(partition, text_key(query))
        return None if data is None else CacheHit(decode_plain(data))

    async def set(
        self,
        query: str,
        embedding: object,  # noqa: ARG002 -- as in get().
        response: Any,
        *,
        ttl: float | None = None,
        partition: Partition = ANONYMOUS,
    ) -> bool:
        """Store an answer, replacing an older one.

        Parameters
        ----------
        query : str
            The query.
        embedding : object
            Its embedding, or None; not used yet.
        response : Any
            The answer, plain JSON data.
        ttl : float, seconds, > 0, optional
            Life of this answer; None takes that of the cache.
        partition : Partition
            Whose answer it is.

        Returns
        -------
        bool
            Whether it was stored; False if it alone is larger than the cache.

        Raises
        ------
        UncacheableValueError
            If it is not plain JSON data.
        CacheBackendError
            If the store cannot be used.
        """
        data = encode_plain(response)
        return await self.answers.set(partition, text_key(query), data, ttl)

    async def get_or_execute(
        self,
        key: str,
        embedding: object = None,  # noqa: ARG002 -- as in get().
        executor: Callable[[], Any] | None = None,
        *,
        ttl: float | None = None,
        partition: Partition = ANONYMOUS,
    ) -> Any:
        """Return the answer to a query, asking `executor` on a miss.

        Callers that arrive while an equal query is being answered wait for that answer. A caller
        that is cancelled does not disturb the others.

        Parameters
        ----------
        key : str
            The query.
        embedding : object
            Its embedding; not used yet.
        executor : callable
            Called without arguments. A coroutine function runs in the event loop, anything else in
            a thread; what it returns is awaited if it can be.
        ttl : float, seconds, > 0, optional
            Life of the answer; None takes that of the cache.
        partition : Partition
            Whose answer it is.

        Returns
        -------
        Any
            The answer. One that is not plain JSON data is returned, but not stored; likewise if the
            store cannot be used.

        Raises
        ------
        InvalidInputError
            If there is no executor.
        Exception
            Whatever the executor raised; nothing is stored then.
        """
        if executor is None:
            raise InvalidInputError("get_or_execute needs executor=, a callable without arguments")
        name = text_key(key)
        found = await self.answers.lookup(partition, name)
        if found is not None:
            # A damaged answer is a miss; the new one replaces it.
            with suppress(CacheBackendError):
                return decode_plain(found)

        async def answer() -> tuple[Any, bytes | None]:
            response = await self._called(executor)
            data = self._encoded(response)
            if data is not None:
                await self.answers.keep(partition, name, data, ttl)
            return response, data

        (response, data), shared = await self._flights.run((partition, name), answer)
        return decode_plain(data) if shared and data is not None else response

    async def delete(self, query: str, *, partition: Partition = ANONYMOUS) -> bool:
        """Remove the answer to a query.

        Parameters
        ----------
        query : str
            The query.
        partition : Partition
            Whose answer it is.

        Returns
        -------
        bool
            Whether there was one.

        Raises
        ------
        CacheBackendError
            If the store cannot be used.
        """
        return await self.answers.backend.delete(partition, text_key(query))

    async def clear(self, partition: Partition | None = None) -> int:
        """Remove the answers of one partition, or all.

        Parameters
        ----------
        partition : Partition, optional
            Whose answers; None means everybody's.

        Returns
        -------
        int
            How many were removed.

        Raises
        ------
        CacheBackendError
            If the store cannot be used.
        """
        return await self.answers.backend.clear(partition)

    async def stats(self) -> dict[str, float]:
        """Return the state of the cache under the names of the REST interface.

        Returns
        -------
        dict
            ``hit_rate`` in [0, 1], ``total_requests``, ``cache_hits``, ``cache_misses``,
            ``entries``, ``memory_mb``; and ``backend_errors``, failures that were passed over, and
            ``uncacheable``, answers that were no JSON data.

        Raises
        ------
        CacheBackendError
            If the store cannot be used.
        """
        return {**await self.answers.stats(), "uncacheable": self._uncacheable}

    def close(self) -> None:
        """Cancel the executors that are under way; their callers get `BridgeClosedError`."""
        self._flights.close()

    async def _called(self, executor: Callable[[], Any]) -> Any:
        if inspect.iscoroutinefunction(executor):
            return await executor()
        if self._door is not None:
            answer = await self._door.run(executor, what="the executor")
        else:
            answer = await asyncio.to_thread(executor)
        return await answer if inspect.isawaitable(answer) else answer

    def _encoded(self, response: Any) -> bytes | None:
        try:
            return encode_plain(response)
        except UncacheableValueError as error:
            self._uncacheable += 1
            if self._uncacheable == 1:
                _logger.warning("an answer was not cached: %s; further ones are counted", error)
            return None


def _warn(message: str) -> None:
    warnings.warn(message, FeatureNotBuiltWarning, stacklevel=3)
