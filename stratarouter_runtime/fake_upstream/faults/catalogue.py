"""All faults."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.fake_upstream.faults.bodies import BODY_FAULTS
from stratarouter_runtime.fake_upstream.faults.connects import CONNECT_FAULTS
from stratarouter_runtime.fake_upstream.faults.states import STATE_FAULTS
from stratarouter_runtime.fake_upstream.faults.statuses import STATUS_FAULTS
from stratarouter_runtime.fake_upstream.faults.streams import STREAM_FAULTS
from stratarouter_runtime.fake_upstream.faults.times import TIME_FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratarouter_runtime.fake_upstream.faults.declaring import Fault

__all__ = ["FAULTS", "find_fault"]

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        fault.id: fault
        for faults in (
            CONNECT_FAULTS,
            STATUS_FAULTS,
            BODY_FAULTS,
            TIME_FAULTS,
            STREAM_FAULTS,
            STATE_FAULTS,
        )
        for fault in faults
    }
)
"""The 58 faults by id."""


def find_fault(name: str) -> tuple[Fault, str]:
    """Return a fault and its variant.

    Parameters
    ----------
    name : str
        An id, with "-" and a variant if wanted; a bare number is an HTTP status.

    Returns
    -------
    tuple of (Fault, str)
        The fault, and the variant or "".

    Raises
    ------
    InvalidInputError
        If there is none of that name.

    Examples
    --------
    >>> find_fault("429-ms")[0].id, find_fault("429-ms")[1]
    ('status-429', 'ms')
    """
    full = f"status-{name}" if name[:3].isdigit() else name
    if full in FAULTS:
        return FAULTS[full], ""
    for fault in FAULTS.values():
        variant = full.removeprefix(fault.id + "-")
        if variant != full and variant in fault.variants:
            return fault, variant
    hint = nearest_name_hint(full, FAULTS)
    raise InvalidInputError(f"there is no fault {name!r}{hint}; FAULTS lists them")
