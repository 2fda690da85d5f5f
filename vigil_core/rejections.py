"""Lines that are none of their format."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rejection:
    """One of them, and where it stands."""

    line_number: int
    """Counted from 1 within the object."""
    byte_offset: int
    """Where the line begins in the decompressed object."""
    reason: str
    raw: bytes
    """The line as it came, without its line feed."""
