"""A destination for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidRouteError
from stratarouter.route_checks import (
    PatternMode,
    checked_description,
    checked_id,
    checked_metadata,
    checked_mode,
    checked_texts,
    checked_threshold,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Route"]


class Route:
    """A destination for queries, described by example texts.

    Both published dialects are accepted: ``id``/``examples`` and ``name``/``utterances``. Routes
    are immutable values; two routes are equal if all their fields are.

    Parameters
    ----------
    id : str
        Unique name, stripped; not empty, at most 256 printable characters.
    examples : sequence of str, optional
        Texts that belong to this route. A route needs examples or a description.
    description : str, optional
        One sentence about the route; it is encoded as one more example.
    keywords : sequence of str, optional
        Words that speak for this route.
    patterns : sequence of str, optional
        Literals, matched anywhere and in any case, or regular expressions after ``re:``.
    tags : sequence of str, optional
        Labels for the user's own purposes.
    metadata : mapping, optional
        Anything; a result carries the metadata of its route. To be saved it must be JSON.
    threshold : float, optional
        Least confidence, in [0, 1], for this route; None takes the one of the router.
    pattern_mode : {"score", "override"}, optional
        Whether a matching pattern adds to the score or decides alone.
    name : str, optional
        Other name of `id`.
    utterances : sequence of str, optional
        Other name of `examples`.

    Raises
    ------
    InvalidRouteError
        If the id is empty, a text is blank, a string stands where a list is meant, there are
        neither examples nor a description, or the threshold is outside [0, 1].

    Examples
    --------
    >>> Route("billing", examples=["Where's my invoice?"]) == Route(
    ...     name="billing", utterances=["Where's my invoice?"]
    ... )
    True
    """

    __slots__ = (
        "description",
        "examples",
        "id",
        "keywords",
        "metadata",
        "pattern_mode",
        "patterns",
        "tags",
        "threshold",
    )

    id: str
    description: str
    examples: tuple[str, ...]
    keywords: tuple[str, ...]
    patterns: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    threshold: float | None
    pattern_mode: PatternMode

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 -- the published name of the field
        examples: Sequence[str] | None = None,
        description: str | None = None,
        keywords: Sequence[str] | None = None,
        patterns: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        pattern_mode: PatternMode = "score",
        *,
        name: str | None = None,
        utterances: Sequence[str] | None = None,
    ) -> None:
        route_id = checked_id(one_of("id", id, "name", name))
        examples = one_of("examples", examples, "utterances", utterances)
        set_field = object.__setattr__
        set_field(self, "id", route_id)
        set_field(self, "examples", checked_texts(route_id, "examples", examples))
        set_field(self, "description", checked_description(route_id, description))
        set_field(self, "keywords", checked_texts(route_id, "keywords", keywords))
        set_field(self, "patterns", checked_texts(route_id, "patterns", patterns))
        set_field(self, "tags", checked_texts(route_id, "tags", tags))
        set_field(self, "metadata", checked_metadata(route_id, metadata))
        set_field(self, "threshold", checked_threshold(route_id, threshold))
        set_field(self, "pattern_mode", checked_mode(route_id, pattern_mode))
        if not self.examples and not self.description:
            raise InvalidRouteError(
                f"route {route_id!r} has neither examples nor a description; give at least one"
            )

    @property
    def name(self) -> str:
        """The id, in the other dialect."""
        return self.id

    @property
    def utterances(self) -> tuple[str, ...]:
        """The examples, in the other dialect."""
        return self.examples

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are encoded: the examples, then the description if there is one."""
        return (*self.examples, self.description) if self.description else self.examples

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data, in the ``id`` dialect.

        Returns
        -------
        dict
            ``Route(**route.to_dict())`` equals the route.
        """
        return {
            "id": self.id,
            "description": self.description,
            "examples": list(self.examples),
            "keywords": list(self.keywords),
            "patterns": list(self.patterns),
            "tags": list(self.tags),
            "metadata": dict(self.metadata),
            "threshold": self.threshold,
            "pattern_mode": self.pattern_mode,
        }

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"Route is immutable; build a new one to change {key!r}")

    def __delattr__(self, key: str) -> None:
        raise AttributeError(f"Route is immutable; cannot delete {key!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Route):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.id, self.examples))

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Route], tuple[dict[str, Any]]]:
        return _route_from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        lists = {name: len(getattr(self, name)) for name in ("keywords", "patterns", "tags")}
        parts = [repr(self.id), f"examples={len(self.examples)}"]
        parts += [f"{name}={length}" for name, length in lists.items() if length]
        return f"Route({', '.join(parts)})"


def _route_from_dict(fields: dict[str, Any]) -> Route:
    return Route(**fields)
