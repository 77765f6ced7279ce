"""Words of a text, the same for routes and queries."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["words"]

# Scripts written without blanks (kana, Han) are cut into single characters: a whole sentence as one
# word would never be seen twice.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+(?:['’][^\W\d_]+)*"
)


def words(text: str) -> list[str]:
    """Return the lower-case words of `text`, in order, repeats kept.

    Letters and digits of any script form words; an apostrophe inside a word belongs to it;
    compatibility forms are folded (NFKC).

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        Its words; empty for a text of punctuation only.

    Examples
    --------
    >>> words("Where's my invoice INV-42?")
    ["where's", 'my', 'invoice', 'inv', '42']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
    return _WORD.findall(text.casefold())
