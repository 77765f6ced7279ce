"""Keys that do not show themselves."""

from __future__ import annotations

from typing import NoReturn

from stratarouter.errors import InvalidInputError

__all__ = ["SecretKey"]


class SecretKey:
    """A key of a provider; only `reveal` shows it.

    Parameters
    ----------
    value : str
        The key.

    Raises
    ------
    InvalidInputError
        If it is empty, or cannot be sent in a header.

    Examples
    --------
    >>> key = SecretKey("sk-secret")
    >>> key, str(key), f"{key}"
    (SecretKey(***), '***', '***')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value.strip():
            raise InvalidInputError("the API key is empty; pass a key, or None if there is none")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise InvalidInputError(
                "the API key holds blanks at its ends, line breaks or characters that no header "
                "can carry; check how it was read"
            )
        self._value = value

    def reveal(self) -> str:
        """Return the key itself, to be sent and nothing else.

        Returns
        -------
        str
            The key.
        """
        return self._value

    def __repr__(self) -> str:
        return "SecretKey(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise InvalidInputError("an API key cannot be copied into files or other processes")
