"""The bytes of a log at any offset, compressed or not."""

import errno
import importlib
import os

SCAN_BYTES = 1024 * 1024
MODULES = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}


class Unreadable(Exception):
    """The file is damaged, or its compression is not supported here."""


class Plain:
    def __init__(self, file):
        self._fd = file.fileno()

    def read(self, offset, count):
        return os.pread(self._fd, count, offset)

    def after_nuls(self, offset):
        """The position of the first byte at or after `offset` that is not NUL; None if there is none."""
        while True:
            try:
                # Holes can be terabytes.
                offset = os.lseek(self._fd, offset, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return None  # The rest of the file is a hole.
                # This file system does not report holes.
            block = self.read(offset, SCAN_BYTES)
            text = block.lstrip(b"\0")
            if text:
                return offset + len(block) - len(text)
            if not block:
                return None
            offset += len(block)


class Decompressed:
    """Reads forwards, or again from the beginning. Keeps the last block, so that short steps back are free."""

    def __init__(self, file, suffix):
        self._stream = opener(suffix)(file, "rb")
        self._start = 0
        self._kept = b""
        self._damage = None

    def read(self, offset, count):
        if offset < self._start:
            self._stream.seek(0)
            self._start, self._kept, self._damage = 0, b"", None
        while self._start + len(self._kept) < offset + count:
            block = self._next_block()
            if not block:
                break
            passed = min(max(0, offset - self._start), len(self._kept))
            self._kept = self._kept[passed:] + block
            self._start += passed
        begin = max(0, offset - self._start)
        found = self._kept[begin : begin + count]
        if self._damage and not found:
            raise Unreadable("it is damaged: %s" % self._damage)
        return found

    def after_nuls(self, offset):
        while True:
            block = self.read(offset, SCAN_BYTES)
            text = block.lstrip(b"\0")
            if text:
                return offset + len(block) - len(text)
            if not block:
                return None
            offset += len(block)

    def _next_block(self):
        """Empty at the end of the file and at damaged data; the data before the damage is still used."""
        try:
            return self._stream.read1(SCAN_BYTES)
        except Exception as error:  # Each module has its own errors.
            self._damage = error
            return b""


def opener(suffix):
    """Imports the module only when needed, which is rare, and some builds of Python lack some of them."""
    try:
        return importlib.import_module(MODULES[suffix]).open
    except (KeyError, ImportError):
        raise Unreadable("%s files cannot be decompressed here" % suffix) from None
