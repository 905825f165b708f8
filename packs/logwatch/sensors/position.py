"""How far a log was read: which file, up to which byte, and how to recognise that file again.

An inode alone does not identify a file: a file system reuses the number of a deleted file, and copytruncate moves the
lines to another file. So a position also has checksums of the file's first bytes and of the bytes before the offset. A
log only grows, so both stay the same as long as it is the same log.
"""

import zlib
from typing import NamedTuple, Optional

HEAD_BYTES = 512
TAIL_BYTES = 64


class Position(NamedTuple):
    inode: int
    offset: int
    # None in checkpoints of earlier versions, where the inode and the size must suffice.
    fingerprint: Optional[str]
    # When the part that was read was last written to; None in earlier versions. Files rotated later are newer.
    # In microseconds, because JSON readers round larger numbers.
    modified_us: Optional[int]

    def has_head(self, head):
        """Whether the file began with `head`; False if `head` is too short to know."""
        whole = len(head) == HEAD_BYTES and self.fingerprint is not None
        return whole and self.fingerprint.startswith(checksum(head))


def position_from(checkpoint):
    fingerprint, modified_us = checkpoint.get("fingerprint"), checkpoint.get("modified_us")
    return Position(checkpoint["inode"], checkpoint["offset"], fingerprint, modified_us)


def head_bytes(offset):
    return min(offset, HEAD_BYTES)


def tail_bytes(offset):
    return min(offset, TAIL_BYTES)


def fingerprint_of(head, tail):
    """`head` and `tail`: as many bytes as the two functions above return."""
    return checksum(head) + checksum(tail)


def checksum(content):
    return "%08x" % zlib.crc32(content)
