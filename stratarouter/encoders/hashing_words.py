"""The words that the hashing encoder sees in a text of any script."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["FUNCTION_WORDS", "split_words"]

# Letters and digits, or one symbol, since two currencies or two emoji may mean two routes.
_ASCII_WORD = re.compile(r"[a-z0-9]+|[$+<=>^`|~]")

# English. Negations are left out: they turn the meaning round.
_FUNCTION_WORD_LIST = """
    a about am an and any are as at be been being but by can could did do does done for from
    had has have he her here him his how hows i id if ill im in into is it its ive just may me
    might mine must my of on or our out please shall she should so some than that the their
    them then there these they this those to up us was we were what whats when where wheres
    which who whom whose why will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())


def split_words(text: str) -> list[str]:
    """Return the folded words and symbols of a text, in order, repeats kept.

    Case, compatibility forms, apostrophes and punctuation are folded away. A symbol or a Han
    character is a word of its own. These words decide where vectors point, which is why the
    encoder has its own: who changes them has to raise its version.

    Parameters
    ----------
    text : str
        A text that is not blank.

    Returns
    -------
    list of str
        Its words; the punctuation itself where there is nothing else, so at least one.

    Examples
    --------
    >>> split_words("What's 5 € in CAFÉ-money?")
    ['whats', '5', '€', 'in', 'café', 'money']
    """
    if text.isascii():
        folded = text.lower().replace("'", "")
        return _ASCII_WORD.findall(folded) or folded.split() or [text]
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(map(_spaced, folded)).split() or folded.split() or [text]


def _spaced(character: str) -> str:
    """Return the character as part of a word, as a word of its own, as a gap or as nothing."""
    if character in "'’" or "\ufe00" <= character <= "\ufe0f":
        return ""
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    # Han is written without gaps, and one character is about a word.
    alone = category[0] == "S" or category in ("Co", "Cs", "Cn") or _is_han(character)
    if alone:
        return f" {character} "
    return character if category[0] in "LMN" else " "


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U000323af"
