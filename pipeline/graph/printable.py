"""Texts from files on a terminal."""

import unicodedata

_KEPT = "\n\t\u200c\u200d"  # the last two join letters, as in Persian
# Control characters, which a terminal obeys, and those that turn the direction of writing.
_CATEGORIES = ("Cc", "Cf", "Zl", "Zp")


def printable(text: str) -> str:
    r"""The text with escapes for what a terminal would obey, like \x1b; line ends and tabs stay.

    A refusal holds names from data sets, which may hold sequences that move the cursor or set a title.
    """
    return "".join(each.encode("unicode_escape").decode() if _is_obeyed(each) else each for each in text)


def _is_obeyed(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _CATEGORIES
