"""One record a line: fields between blanks, any byte of a name kept. Part of the contract of the wire's listings."""


def record_line(*fields: int | bytes) -> bytes:
    """Given fields, return them as one line; `%`, blank and newline are written as `%XX`, an empty name as `%`."""
    return b" ".join([b"%d" % field if isinstance(field, int) else name_escape(field) for field in fields]) + b"\n"


def record_fields(line: bytes) -> list[bytes]:
    """Given a line without its newline, return its fields as they went in; numbers stay as their digits."""
    fields = line.split(b" ")
    return [name_unescape(field) for field in fields] if b"%" in line else fields


def name_escape(name: bytes) -> bytes:
    """A name as it stands in a line."""
    return name.replace(b"%", b"%25").replace(b" ", b"%20").replace(b"\n", b"%0A") or b"%"


def name_unescape(field: bytes) -> bytes:
    """The name that stands in a line as `field`."""
    if b"%" not in field:
        return field
    return b"" if field == b"%" else field.replace(b"%0A", b"\n").replace(b"%20", b" ").replace(b"%25", b"%")
