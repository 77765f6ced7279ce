"""Adding, changing and removing routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter.inputs import checked_route, checked_routes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter.config import RouterConfig
    from stratarouter.encoders.base import CheckedEncoder
    from stratarouter.learning import BuildReport
    from stratarouter.protocols import BuildProgress
    from stratarouter.registry import Registry
    from stratarouter.types import Route

__all__ = ["RouteEditor"]


class RouteEditor:
    """The half of a router that changes it; users meet it as part of `Router`.

    Parameters
    ----------
    registry : Registry
        Routes and snapshot.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @property
    def config(self) -> RouterConfig:
        """The settings."""
        return self._registry.config

    @property
    def encoder(self) -> CheckedEncoder | None:
        """The encoder of queries; None if the routes' vectors came from outside without one."""
        return self._registry.encoder

    @property
    def encoder_id(self) -> str:
        """Identity of the vector space; "external" for vectors from outside."""
        return self._registry.encoder_id

    @property
    def routes(self) -> tuple[Route, ...]:
        """The registered routes, in the order in which they were added."""
        return tuple(self._registry.routes.values())

    @property
    def build_report(self) -> BuildReport | None:
        """What the last build tried and chose; None if the router was loaded or changed since.

        Changes of metadata, tags and thresholds of routes leave it.
        """
        snapshot = self._registry.snapshot
        return None if snapshot is None else snapshot.report

    @property
    def is_built(self) -> bool:
        """Whether the router can route without building first."""
        return self._registry.snapshot is not None

    @property
    def version(self) -> int:
        """Number of the snapshot in use; 0 before the first build."""
        snapshot = self._registry.snapshot
        return 0 if snapshot is None else snapshot.version

    def add_route(
        self, route: Route, *, embeddings: Any | None = None, replace: bool = False
    ) -> None:
        """Register a route; on a built router it takes part in routing at once.

        The confidence is kept as it is; `build_index` or `fit` adjusts it to the new routes. A
        learned head serves again after the next `build_index`, and certified thresholds no longer
        apply: another route to choose from can make accepted answers wrong.

        Parameters
        ----------
        route : Route
            The route.
        embeddings : array_like, shape (m, d), optional
            Its vectors, for routers whose vectors come from outside.
        replace : bool, optional
            Whether a route of the same id is overwritten, keeping its place.

        Raises
        ------
        DuplicateRouteError
            If the id is taken and `replace` is False.
        InvalidPatternError
            If a pattern is not usable.
        EncoderRequiredError
            If the router is built from vectors from outside and none are given.
        EncoderMismatchError
            If `embeddings` are given to a router that was built from text by the default encoder.
        """
        by_id = None if embeddings is None else {checked_route(route).id: embeddings}
        self._registry.add([checked_route(route)], by_id, overwrite=replace)

    add = add_route

    def add_routes(
        self,
        routes: Sequence[Route],
        *,
        embeddings: Mapping[str, Any] | None = None,
        replace: bool = False,
    ) -> None:
        """Register several routes, all or none; what was learned or certified as in `add_route`.

        Parameters
        ----------
        routes : sequence of Route
            The routes.
        embeddings : mapping of str to array_like, optional
            Vectors by route id, for routers whose vectors come from outside.
        replace : bool, optional
            Whether routes of the same ids are overwritten, keeping their places.

        Raises
        ------
        DuplicateRouteError
            If an id is taken and `replace` is False, or an id occurs twice.
        InvalidPatternError
            If a pattern is not usable.
        EncoderRequiredError
            If the router is built from vectors from outside and some are missing.
        EncoderMismatchError
            If `embeddings` are given to a router that was built from text by the default encoder.
        """
        self._registry.add(checked_routes(routes), embeddings, overwrite=replace)

    def update_route(self, route: Route, *, embeddings: Any | None = None) -> None:
        """Replace a registered route of the same id, keeping its place.

        What a change costs depends on what it is. Other metadata or tags leave all that was learned
        and certified. Another threshold, keywords or patterns leave what was learned, but certified
        thresholds no longer apply. With other examples, another description or other vectors a
        learned head is set aside as well, until the next `build_index`.

        Parameters
        ----------
        route : Route
            The new definition.
        embeddings : array_like, shape (m, d), optional
            Its vectors, for routers whose vectors come from outside.

        Raises
        ------
        RouteNotFoundError
            If no route has this id.
        """
        with self._registry.lock:
            self._registry.require(checked_route(route).id)
            self.add_route(route, embeddings=embeddings, replace=True)

    def remove_route(self, route_id: str) -> Route:
        """Remove a route; on a built router it is gone from routing at once.

        A learned head is set aside until the next `build_index`, and certified thresholds no longer
        apply.

        Parameters
        ----------
        route_id : str
            Id of the route.

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
        return self._registry.remove(route_id)

    def build_index(
        self,
        embeddings: Any | None = None,
        *,
        encoder_id: str | None = None,
        progress: BuildProgress | None = None,
    ) -> None:
        """Build the router, and fit its confidence on the routes' own examples.

        What `fit` and `certify` set earlier is gone: fit and certify again after a build. It also
        chooses how candidates are found, see `RouterConfig.index_type`; `build_report` says so.

        Parameters
        ----------
        embeddings : array_like or mapping, optional
            Vectors of the routes: one per route; one per example in the order of the routes; a list
            of one matrix per route; or a mapping of route id to matrix. None encodes every example
            and description, except those whose vectors are known already.
        encoder_id : str, optional
            Identity of the encoder that made `embeddings`; it must be that of the router's encoder
            if it has one.
        progress : callable, optional
            Called as ``progress(step, done, total)`` at the beginning of every step; heads take
            seconds.

        Raises
        ------
        NoRoutesError
            If there are no routes.
        EmbeddingCountError
            If the number of vectors fits neither routes nor examples.
        InvalidEmbeddingError
            If a vector has NaN, infinity, no length, or the wrong width.
        EncoderMismatchError
            If `encoder_id` is not that of the router's encoder.
        ConfigurationError
            If the fallback route is not registered.
        MissingExtraError
            If the settings ask for an HNSW index and faiss is not installed.
        """
        self._registry.build(embeddings, encoder_id, progress)

    def __len__(self) -> int:
        return len(self._registry.routes)

    def __repr__(self) -> str:
        state = f"version {self.version}" if self.is_built else "not built"
        return f"{type(self).__name__}({len(self)} routes, encoder {self.encoder_id!r}, {state})"
