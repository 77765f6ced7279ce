"""What is said to a language model, and what it answers: one form for every provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Completion",
    "CompletionRequest",
    "ContentPart",
    "FinishReason",
    "ImagePart",
    "Message",
    "ResponseFormat",
    "TextPart",
    "ToolCall",
    "ToolChoice",
    "ToolSpec",
    "Usage",
]

FinishReason: TypeAlias = Literal[
    "stop", "length", "tool_calls", "content_filter", "error", "unknown"
]
"""Why an answer ended; "unknown" if the provider did not say, or said what nobody knows."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text inside a message of several parts."""

    text: str
    """The text."""

    def to_dict(self) -> dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        dict
            JSON data.
        """
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image inside a message: an address, or the bytes themselves."""

    url: str | None = None
    """Address, http or https; None if the bytes are here."""
    data: str | None = field(default=None, repr=False)
    """The bytes in base64; None if there is an address."""
    mime: str | None = None
    """Type of the bytes, such as "image/png"; required with them."""
    detail: Literal["auto", "low", "high"] | None = None
    """How closely the model looks; None leaves it to the provider."""

    def to_dict(self) -> dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        dict
            JSON data; bytes become a data address.
        """
        address = self.url if self.data is None else f"data:{self.mime};base64,{self.data}"
        image = {"url": address}
        if self.detail is not None:
            image["detail"] = self.detail
        return {"type": "image_url", "image_url": image}


ContentPart: TypeAlias = TextPart | ImagePart
"""A piece of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's wish to have a tool called."""

    id: str
    """Name of this call; the tool's answer refers to it."""
    name: str
    """The tool."""
    arguments: str = "{}"
    """Arguments as the model wrote them: JSON text, as a rule, but models err."""

    def to_dict(self) -> dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        dict
            JSON data.
        """
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool that a model may ask for."""

    name: str
    """Its name: letters, digits, ``_`` and ``-``, at most 64."""
    description: str = ""
    """What it does, for the model to read."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON schema of its arguments; empty for a tool without any."""
    strict: bool | None = None
    """Whether arguments have to fit the schema exactly; None leaves it to the provider."""

    def to_dict(self) -> dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        dict
            JSON data.
        """
        function: dict[str, Any] = {"name": self.name}
        if self.description:
            function["description"] = self.description
        if self.parameters:
            function["parameters"] = dict(self.parameters)
        if self.strict is not None:
            function["strict"] = self.strict
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether, and which, tool a model has to ask for."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    """As it likes, none, any one, or the one that `name` names."""
    name: str | None = None
    """The tool; for the mode "tool" only."""

    def to_wire(self) -> str | dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        str or dict
            The mode, or the tool.
        """
        if self.mode == "tool":
            return {"type": "function", "function": {"name": self.name}}
        return self.mode


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The form that an answer has to have."""

    kind: Literal["text", "json", "json_schema"] = "text"
    """Free text, any JSON object, or JSON that fits `schema`."""
    schema: Mapping[str, Any] | None = None
    """JSON schema; for "json_schema" only."""
    name: str = "answer"
    """Name of the schema, which some providers ask for."""
    strict: bool = True
    """Whether the schema has to be fitted exactly."""

    def to_dict(self) -> dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        dict
            JSON data.
        """
        if self.kind == "json_schema":
            schema = {"name": self.name, "schema": dict(self.schema or {}), "strict": self.strict}
            return {"type": "json_schema", "json_schema": schema}
        return {"type": "json_object" if self.kind == "json" else "text"}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """"system", "user", "assistant" or "tool"."""
    content: str | tuple[ContentPart, ...] = ""
    """Text, or parts in order; may be empty beside tool calls."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools that the assistant asked for."""
    tool_call_id: str | None = None
    """Call that a tool's message answers."""
    name: str | None = None
    """Name of the speaker, or of the tool."""

    @property
    def text(self) -> str:
        """The text alone, its parts joined; images are left out."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The images, in order."""
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if isinstance(part, ImagePart))

    def to_dict(self) -> dict[str, Any]:
        """Return the OpenAI wire shape.

        Returns
        -------
        dict
            ``role`` and ``content``, and what else there is.
        """
        content = self.content
        wire: dict[str, Any] = {"role": self.role, "content": content}
        if not isinstance(content, str):
            wire["content"] = [part.to_dict() for part in content]
        if self.tool_calls:
            wire["content"] = wire["content"] or None
            wire["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        if self.tool_call_id is not None:
            wire["tool_call_id"] = self.tool_call_id
        if self.name is not None:
            wire["name"] = self.name
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a call consumed; the finer figures are parts of the two sums."""

    input_tokens: int = 0
    """Tokens of the prompt, those from and for the provider's cache included."""
    output_tokens: int = 0
    """Tokens of the answer, those of reasoning included."""
    cached_tokens: int = 0
    """Part of the input that the provider had cached."""
    cache_write_tokens: int = 0
    """Part of the input that the provider put into its cache."""
    reasoning_tokens: int = 0
    """Part of the output that was thought and not said."""
    estimated: bool = False
    """Whether the provider did not say, so that the figures are guessed from the texts."""

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            The figures by their names, and ``total_tokens``.
        """
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
            "cached_tokens": self.cached_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "estimated": self.estimated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """What a client is asked for; everything that can change its answer is in here."""

    messages: tuple[Message, ...]
    """The conversation, oldest first."""
    model: str | None = None
    """Model name; None takes the client's own."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Sampling parameters by their usual names, plain JSON data."""
    tools: tuple[ToolSpec, ...] = ()
    """Tools that the model may ask for."""
    tool_choice: ToolChoice | None = None
    """Which of them it has to ask for; None leaves it to the provider."""
    response_format: ResponseFormat | None = None
    """Form of the answer; None leaves it to the provider."""

    @property
    def max_output_tokens(self) -> int | None:
        """Most tokens that the answer may have; None if the request does not say."""
        for name in ("max_completion_tokens", "max_tokens"):
            limit = self.params.get(name)
            if limit is not None:
                return int(limit)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A client's answer."""

    content: str
    """The text; empty if there are only tool calls."""
    model: str | None = None
    """Model that answered."""
    usage: Usage = field(default_factory=Usage)
    """Tokens used."""
    cost_usd: float | None = None
    """Price of the call, US dollars, >= 0; None if nobody knows it, which is not the same as 0."""
    finish_reason: FinishReason = "stop"
    """Why it ended."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools that the model asks for, in its order."""
    provider: str | None = None
    """Provider that answered; None if the client does not know its name."""
    request_id: str | None = None
    """The provider's name for the call."""
    warnings: tuple[str, ...] = ()
    """What of the request could not be carried over, in sentences."""

    @property
    def is_clean(self) -> bool:
        """Whether the model came to the end of what it had to say."""
        return self.finish_reason in ("stop", "tool_calls")

    def to_message(self) -> Message:
        """Return the answer as a turn of the conversation, to go on with.

        Returns
        -------
        Message
            The assistant's message.
        """
        return Message("assistant", self.content, self.tool_calls)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            The fields by their names.
        """
        return {
            "content": self.content,
            "tool_calls": [call.to_dict() for call in self.tool_calls],
            "finish_reason": self.finish_reason,
            "model": self.model,
            "provider": self.provider,
            "usage": self.usage.to_dict(),
            "cost_usd": self.cost_usd,
            "request_id": self.request_id,
            "warnings": list(self.warnings),
        }
