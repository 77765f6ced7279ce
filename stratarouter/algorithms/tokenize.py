"""Words of a text, the same for routes and queries."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["stem", "stems_of", "words"]

# Scripts written without blanks (kana, Han) are cut into single characters: a whole sentence as one
# word would never be seen twice.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+(?:['’][^\W\d_]+)*"
)
# The same for ASCII in lower case, in half the time.
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")

# Where nothing but letters and digits makes words, a table and a split take a third of the time.
_BLANKS = "".join(chr(code) if chr(code).isalnum() else " " for code in range(128))

_SHORTEST_INFLECTED = 4
_SHORTEST_STEM = 3
# The first that fits is cut; "ss" stands before "s" so that "address" keeps its end.
_ENDINGS = (
    ("sses", "ss"),
    ("ies", "y"),
    ("ing", ""),
    ("ed", ""),
    ("es", "e"),
    ("ss", "ss"),
    ("s", ""),
)
# Doubled letters that belong to the stem itself: "call", "address", "see".
_DOUBLE_ENDS = "lse"


def words(text: str, known: Mapping[str, str] | None = None) -> list[str]:
    """Return the lower-case words of `text` without inflection, in order, repeats kept.

    Letters and digits of any script form words; an apostrophe inside a word belongs to it;
    compatibility forms are folded (NFKC); English endings are cut, see `stem`.

    Parameters
    ----------
    text : str
        Any text.
    known : mapping of str to str, optional
        Stems that were found before, from `stems_of`; they change the time only.

    Returns
    -------
    list of str
        Its words; empty for a text of punctuation only.

    Examples
    --------
    >>> words("Where's my refunded invoice INV-42?")
    ['wher', 'my', 'refund', 'invoic', 'inv', '42']
    """
    if known is None:
        return [stem(word) for word in _split(text)]
    find = known.get
    return [find(word) or stem(word) for word in _split(text)]


def stems_of(texts: Iterable[str]) -> dict[str, str]:
    """Return the stem of each word of texts, so that a query need not look for it again.

    Parameters
    ----------
    texts : iterable of str
        Any texts.

    Returns
    -------
    dict of str to str
        Lower-case word to its stem.
    """
    found: dict[str, str] = {}
    known: dict[str, str] = {}
    for text in texts:
        for word in _split(text):
            if word not in known:
                cut = stem(word)
                # One object per stem: tables are searched faster by what they hold themselves.
                known[word] = found.setdefault(cut, cut)
    return known


def _split(text: str) -> list[str]:
    if text.isascii():
        text = text.lower()
        return _ASCII_WORD.findall(text) if "'" in text else text.translate(_BLANKS).split()
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    return _WORD.findall(text.casefold())


def stem(word: str) -> str:
    """Cut the commonest English endings, so that "refund", "refunds" and "refunded" are one word.

    Only what a few rules can do without a dictionary; words with other letters than a to z are
    kept.

    Parameters
    ----------
    word : str
        A lower-case word.

    Returns
    -------
    str
        Its stem, at least three letters long; not always a word.

    Examples
    --------
    >>> [stem(word) for word in ("parcels", "shipping", "stopped", "deliveries", "address", "is")]
    ['parcel', 'ship', 'stop', 'delivery', 'address', 'is']
    """
    word = word.removesuffix("'s")
    if len(word) < _SHORTEST_INFLECTED or not (word.isascii() and word.isalpha()):
        return word
    for ending, replacement in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            word = word[: -len(ending)] + replacement
            break
    if word[-1] == word[-2] and word[-1] not in _DOUBLE_ENDS:
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST_INFLECTED else word
