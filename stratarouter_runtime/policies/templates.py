"""Prompts with fields: no attributes, no indexes, no formats, nothing but names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.context_errors import TemplateFieldError
from stratarouter_runtime.errors import UncacheableValueError
from stratarouter_runtime.policies.plain_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["QUERY_FIELD", "PromptTemplate", "field_text"]

QUERY_FIELD = "query"
"""The field that stands for the text of the query."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_AS_TEXT = (int, float, Decimal, date, datetime, time)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A text with fields in braces.

    A field is a bare name: ``{user_name}``. Nothing of a value is looked into, and what a value
    says is never read as a template. Two braces stand for one.

    Examples
    --------
    >>> template = PromptTemplate.parse("Answer {user_name} as {{json}}.")
    >>> template.fields, template.render({"user_name": "Ann {admin}"})
    (('user_name',), 'Answer Ann {admin} as {json}.')
    """

    text: str
    """The template as it was written."""
    pieces: tuple[tuple[str, str | None], ...]
    """Literal text, and the field that follows it; None at the end."""

    @classmethod
    def parse(cls, text: object, what: str = "a prompt") -> PromptTemplate:
        """Read a template.

        Parameters
        ----------
        text : str
            The text.
        what : str
            What it is, for messages.

        Returns
        -------
        PromptTemplate
            The template.

        Raises
        ------
        InvalidInputError
            If it is no text, a brace stands alone, or a field is no bare name.
        """
        if not isinstance(text, str):
            raise InvalidInputError(f"{what} must be a text, got a {type(text).__name__}")
        pieces: list[tuple[str, str | None]] = []
        literal: list[str] = []
        end = 0
        for match in _TOKEN.finditer(text):
            literal.append(text[end : match.start()])
            end = match.end()
            token, name = match.group(), match.group(1)
            if token in {"{{", "}}"}:
                literal.append(token[0])
            elif name is not None and name.isidentifier():
                pieces.append(("".join(literal), name))
                literal = []
            else:
                raise _misplaced(what, token, name, match.start())
        pieces.append(("".join(literal) + text[end:], None))
        return cls(text, tuple(pieces))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, each once, in order."""
        return tuple(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def render(self, values: Mapping[str, Any]) -> str:
        """Put values in.

        Parameters
        ----------
        values : mapping
            Values by field: texts, numbers, truth values, dates, or lists and dictionaries of JSON
            data, which are written as JSON.

        Returns
        -------
        str
            The text.

        Raises
        ------
        TemplateFieldError
            If a field has no value, or one that has no text.
        """
        found: list[str] = []
        for literal, name in self.pieces:
            found.append(literal)
            if name is not None:
                found.append(field_text(name, values))
        return "".join(found)


def field_text(name: str, values: Mapping[str, Any]) -> str:
    """Return the text of a field.

    Parameters
    ----------
    name : str
        The field.
    values : mapping
        Values by field.

    Returns
    -------
    str
        The text.

    Raises
    ------
    TemplateFieldError
        If it has no value, or one that has no text.
    """
    value = values.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        raise TemplateFieldError(name, _absent(name, values))
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        try:
            canonical_json(value)
        except UncacheableValueError as error:
            raise TemplateFieldError(name, f"whose value is no JSON data: {error}") from error
        # Unlike a fingerprint, it is read by somebody, so letters stay letters.
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    raise TemplateFieldError(
        name,
        f"which is a {type(value).__name__}; pass a text, a number, a date or JSON data",
    )


def _absent(name: str, values: Mapping[str, Any]) -> str:
    if name in values:
        return "which is None; pass a text"
    return (
        f"and the context has no such field{nearest_name_hint(name, values)}; "
        "pass it in context=, or let enrich= add it"
    )


def _misplaced(what: str, token: str, name: str | None, position: int) -> InvalidInputError:
    if name is None:
        return InvalidInputError(
            f"{what} has a single {token!r} at {position}; write {token * 2!r} for a brace"
        )
    return InvalidInputError(
        f"{what} has the field {token!r} at {position}, which is no bare name such as "
        "{user_name}; pass what it stands for as a field of its own, "
        "or write '{{' and '}}' for braces"
    )
