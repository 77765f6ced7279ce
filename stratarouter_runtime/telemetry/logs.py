"""One line of JSON per execution, through the standard logging."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.telemetry.null import NullSink

if TYPE_CHECKING:
    from stratarouter_runtime.types import ExecutionRecord

__all__ = ["LOGGER_NAME", "JsonFormatter", "LogSink"]

LOGGER_NAME = "stratarouter_runtime"
"""Logger that the lines go to; its handlers are the application's business."""

_LINE_ATTRIBUTE = "stratarouter_line"


class LogSink(NullSink):
    """Writes the published log line of each execution, without query text or secrets.

    Parameters
    ----------
    level : str
        Least level of a line: successes are "info", failures are "error".
    """

    def __init__(self, level: str = "info") -> None:
        self._level = logging.getLevelNamesMapping()[level.upper()]
        self._logger = logging.getLogger(LOGGER_NAME)

    def complete(self, record: ExecutionRecord) -> None:
        """Write one line.

        Parameters
        ----------
        record : ExecutionRecord
            The summary.
        """
        level = logging.INFO if record.error is None else logging.ERROR
        if level >= self._level and self._logger.isEnabledFor(level):
            line = json.dumps(_line(record, "info" if level == logging.INFO else "error"))
            self._logger.log(level, "%s", line, extra={_LINE_ATTRIBUTE: line})


class JsonFormatter(logging.Formatter):
    """Formats every record as one line of JSON; execution lines stay as they are.

    Examples
    --------
    >>> handler = logging.StreamHandler()
    >>> handler.setFormatter(JsonFormatter())
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line.

        Parameters
        ----------
        record : logging.LogRecord
            What was logged.

        Returns
        -------
        str
            One JSON object, without a line break.
        """
        line: object = getattr(record, _LINE_ATTRIBUTE, None)
        if isinstance(line, str):
            return line
        fields = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def _line(record: ExecutionRecord, level: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "timestamp": _timestamp(record.at_s),
        "level": level,
        "event": "execution_complete" if record.error is None else "execution_failed",
        "execution_id": record.execution_id,
        "duration_ms": round(record.duration_ms, 3),
        "cache_hit": record.cache_hit,
        "provider": record.provider,
        "model": record.model,
        "tokens": record.tokens,
        "cost_usd": record.cost_usd,
        "route_id": record.route_id,
        "tenant_id": record.tenant_id,
        "user_id": record.user_id,
        "coalesced": record.coalesced,
    }
    if record.error is not None:
        fields["error"] = record.error
    return fields


def _timestamp(at_s: float) -> str:
    text = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
