"""A client of plain sockets: it believes nothing and shows every byte."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal
from urllib.parse import urlsplit

__all__ = [
    "BODIES",
    "MESSAGES",
    "PATHS",
    "Seen",
    "body_for",
    "chat_choices",
    "chat_text",
    "post",
    "talk",
]

MESSAGES = [{"role": "user", "content": "Where is my parcel, please?"}]
FUNCTION = {
    "name": "find_parcel",
    "description": "Find a parcel",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "count": {"type": "integer"}},
    },
}
PATHS = {
    ("openai", "complete"): "/v1/chat/completions",
    ("openai", "stream"): "/v1/chat/completions",
    ("openai", "embed"): "/v1/embeddings",
    ("azure", "complete"): "/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
    ("azure", "stream"): "/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
    ("azure", "embed"): "/openai/deployments/{model}/embeddings?api-version=2024-10-21",
    ("anthropic", "complete"): "/v1/messages",
    ("anthropic", "stream"): "/v1/messages",
    ("gemini", "complete"): "/v1beta/models/{model}:generateContent",
    ("gemini", "stream"): "/v1beta/models/{model}:streamGenerateContent?alt=sse",
    ("gemini", "embed"): "/v1beta/models/{model}:batchEmbedContents",
    ("cohere", "complete"): "/v2/chat",
    ("cohere", "stream"): "/v2/chat",
    ("cohere", "embed"): "/v2/embed",
    ("ollama", "complete"): "/api/chat",
    ("ollama", "stream"): "/api/chat",
    ("ollama", "embed"): "/api/embed",
}
"""Where each wire format takes each operation."""
_TEXT = "Where is my parcel, please?"
_PART = {"parts": [{"text": _TEXT}]}
_TOOLS = [{"type": "function", "function": FUNCTION}]
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("openai", "chat"): {"messages": MESSAGES, "tools": _TOOLS},
    ("openai", "embed"): {"input": [_TEXT, "Thanks"]},
    ("azure", "chat"): {"messages": MESSAGES, "tools": _TOOLS},
    ("azure", "embed"): {"input": [_TEXT, "Thanks"]},
    ("anthropic", "chat"): {
        "messages": MESSAGES,
        "max_tokens": 100,
        "tools": [{"name": "find_parcel", "input_schema": FUNCTION["parameters"]}],
    },
    ("gemini", "chat"): {
        "contents": [{"role": "user", **_PART}],
        "tools": [{"functionDeclarations": [FUNCTION]}],
    },
    ("gemini", "embed"): {"requests": [{"content": _PART}, {"content": _PART}]},
    ("cohere", "chat"): {"messages": MESSAGES, "tools": _TOOLS},
    ("cohere", "embed"): {"texts": [_TEXT, "Thanks"], "embedding_types": ["float"]},
    ("ollama", "chat"): {"messages": MESSAGES, "tools": _TOOLS},
    ("ollama", "embed"): {"input": [_TEXT, "Thanks"]},
}
"""A body per wire format and kind of operation, without the model."""


@dataclass
class Seen:
    """What a client saw."""

    raw: bytes = b""
    """Every byte, in order."""
    ended: Literal["answered", "closed", "reset", "silent"] = "silent"
    """answered: a whole answer by its own framing; closed or reset before one was whole."""
    status: int = 0
    """HTTP status; 0 if there was none."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers, names in lower case."""
    body: bytes = b""
    """The body, chunks joined."""
    chunks: list[bytes] = field(default_factory=list)
    """The body, chunk by chunk; empty if it was not chunked."""
    rest: bytes = b""
    """What came after the answer."""

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events or lines, parsed where they are JSON."""
        lines = self.body.decode().replace("\r\n", "\n").split("\n")
        if any(line.startswith("data:") for line in lines):
            lines = [line[5:].strip() for line in lines if line.startswith("data:")]
        return [
            json.loads(line) if line[0] in "{[" and _whole(line) else line for line in lines if line
        ]


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def chat_text(events: list[Any]) -> str:
    """Join the texts of a stream in the format of OpenAI."""
    deltas = [choice["delta"] for event in events for choice in chat_choices(event)[:1]]
    return "".join(delta.get("content") or "" for delta in deltas)


def chat_choices(event: Any) -> list[Any]:
    """Return the choices of an event that is an object and has a delta."""
    found = event.get("choices", []) if isinstance(event, dict) else []
    return [choice for choice in found if "delta" in choice]


def body_for(wire: str, operation: str, model: str, **more: Any) -> dict[str, Any]:
    """Return the body of a request."""
    kind = "embed" if operation == "embed" else "chat"
    body = {**BODIES[wire, kind], **more}
    if wire != "gemini":
        body["model"] = model
    if operation == "stream" and wire in {"openai", "azure"}:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    elif wire in {"anthropic", "cohere"} and operation == "stream":
        body["stream"] = True
    elif wire == "ollama" and operation == "complete":
        body["stream"] = False
    return body


def post(
    url: str,
    model: str,
    operation: str = "complete",
    wire: str = "openai",
    *,
    timeout_s: float = 5.0,
    answers: int = 1,
    **more: Any,
) -> Seen:
    """Send a request on a connection of its own and show what comes back."""
    path = PATHS[wire, operation].format(model=model)
    data = json.dumps(body_for(wire, operation, model, **more)).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key-canary\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return talk(url, head.encode() + data, timeout_s=timeout_s, answers=answers)


def talk(url: str, data: bytes, *, timeout_s: float = 5.0, answers: int = 1) -> Seen:
    """Connect, send bytes, and read until an answer is whole, the connection ends, or time is up.

    `answers` is how many to wait for; those after the first are in `rest`.
    """
    place = urlsplit(url)
    seen = Seen()
    end_s = monotonic() + timeout_s
    try:
        with socket.create_connection((place.hostname, place.port), timeout=timeout_s) as client:
            client.sendall(data)
            while seen.ended == "silent" and (left_s := end_s - monotonic()) > 0:
                client.settimeout(left_s)
                piece = client.recv(1 << 20)
                seen.raw += piece
                if not piece:
                    seen.ended = "closed"
                elif _read(seen):
                    seen.ended = "answered"
            while seen.ended == "answered" and seen.rest.count(b"HTTP/1.1 ") < answers - 1:
                client.settimeout(max(end_s - monotonic(), 0.001))
                piece = client.recv(1 << 20)
                seen.rest += piece
                if not piece:
                    break
    except TimeoutError:
        pass
    except (ConnectionResetError, BrokenPipeError):
        seen.ended = "reset"
    return seen


def _read(seen: Seen) -> bool:
    """Parse what has come so far; say whether an answer is whole."""
    head, found, rest = seen.raw.partition(b"\r\n\r\n")
    if not found:
        return False
    if not seen.headers:
        lines = head.decode("latin-1").split("\r\n")
        seen.status = int(lines[0].split(" ")[1])
        pairs = (line.partition(":") for line in lines[1:])
        seen.headers = {name.lower(): value.strip() for name, _, value in pairs}
    if "content-length" in seen.headers:
        length = int(seen.headers["content-length"])
        seen.body, seen.rest = rest[:length], rest[length:]
        return len(rest) >= length
    return _read_chunks(seen, rest)


def _read_chunks(seen: Seen, rest: bytes) -> bool:
    seen.chunks = []
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            seen.body, seen.rest = b"".join(seen.chunks), rest[2:]
            return True
        if len(rest) < length + 2:
            break
        seen.chunks.append(rest[:length])
        rest = rest[length + 2 :]
    seen.body = b"".join(seen.chunks)
    return False
