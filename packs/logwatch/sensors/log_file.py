"""An open log, read line by line.

It is read in binary, and its offset is always the start of a line that has not been reported. A block counts only if
the file is still the same after reading it: if the file is truncated meanwhile, the block may be half old and half
new.

NULs are not text. A writer that keeps its offset while its log is truncated (as by copytruncate) leaves a hole of NULs
before its next line, and a machine crash may leave some after half a line. So a run of NULs ends a line and is skipped
once something follows it; until then it may be space that the writer has reserved.
"""

import os
import re

from contents import Decompressed, Plain
from position import Position, fingerprint_of, head_bytes, tail_bytes

BLOCK_BYTES = 256 * 1024
# A longer line is reported in pieces.
LINE_BYTES_MAX = 64 * 1024
# Shorter runs are part of a line, as in UTF-16.
NUL_RUN = b"\0" * 16
NOT_NUL = re.compile(rb"[^\0]")


class LogFile:
    def __init__(self, path, compression=None):
        self.path = path
        self.compression = compression
        self._file = open(path, "rb", buffering=0)
        self.inode = self._status().st_ino
        self._contents = Decompressed(self._file, compression) if compression else Plain(self._file)
        self.go_to(0)

    def close(self):
        self._file.close()

    def go_to(self, offset):
        """`offset`: the start of a line."""
        self.offset = offset
        self._modified_us = self._status().st_mtime_ns // 1000
        # May be longer than the offset requires, after reading a block.
        self._head = self._contents.read(0, head_bytes(offset))
        self._recent = self._contents.read(offset - tail_bytes(offset), tail_bytes(offset))
        self._recent_end = offset

    def go_to_last_lines(self, count):
        position, newlines = self._status().st_size, 0
        # One more newline: the one before the first of those lines.
        while position > 0 and newlines <= count:
            step = min(8192, position)
            position -= step
            block = self._contents.read(position, step)
            for index in range(len(block) - 1, -1, -1):
                newlines += block[index] == 0x0A
                if newlines > count:
                    return self.go_to(position + index + 1)
        return self.go_to(0)

    def position(self):
        fingerprint = fingerprint_of(self.head(), self._tail_read())
        return Position(self.inode, self.offset, fingerprint, self._modified_us)

    def is_at(self, position):
        """Whether this file is the one that was read up to `position`."""
        offset = position.offset
        if position.fingerprint is None:
            return self.inode == position.inode and self._status().st_size >= offset
        head = self._contents.read(0, head_bytes(offset))
        tail = self._contents.read(offset - tail_bytes(offset), tail_bytes(offset))
        return len(tail) == tail_bytes(offset) and fingerprint_of(head, tail) == position.fingerprint

    def is_earlier_copy(self, position, known_head):
        """
        Whether this file, which is not compressed, is a copy of the log that was made just before its last lines were
        read, so that it ends before `position`.

        It is recognised by `known_head`, the beginning that was read, or by the checksum of a beginning that was long
        enough. A hole tells nothing: any log that was truncated may begin with one.
        """
        size = self._status().st_size
        if self.inode == position.inode or not 0 < size < position.offset:
            return False
        head = self._contents.read(0, head_bytes(size))
        if not head.strip(b"\0"):
            return False
        return known_head.startswith(head) if known_head else position.has_head(head)

    def go_to_end(self):
        self.go_to(self._status().st_size)

    def head(self):
        """The first bytes, as far as they have been read."""
        return self._head[: head_bytes(self.offset)]

    def is_rewritten(self):
        """Whether the content that was read has gone: the file was truncated, and perhaps written to again."""
        if self.compression:
            return False
        head, tail = self.head(), self._tail_read()
        return (
            self._contents.read(0, len(head)) != head
            or self._contents.read(self.offset - len(tail), len(tail)) != tail
        )

    def lines(self, is_complete):
        """
        Yields each line from here on: its bytes without the newline, and whether the next piece continues it.

        An unfinished last line is yielded only if the file `is_complete`, because then nothing will finish it.
        """
        while True:
            begin = self.offset
            modified_us = self._status().st_mtime_ns // 1000
            block = self._contents.read(begin, BLOCK_BYTES)
            text, after_nuls = self._text_of(block)
            if self.is_rewritten():
                return
            self._remember(block, modified_us)
            is_at_end = len(block) < BLOCK_BYTES or (after_nuls is None and len(text) < len(block))
            is_ended = after_nuls is not None or (is_complete and is_at_end)
            for start, end, after, goes_on in pieces(text, is_ended):
                self.offset = begin + after
                yield text[start:end], goes_on
            if after_nuls is not None:
                self._skip_to(after_nuls)
            elif self.offset == begin:
                return

    def _text_of(self, block):
        """The block without a run of NULs at its end, and where the text after that run begins, if there is any."""
        text = block.rstrip(b"\0")
        if len(text) == len(block):
            return block, None
        after = self._contents.after_nuls(self.offset + len(block))
        if after is not None and after - self.offset - len(text) < len(NUL_RUN):
            return block, None
        return text, after

    def _remember(self, block, modified_us):
        self._modified_us = modified_us
        self._head = (self.head() + block)[: head_bytes(self.offset + len(block))]
        self._recent = self._tail_read() + block
        self._recent_end = self.offset + len(block)

    def _skip_to(self, offset):
        skipped = b"\0" * tail_bytes(offset - self.offset)
        self._recent = self._tail_read() + skipped
        self._head = (self.head() + b"\0" * head_bytes(offset - self.offset))[: head_bytes(offset)]
        self._recent_end = self.offset = offset

    def _tail_read(self):
        end = len(self._recent) - (self._recent_end - self.offset)
        return self._recent[end - tail_bytes(self.offset) : end]

    def _status(self):
        return os.fstat(self._file.fileno())


def pieces(text, is_ended):
    """
    Yields for each line its start and end, the start of the next one, and whether that continues it.

    `is_ended`: the text after the last newline is a line too.
    """
    at = 0
    has_nul_runs = NUL_RUN in text
    while True:
        if text[at : at + 1] == b"\0":
            following = NOT_NUL.search(text, at)
            at = following.start() if following else len(text)
        newline = text.find(b"\n", at, at + LINE_BYTES_MAX + 1)
        run = text.find(NUL_RUN, at, newline if newline >= 0 else at + LINE_BYTES_MAX) if has_nul_runs else -1
        if run >= 0:
            yield at, run, run, False
            at = run
        elif newline >= 0:
            yield at, newline, newline + 1, False
            at = newline + 1
        elif len(text) - at > LINE_BYTES_MAX:
            cut = character_boundary(text, at + LINE_BYTES_MAX)
            yield at, cut, cut, True
            at = cut
        else:
            if is_ended and at < len(text):
                yield at, len(text), len(text), False
            return


def character_boundary(text, index):
    """The start of the UTF-8 character at `index`: the index itself, or one up to three bytes before it."""
    for begin in range(index, index - 4, -1):
        if text[begin] & 0xC0 != 0x80:
            return begin
    return index
