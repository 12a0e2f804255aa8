"""File content on the wire, past the generated code.

Protocol Buffers encode a message of one bytes field as a tag, the length as a varint, and the content
("Encoding", protobuf.dev). The generated classes copy each megabyte several times to say this; doing without
was measured to move a third more bytes a second. Any other shape is left to the generated code.
"""

from typing import Final

_LENGTH_DELIMITED: Final = 2
_CONTINUES: Final = 0x80
_LONGEST_LENGTH: Final = 5


def data_pack(*, field: int, data: bytes | bytearray | memoryview, rest: bytes = b"") -> bytes:
    """The message whose field with the number `field` (below 16) is `data`, before the serialized `rest`."""
    head = bytearray((field << 3 | _LENGTH_DELIMITED,))
    size = len(data)
    while size >= _CONTINUES:
        head.append(size & 0x7F | _CONTINUES)
        size >>= 7
    head.append(size)
    return b"".join((head, data, rest))


def data_split(*, field: int, message: bytes) -> tuple[memoryview, memoryview]:
    """The content at the beginning of a message that `data_pack` made, and the other fields behind it.

    The content is empty if the message begins otherwise, and then the fields are all of it.
    """
    whole = memoryview(message)
    if not message or message[0] != field << 3 | _LENGTH_DELIMITED:
        return whole[:0], whole
    size = 0
    for position, byte in enumerate(message[1 : 1 + _LONGEST_LENGTH]):
        size |= (byte & 0x7F) << (7 * position)
        if byte < _CONTINUES:
            start = position + 2
            if len(message) - start < size:
                break
            return whole[start : start + size], whole[start + size :]
    return whole[:0], whole


def data_unpack(*, field: int, message: bytes) -> memoryview | None:
    """The content of a message that `data_pack` could have made, or None for any other."""
    if not message or message[0] != field << 3 | _LENGTH_DELIMITED:
        return None
    data, rest = data_split(field=field, message=message)
    return None if rest else data
