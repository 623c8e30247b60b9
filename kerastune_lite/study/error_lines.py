"""The line of an error's message that tells what is wrong: Keras and TensorFlow wrap it into several that don't."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PREFIXES = re.compile(r"^\{\{function_node .*?\}\}\s*|^\(\d+\)\s+[A-Z_]+:\s*")
_SUFFIX = re.compile(r"\s*\[Op:\w+\](\s*name:.*)?$|\s*\[\[\{\{node .*$")
_WRAPPER = re.compile(
    r"Exception encountered when calling |Graph execution error:|Detected at node |\d+ root error\(s\) found"
    r"|Could not automatically infer the output shape .* Error encountered:$|Error encountered:$"
    r"|Traceback \(most recent call last\):|\[\[\{\{node |\S.* defined at \(most recent call last\):$"
)
_END = re.compile(r"Arguments received by |Original stack trace for ")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|(?<![A-Za-z])[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


def informative_line(message: str) -> str:
    """The first line of a message that isn't a wrapper of Keras's or TensorFlow's; empty of an empty message.

    Lines that are indented belong to a traceback inside the message.
    """
    lines = [_COLOURS.sub("", line).rstrip() for line in message.splitlines()]
    for line in lines:
        if _END.match(line):
            break
        if line and not line[0].isspace() and not _WRAPPER.match(line):
            told = _SUFFIX.sub("", _PREFIXES.sub("", line)).strip()
            if told:
                return told
    return next((line.strip() for line in lines if line.strip()), "")


def without_numbers(line: str) -> str:
    """A line of a message in which numbers and addresses of objects, which differ from trial to trial, are masked."""
    return _NUMBER.sub("#", line)
