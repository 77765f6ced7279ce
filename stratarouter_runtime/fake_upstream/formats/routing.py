"""Which wire format a path belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from stratarouter_runtime.fake_upstream.formats.anthropic import AnthropicFormat
from stratarouter_runtime.fake_upstream.formats.cohere import CohereFormat
from stratarouter_runtime.fake_upstream.formats.gemini import GeminiFormat
from stratarouter_runtime.fake_upstream.formats.ollama import OllamaFormat
from stratarouter_runtime.fake_upstream.formats.openai import OpenAIFormat

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.exchange import WireFormat

__all__ = ["Endpoint", "Paths"]

_OPENAI_ENDPOINTS = {
    "chat/completions": "chat",
    "completions": "completions",
    "embeddings": "embeddings",
}
_AZURE_DEPLOYMENT = re.compile(
    r"/openai/deployments/([^/]+)/(chat/completions|completions|embeddings)"
)
_GEMINI = re.compile(
    r"/v1(?:alpha|beta1?)?/(?:.*/)?(?:models|tunedModels|endpoints)/(.+):"
    r"(generateContent|streamGenerateContent|embedContent|batchEmbedContents)"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a path leads to."""

    wire: WireFormat
    """The format."""
    name: str
    """What of it is called."""
    model: str = ""
    """The model that the path names, "" if it names none."""


class Paths:
    """All paths that take a POST."""

    def __init__(self) -> None:
        openai, self._azure, cohere = OpenAIFormat(), OpenAIFormat("azure"), CohereFormat()
        ollama, self._gemini = OllamaFormat(), GeminiFormat()
        self._fixed = {
            "/v1/messages": Endpoint(AnthropicFormat(), "messages"),
            "/v2/chat": Endpoint(cohere, "chat"),
            "/v2/embed": Endpoint(cohere, "embed"),
        }
        for path, name in _OPENAI_ENDPOINTS.items():
            self._fixed[f"/v1/{path}"] = Endpoint(openai, name)
            self._fixed[f"/openai/v1/{path}"] = Endpoint(self._azure, name)
        for name in ("chat", "generate", "embed", "embeddings"):
            self._fixed[f"/api/{name}"] = Endpoint(ollama, name)

    def find(self, path: str) -> Endpoint | None:
        """Return what a path leads to.

        Parameters
        ----------
        path : str
            The path without its query.

        Returns
        -------
        Endpoint or None
            None if nothing is there.
        """
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        if match := _AZURE_DEPLOYMENT.fullmatch(path):
            return Endpoint(self._azure, _OPENAI_ENDPOINTS[match[2]], unquote(match[1]))
        if match := _GEMINI.fullmatch(path):
            return Endpoint(self._gemini, match[2], unquote(match[1]))
        return None
