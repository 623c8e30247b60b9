"""The records of TensorBoard's HParams plugin, as the bytes of its protocol buffers.

TensorFlow doesn't bring the plugin's messages, and TensorBoard needn't be installed where a search runs. They are
small, so they are written here field by field, in protobuf's wire format (protobuf.dev/programming-guides/encoding).
The numbers of the fields are those of tensorboard/plugins/hparams/plugin_data.proto and google/protobuf/struct.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum

from kerastune_lite.space import Value, is_number, label_of

PLUGIN = "hparams"
START_TAG, END_TAG = "_hparams_/session_start_info", "_hparams_/session_end_info"


class Status(IntEnum):
    """How a session ended, as the plugin's api.proto numbers it."""

    UNKNOWN = 0
    SUCCESS = 1
    FAILURE = 2


def session_start(values: Mapping[str, Value], started: float) -> bytes:
    """The record of a session's begin (HParamsPluginData.session_start_info).

    It names no group: a session without one is a line of its own in the HParams tab.

    Args:
        values: The setting. Numbers, booleans and texts stay what they are; other options are told by their names.
        started: When it began, in seconds since 1970.
    """
    entries = b"".join(_message(1, _text(1, key) + _message(2, _value(value))) for key, value in values.items())
    return _message(3, entries + _double(5, started))


def session_end(status: Status, ended: float) -> bytes:
    """The record of a session's end (HParamsPluginData.session_end_info), `ended` in seconds since 1970."""
    return _message(4, _integer(1, status) + _double(2, ended))


def _value(value: Value) -> bytes:
    """A google.protobuf.Value."""
    if isinstance(value, bool):
        return _integer(4, value)
    if is_number(value):
        return _double(2, float(value))
    return _text(3, label_of(value))


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode("utf-8", "backslashreplace"))


def _varint(number: int) -> bytes:
    """An integer from 0, seven bits a byte, the lowest first; all bytes but the last have their highest bit set."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])
