"""The routes of a router and the snapshot that is made of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from stratarouter.encoders.base import ensure_encoder
from stratarouter.encoders.hashing import HashingEncoder
from stratarouter.errors import (
    DuplicateRouteError,
    EncoderMismatchError,
    EncoderRequiredError,
    IndexNotBuiltError,
    InvalidInputError,
    NoRoutesError,
    RouteNotFoundError,
)
from stratarouter.route_vectors import completed, encode_routes, route_vectors, split_embeddings
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.snapshot import EXTERNAL_ENCODER_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter.config import RouterConfig
    from stratarouter.encoders.base import CheckedEncoder
    from stratarouter.protocols import BuildProgress
    from stratarouter.route_vectors import RouteVectors
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import Route

__all__ = ["Registry"]


class Registry:
    """Registered routes, their vectors, and the snapshot in use.

    Changes take the lock, make the next snapshot, and swap one reference; `snapshot` can be read at
    any time without it. A change that raises leaves everything as it was.

    Parameters
    ----------
    config : RouterConfig
        Settings.
    encoder : CheckedEncoder, optional
        Encoder that the user chose; None takes the default one for text, none for vectors.
    """

    def __init__(self, config: RouterConfig, encoder: CheckedEncoder | None) -> None:
        self.config = config
        self.snapshot: Snapshot | None = None
        self.routes: dict[str, Route] = {}
        self.lock = threading.RLock()
        self._chosen_encoder = encoder
        self._default_encoder: CheckedEncoder | None = None
        self._handed_in: dict[str, RouteVectors] = {}
        self._version = 0

    @property
    def encoder(self) -> CheckedEncoder | None:
        """The encoder of texts; None if the vectors came from outside without one."""
        if self._chosen_encoder is not None:
            return self._chosen_encoder
        default = self._default()
        snapshot = self.snapshot
        foreign = snapshot is not None and snapshot.encoder_id != default.encoder_id
        return None if foreign or self._handed_in else default

    @property
    def encoder_id(self) -> str:
        """Identity of the vector space."""
        if self.snapshot is not None:
            return self.snapshot.encoder_id
        encoder = self.encoder
        return EXTERNAL_ENCODER_ID if encoder is None else encoder.encoder_id

    def add(
        self, routes: Sequence[Route], embeddings: Mapping[str, Any] | None, *, overwrite: bool
    ) -> None:
        """Register routes with distinct ids, all or none.

        Parameters
        ----------
        routes : sequence of Route
            Routes to add.
        embeddings : mapping of str to array_like, optional
            Vectors by route id.
        overwrite : bool
            Whether ids that are taken are replaced, keeping their places.

        Raises
        ------
        DuplicateRouteError
            If an id is taken and `overwrite` is False.
        InvalidPatternError
            If a pattern is not usable.
        EncoderRequiredError
            If the router is built and vectors are missing that cannot be encoded.
        EncoderMismatchError
            If vectors are handed in to a router that was built from text by the default encoder.
        """
        with self.lock:
            merged = dict(self.routes)
            for route in routes:
                if route.id in merged and not overwrite:
                    raise DuplicateRouteError(route.id)
                merged[route.id] = route
            # Bad patterns are found before anything is encoded, and not only by the first build.
            PatternScorer(routes, None if self.snapshot is None else self.snapshot.scorer.pattern)
            self._publish(
                merged, self._vectors_of({route.id: route for route in routes}, embeddings)
            )

    def remove(self, route_id: str) -> Route:
        """Remove a route.

        Parameters
        ----------
        route_id : str
            Its id.

        Returns
        -------
        Route
            The removed route.

        Raises
        ------
        RouteNotFoundError
            If no route has this id.
        ConfigurationError
            If it is the fallback route of a built router.
        """
        with self.lock:
            removed = self.require(route_id)
            remaining = {key: route for key, route in self.routes.items() if key != route_id}
            self._publish(remaining, {})
            return removed

    def require(self, route_id: str) -> Route:
        """Return a registered route.

        Parameters
        ----------
        route_id : str
            Its id.

        Returns
        -------
        Route
            The route.

        Raises
        ------
        RouteNotFoundError
            If no route has this id.
        """
        if route_id not in self.routes:
            raise RouteNotFoundError(str(route_id), self.routes)
        return self.routes[route_id]

    def build(
        self,
        embeddings: Any | None,
        encoder_id: str | None,
        progress: BuildProgress | None = None,
    ) -> None:
        """Make a snapshot with a newly fitted confidence.

        Parameters
        ----------
        embeddings : array_like or mapping, optional
            Vectors of all routes, see `split_embeddings`; None encodes those that are not known.
        encoder_id : str, optional
            Identity of the encoder of `embeddings`.
        progress : BuildProgress, optional
            Is told of every step.

        Raises
        ------
        NoRoutesError
            If there are no routes.
        EncoderMismatchError
            If `encoder_id` is not that of the encoder whose vectors are taken.
        """
        from stratarouter.building import build_snapshot, require_fallback

        with self.lock:
            if not self.routes:
                raise NoRoutesError("the router has no routes; add some with add_routes()")
            # Before anything is encoded, which may cost money.
            require_fallback(self.config.fallback_route, self.routes)
            source = self._source_of(encoder_id, new_vectors=embeddings is not None)
            if embeddings is None:
                entries, _ = self._entries(self.routes, {})
            else:
                entries = split_embeddings(
                    list(self.routes.values()), embeddings, self.config.dimension
                )
                if self._chosen_encoder is not None:
                    entries = completed(entries, self._chosen_encoder)
            self.adopt(
                build_snapshot(
                    entries,
                    self.config,
                    encoder_id=source,
                    version=self._version + 1,
                    earlier=self.snapshot,
                    progress=progress,
                )
            )

    def adopt(self, snapshot: Snapshot) -> None:
        """Put a snapshot into use.

        Parameters
        ----------
        snapshot : Snapshot
            The next snapshot.
        """
        self.routes = {route.id: route for route in snapshot.routes}
        self._handed_in = {}
        self.config = snapshot.config
        self._version = snapshot.version
        self.snapshot = snapshot

    def ready(self, *, has_embedding: bool) -> Snapshot:
        """Return the snapshot in use, building it if that is possible.

        Parameters
        ----------
        has_embedding : bool
            Whether the caller has a vector of its own encoder; such a router is not built from
            text, since the two would not be comparable.

        Returns
        -------
        Snapshot
            The snapshot.

        Raises
        ------
        NoRoutesError
            If there are no routes.
        IndexNotBuiltError
            If only the caller can build it.
        """
        with self.lock:
            if self.snapshot is None:
                if not self.routes:
                    raise NoRoutesError("the router has no routes; add some with add_routes()")
                if has_embedding and self._chosen_encoder is None and not self._handed_in:
                    raise IndexNotBuiltError(
                        "the router is not built; call build_index(embeddings) with vectors of "
                        "the encoder that made this one, or build_index() for the default encoder"
                    )
                self.build(None, None)
            if self.snapshot is None:
                raise IndexNotBuiltError("the router is not built; call build_index()")
            return self.snapshot

    def encoder_for(self, snapshot: Snapshot) -> CheckedEncoder:
        """Return the encoder of a snapshot's vectors.

        Parameters
        ----------
        snapshot : Snapshot
            The snapshot that is to be queried.

        Returns
        -------
        CheckedEncoder
            The encoder.

        Raises
        ------
        EncoderRequiredError
            If the router does not have it.
        """
        # Judged by the snapshot in hand: the one in use may have become another meanwhile.
        encoder = self._default() if self._chosen_encoder is None else self._chosen_encoder
        if encoder.encoder_id != snapshot.encoder_id:
            raise EncoderRequiredError(
                f"the routes' vectors come from encoder {snapshot.encoder_id!r}, which this router "
                "does not have; pass the query's embedding, or make or load it with encoder="
            )
        return encoder

    def _default(self) -> CheckedEncoder:
        default = self._default_encoder
        if default is None:
            default = ensure_encoder(HashingEncoder(self.config.dimension))
            self._default_encoder = default
        return default

    def _publish(self, routes: dict[str, Route], given: dict[str, RouteVectors]) -> None:
        from stratarouter.building import change_snapshot

        snapshot = self.snapshot
        if snapshot is None:
            self._handed_in = _moved({**self._handed_in, **given}, routes)
            self.routes = routes
        elif not routes:
            # A snapshot cannot be empty; the router is as before its first build.
            self._version += 1
            self.routes, self.snapshot = routes, None
        else:
            entries, _ = self._entries(routes, given)
            self.adopt(change_snapshot(snapshot, entries, self.config, version=self._version + 1))

    def _entries(
        self, routes: dict[str, Route], given: dict[str, RouteVectors]
    ) -> tuple[list[RouteVectors], str]:
        """Collect the vectors of routes: those given, those known, and the rest encoded."""
        known = {**self._handed_in, **self._known_vectors(), **given}
        usable = _moved(known, routes)
        missing = [route for key, route in routes.items() if key not in usable]
        encoder = self.encoder
        if missing and encoder is None:
            raise EncoderRequiredError(
                f"route {missing[0].id!r} has no vectors and the router no encoder; "
                "pass embeddings=, or make the router with encoder="
            )
        if missing and encoder is not None:
            earlier = [known[route.id] for route in missing if route.id in known]
            encoded = encode_routes(missing, encoder, earlier)
            usable.update({entry.route.id: entry for entry in encoded})
        return [usable[key] for key in routes], self.encoder_id

    def _known_vectors(self) -> dict[str, RouteVectors]:
        from stratarouter.building import entries_of

        snapshot = self.snapshot
        if snapshot is None:
            return {}
        return {entry.route.id: entry for entry in entries_of(snapshot)}

    def _vectors_of(
        self, routes: dict[str, Route], embeddings: Mapping[str, Any] | None
    ) -> dict[str, RouteVectors]:
        if embeddings is None:
            return {}
        if not hasattr(embeddings, "keys"):
            raise InvalidInputError("embeddings must be a mapping of route id to matrix")
        for route_id in embeddings:
            if route_id not in routes:
                raise RouteNotFoundError(str(route_id), routes)
        if self.snapshot is not None and self._chosen_encoder is None and self.encoder is not None:
            # Built from text by the default encoder, which nobody chose for the vectors.
            raise EncoderMismatchError(self.encoder_id, EXTERNAL_ENCODER_ID)
        return {
            route_id: route_vectors(routes[route_id], matrix, self.config.dimension)
            for route_id, matrix in embeddings.items()
        }

    def _source_of(self, encoder_id: str | None, *, new_vectors: bool) -> str:
        """Return the identity of the vectors that a build takes, given what the caller calls it."""
        _require_name(encoder_id)
        if self._chosen_encoder is not None:
            known = self._chosen_encoder.encoder_id
        else:
            known = EXTERNAL_ENCODER_ID if new_vectors else self.encoder_id
        if encoder_id is None or encoder_id == known:
            return known
        if known != EXTERNAL_ENCODER_ID:
            raise EncoderMismatchError(known, encoder_id)
        return encoder_id


def _require_name(encoder_id: object) -> None:
    if encoder_id is not None and not (isinstance(encoder_id, str) and encoder_id.strip()):
        raise InvalidInputError(f"encoder_id must be a non-empty string, got {encoder_id!r}")


def _moved(
    known: Mapping[str, RouteVectors], routes: Mapping[str, Route]
) -> dict[str, RouteVectors]:
    """Return the vectors that still stand for the texts of the routes of today."""
    moved = {key: known[key].moved_to(route) for key, route in routes.items() if key in known}
    return {key: entry for key, entry in moved.items() if entry is not None}
