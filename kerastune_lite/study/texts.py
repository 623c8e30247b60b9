"""Texts that come from anywhere, made fit for a record and for a screen: bounded, readable, and never an error."""

from __future__ import annotations

import re

LONGEST_MESSAGE = 10_000
LONGEST_TRACEBACK = 40_000
"""Characters of an error that a journal keeps; TensorFlow's tracebacks may have pages, and a message any length."""

LONGEST_PART = 60
"""Characters of a name, a value or a path where an object tells in one line what it is."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks that turn the direction of writing, ends of lines, and halves of characters."""


def text_of(error: BaseException) -> str:
    """What an error says; of one that can't say it, why it can't."""
    try:
        return str(error)
    except Exception as failure:
        return f"<its text can't be had: str() raised {type(failure).__name__}>"


def bounded(text: str, longest: int) -> str:
    """A text of at most about so many characters: of a longer one the beginning and the end, whole lines if it can."""
    if len(text) <= longest:
        return text
    half = longest // 2
    first, last = text[:half], text[-half:]
    # A line that is cut in two is left out, where there are others.
    first = first[: first.rfind("\n") + 1] or first
    last = last[last.find("\n") + 1 :] or last
    left_out = len(text) - len(first) - len(last)
    return f"{first.rstrip(chr(10))}\n… {left_out} characters are left out …\n{last}"


def beginning_of(text: str, longest: int = LONGEST_PART) -> str:
    """A text whose end is left out where it is long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def end_of(text: str, longest: int = LONGEST_PART) -> str:
    """A text whose beginning is left out where it is long: of a path the end tells more."""
    return text if len(text) <= longest else "…" + text[-longest + 1 :]


def counted(count: int, what: str) -> str:
    """A number of things, such as "1 trial" or "2 trials"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def printable(text: str) -> str:
    """A text on one line in which whatever would move a terminal's cursor, or more, is written as an escape."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def encodable(text: str, encoding: str) -> str:
    """A text on one line, with escapes for what an encoding lacks and for control characters."""
    try:
        return printable(text).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:  # an encoding that Python doesn't know
        return ascii(text)[1:-1]


def printable_lines(text: str) -> str:
    """A text of several lines, each made printable."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))
