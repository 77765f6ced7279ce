"""What of a request a provider cannot carry: said, never dropped silently."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.conversation import Message, ResponseFormat

if TYPE_CHECKING:
    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.provider_protocol import Capabilities

__all__ = ["carried"]


def carried(
    request: CompletionRequest, capabilities: Capabilities
) -> tuple[CompletionRequest, tuple[str, ...]]:
    """Return what can be sent, and what is left out.

    Parameters
    ----------
    request : CompletionRequest
        What is asked.
    capabilities : Capabilities
        What the client can carry.

    Returns
    -------
    request : CompletionRequest
        The same without what cannot be carried; the very same object if everything can.
    warnings : tuple of str
        A sentence for each thing that is left out.
    """
    changes: dict[str, Any] = {}
    warnings: list[str] = []
    if request.tools and not capabilities.tools:
        changes["tools"] = ()
        changes["tool_choice"] = None
        warnings.append("the provider has no tools; they were left out")
    elif request.tool_choice is not None and not capabilities.tool_choice:
        changes["tool_choice"] = None
        warnings.append("the provider cannot be told which tool to use; tool_choice was left out")
    if any(message.images for message in request.messages) and not capabilities.images:
        changes["messages"] = tuple(_without_images(message) for message in request.messages)
        warnings.append("the provider cannot see images; they were left out")
    form = _form(request.response_format, capabilities, warnings)
    if form is not request.response_format:
        changes["response_format"] = form
    known = capabilities.params
    if known is not None:
        unknown = sorted(name for name in request.params if name not in known)
        if unknown:
            changes["params"] = {k: v for k, v in request.params.items() if k in known}
            warnings += [f"the provider has no parameter {name!r}; left out" for name in unknown]
    return (replace(request, **changes) if changes else request), tuple(warnings)


def _form(
    form: ResponseFormat | None, capabilities: Capabilities, warnings: list[str]
) -> ResponseFormat | None:
    if form is None or form.kind == "text":
        return form
    if form.kind == "json_schema":
        if capabilities.json_schema:
            return form
        warnings.append("the provider cannot keep to a JSON schema; it was left out")
    if capabilities.json:
        return form if form.kind == "json" else ResponseFormat("json")
    if form.kind == "json":
        warnings.append("the provider cannot be asked for JSON; the form was left out")
    return None


def _without_images(message: Message) -> Message:
    return replace(message, content=message.text) if message.images else message
