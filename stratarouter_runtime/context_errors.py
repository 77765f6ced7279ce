"""What can be wrong with a context, and with feedback.

The tree::

    StrataError
    ├── InvalidInputError (ValueError)
    │   └── InvalidContextError
    │       ├── ContextSchemaError
    │       └── TemplateFieldError
    ├── EnrichmentError (RuntimeError)
    └── UnknownExecutionError (KeyError)
"""

from __future__ import annotations

from typing import ClassVar, Literal

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import InvalidContextError

__all__ = [
    "ContextSchemaError",
    "EnrichmentError",
    "TemplateFieldError",
    "UnknownExecutionError",
]


class ContextSchemaError(InvalidContextError):
    """A context does not have the fields that ``context_schema=`` asks for.

    Parameters
    ----------
    route_id : str or None
        The route; None for the fallback.
    problem : str
        What is wrong.
    field : str, optional
        The field that is missing or wrong; None if it is about the whole.
    """

    code: ClassVar[str] = "CONTEXT_SCHEMA"

    def __init__(self, route_id: str | None, problem: str, field: str | None = None) -> None:
        whose = "the fallback" if route_id is None else f"route {route_id!r}"
        what = "" if field is None else f" {field!r}"
        super().__init__(f"the context{what} does not fit context_schema= of {whose}: {problem}")
        self.route_id = route_id
        self.field = field


class TemplateFieldError(InvalidContextError):
    """A prompt names a field that the context does not have, or that is no text.

    Parameters
    ----------
    field : str
        The field.
    problem : str
        What is wrong with it.
    """

    code: ClassVar[str] = "TEMPLATE_FIELD"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"the prompt uses {{{field}}}, {problem}")
        self.field = field


class EnrichmentError(StrataError, RuntimeError):
    """A function bound with ``enrich=`` failed; what it raised is the ``__cause__``.

    Parameters
    ----------
    route_id : str or None
        The route; None for the fallback.
    problem : str
        What happened.
    """

    code: ClassVar[str] = "ENRICHMENT_ERROR"
    origin: ClassVar[Literal["ours", "handler", "provider"]] = "handler"

    def __init__(self, route_id: str | None, problem: str) -> None:
        whose = "the fallback" if route_id is None else f"route {route_id!r}"
        super().__init__(f"enrich= of {whose} {problem}")
        self.route_id = route_id


class UnknownExecutionError(StrataError, KeyError):
    """No execution of this name is remembered.

    Parameters
    ----------
    execution_id : str
        The name.
    remembered : int
        How many executions are remembered at most.
    """

    code: ClassVar[str] = "UNKNOWN_EXECUTION"

    def __init__(self, execution_id: str, remembered: int) -> None:
        super().__init__(
            f"no execution {execution_id!r} is remembered; pass result.execution_id of one of the "
            f"latest {remembered} of this bridge, or raise feedback_max_executions"
        )
        self.execution_id = execution_id

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would quote the sentence.
        return str(self.args[0])
