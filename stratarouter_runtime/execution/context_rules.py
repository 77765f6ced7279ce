"""What a route asks of a context, and what it adds to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, Union, get_args, get_origin

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.context_errors import ContextSchemaError, EnrichmentError
from stratarouter_runtime.errors import HandlerError, InvalidContextError
from stratarouter_runtime.execution.handlers import Handler, adapt_handler

if TYPE_CHECKING:
    from stratarouter_runtime.protocols import BlockingDoor

__all__ = ["ContextRules", "ContextSchema", "context_rules"]

_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")
_PATH = re.compile(r"at `\$\.(?P<field>[^`.\[]*)")
_IDENTITIES = ("tenant_id", "org_id", "user_id", "session_id")


@dataclass(frozen=True, slots=True)
class ContextSchema:
    """The fields that a context must have; it may have others besides.

    Examples
    --------
    >>> schema = ContextSchema.of({"user_name": str, "tier": int | None})
    >>> schema.check({"user_name": "Ann", "anything": object()}, "billing")
    >>> schema.check({"user_name": "Ann", "tier": "gold"}, "billing")
    Traceback (most recent call last):
    ...
    stratarouter_runtime.context_errors.ContextSchemaError: the context 'tier' does not fit ...
    """

    kind: Any
    """A type that `msgspec.convert` understands."""

    @classmethod
    def of(cls, schema: object) -> ContextSchema:
        """Return a schema.

        Parameters
        ----------
        schema : mapping or type
            Type by field, where a field that may be None may be missing; or a `msgspec.Struct`, a
            dataclass or a TypedDict. Types may carry `msgspec.Meta` with bounds.

        Returns
        -------
        ContextSchema
            The schema.

        Raises
        ------
        InvalidInputError
            If it is neither, or a type is none that can be checked.
        """
        kind: Any = _typed_dict(schema) if isinstance(schema, Mapping) else schema
        if not isinstance(kind, type):
            raise InvalidInputError(
                "context_schema= is a mapping of field to type, such as {'user_name': str}, or a "
                f"msgspec.Struct, dataclass or TypedDict; got {schema!r:.80}"
            )
        import msgspec

        try:
            msgspec.convert({}, kind)
        except msgspec.ValidationError:
            # An empty context need not fit; what matters is that it could be told.
            return cls(kind)
        except (TypeError, NameError) as error:
            raise InvalidInputError(f"context_schema= cannot be checked: {error}") from error
        return cls(kind)

    def check(self, context: Mapping[str, Any], route_id: str | None) -> None:
        """Refuse a context that does not fit.

        Parameters
        ----------
        context : mapping
            The context.
        route_id : str or None
            Route that asks; None for the fallback.

        Raises
        ------
        ContextSchemaError
            If a field is missing or of another type; it is named.
        """
        import msgspec

        try:
            msgspec.convert(dict(context), self.kind)
        except msgspec.ValidationError as error:
            problem = str(error)
            found = _MISSING.search(problem) or _PATH.search(problem)
            field = None if found is None else found["field"]
            raise ContextSchemaError(route_id, problem, field) from error


@dataclass(frozen=True, slots=True)
class ContextRules:
    """What happens to a context before a route is carried out."""

    route_id: str | None
    """The route; None for the fallback."""
    schema: ContextSchema | None = None
    """Fields that the context must have; None asks for none."""
    enrich: Handler | None = None
    """Makes further fields; None adds none."""

    @property
    def what(self) -> str:
        """Name of the enrichment in messages."""
        whose = "the fallback" if self.route_id is None else f"route {self.route_id!r}"
        return f"enrich= of {whose}"

    def check(self, context: Mapping[str, Any]) -> None:
        """Refuse a context that does not fit.

        Parameters
        ----------
        context : mapping
            The context as the caller gave it.

        Raises
        ------
        ContextSchemaError
            If it does not fit the schema.
        """
        if self.schema is not None:
            self.schema.check(context, self.route_id)

    async def added(
        self, query: str, context: Mapping[str, Any], door: BlockingDoor
    ) -> Mapping[str, Any]:
        """Return the fields that enrichment adds.

        Parameters
        ----------
        query : str
            The query.
        context : mapping
            The context, checked.
        door : BlockingDoor
            Where blocking functions run.

        Returns
        -------
        mapping
            Further fields; they go before fields of the same name.

        Raises
        ------
        EnrichmentError
            If the function raised, or returned no mapping with texts as keys.
        InvalidContextError
            If it would make the execution somebody else's.
        SaturatedError
            If it is blocking and no thread is free.
        """
        if self.enrich is None:
            return {}
        try:
            fields = await self.enrich.run(query, context, door)
        except HandlerError as error:
            cause = error.__cause__
            raise EnrichmentError(
                self.route_id, f"raised {type(cause).__name__}: {cause}"
            ) from cause
        if not isinstance(fields, Mapping):
            kind = type(fields).__name__
            raise EnrichmentError(self.route_id, f"must return a mapping of fields, got a {kind}")
        for key, value in fields.items():
            if not isinstance(key, str):
                raise EnrichmentError(self.route_id, f"must name fields with texts, got {key!r}")
            if key in _IDENTITIES and value != context.get(key):
                raise InvalidContextError(
                    f"{self.what} may not change {key!r}: it says whose execution this is; "
                    "pass it in context="
                )
        return dict(fields)


def context_rules(route_id: str | None, schema: object, enrich: object) -> ContextRules | None:
    """Return the rules of a binding.

    Parameters
    ----------
    route_id : str or None
        The route; None for the fallback.
    schema : object
        What ``context_schema=`` was given, or None.
    enrich : object
        What ``enrich=`` was given, or None.

    Returns
    -------
    ContextRules or None
        The rules; None if there are none.

    Raises
    ------
    InvalidInputError
        If one of them cannot be used.
    """
    if schema is None and enrich is None:
        return None
    return ContextRules(
        route_id,
        None if schema is None else ContextSchema.of(schema),
        None if enrich is None else adapt_handler(enrich, route_id, what="enrich="),
    )


def _typed_dict(schema: Mapping[Any, Any]) -> object:
    fields: dict[str, Any] = {}
    for name, kind in schema.items():
        if not isinstance(name, str):
            raise InvalidInputError(f"the fields of context_schema= are texts, got {name!r}")
        if not isinstance(kind, type) and get_origin(kind) is None and kind is not Any:
            raise InvalidInputError(
                f"context_schema= says {kind!r:.80} about {name!r}, which is no type; "
                "write types, such as {'user_name': str, 'tier': int | None}"
            )
        fields[name] = NotRequired[kind] if _may_be_none(kind) else kind
    return TypedDict("Context", fields)  # type: ignore[operator]


def _may_be_none(kind: Any) -> bool:
    from types import UnionType

    return kind is Any or (get_origin(kind) in {Union, UnionType} and type(None) in get_args(kind))
