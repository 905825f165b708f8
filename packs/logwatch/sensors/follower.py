"""Reads a log and its rotated files; each look reports the new lines.

When the log is rotated, its old file is read to the end before the next file is started, and the next file is started
only once it has lines: until then the writer still writes to the old one. If there are several writers, some may switch
to the new file later, so the old one is read until it has been quiet for a while, and the checkpoint includes its
position.
"""

import time

from contents import Unreadable
from log_file import LogFile
from position import Position, position_from
from trail import Trail

# How long a rotated file must be quiet before it is closed, and how many are kept open.
QUIET_SECONDS = 60
EARLIER_MAX = 8
# A file system dates what is written by the kernel's last tick, which may be so long ago.
TICK_US = 10_000


class Follower:
    def __init__(self, config, checkpoint, reporter, stop):
        self._path = config["path"]
        self._reporter = reporter
        self._stop = stop
        self._trail = Trail(self._path, config.get("archive"), reporter.gap)
        self._is_waiting = False
        # The file being read; None: `_position` says where to resume.
        self._log = None
        self._head = b""
        # Earlier files that may still be written to, oldest first, with the time since which each has been quiet.
        self._earlier = {}
        self._earlier_positions = []
        if checkpoint and checkpoint.get("path", self._path) == self._path:
            self._position = position_from(checkpoint)
            self._earlier_positions = [position_from(value) for value in checkpoint.get("earlier", [])]
        else:
            self._position = self._first_position(config.get("initial_lines", 10))

    def look(self):
        """Reports the new lines. Returns whether it switched to another file, which may already have lines."""
        try:
            return self._look()
        except FileNotFoundError:
            return False  # A file was moved before it could be opened. The next look finds it.
        finally:
            self._reporter.flush()

    def _look(self):
        if self._log is None:
            return self._resume()
        for log in list(self._earlier):
            self._read_earlier(log)
        # Look before reading the rest of this file, so that everything its writer wrote before switching is read.
        following = self._trail.after(self._log, self._passed())
        self._read(self._log, is_complete=following is not None)
        if self._log.is_rewritten():
            self._position, self._head = self._log.position(), self._log.head()
            self._log.close()
            self._log = None
            return self._resume()
        if following:
            self._earlier[self._log] = time.monotonic()
            self._log = following
        return following is not None

    def _first_position(self, initial_lines):
        """Where to begin at the very first start. Kept as the checkpoint, in case no line arrives before the next start."""
        position = Position(0, 0, None, None)
        try:
            self._log = LogFile(self._path)
            self._log.go_to_last_lines(initial_lines)
            position = self._log.position()
        except FileNotFoundError:
            pass
        if position.offset == 0:
            # Nothing was read yet, so only files written later are new.
            position = position._replace(modified_us=int(time.time() * 1_000_000) - TICK_US)
        self._reporter.checkpoint(self._checkpoint(position))
        return position

    def _resume(self):
        while self._earlier_positions:
            log = self._trail.find_rotated(self._earlier_positions[0])
            if log:
                self._earlier[log] = time.monotonic()
            del self._earlier_positions[0]
        self._log = self._trail.resume(self._position, self._passed(), self._head)
        if self._log is None and not self._is_waiting:
            self._reporter.remark("waiting for " + self._path)
        self._is_waiting = self._log is None
        return not self._is_waiting

    def _passed(self):
        return {log.inode for log in self._earlier}

    def _read_earlier(self, log):
        offset = log.offset
        is_quiet = time.monotonic() - self._earlier[log] > QUIET_SECONDS
        is_complete = is_quiet or log.compression is not None or len(self._earlier) > EARLIER_MAX
        self._read(log, is_complete)
        if log.offset > offset:
            self._earlier[log] = time.monotonic()
        if is_complete or log.is_rewritten():
            log.close()
            del self._earlier[log]

    def _read(self, log, is_complete):
        try:
            for raw, goes_on in log.lines(is_complete):
                self._reporter.line(raw, goes_on, self._checkpoint(self._log.position()))
                if self._stop.is_asked_for:
                    return
        except Unreadable as error:
            position = log.position()
            reason = "the lines of %s after byte %d are lost: %s" % (log.path, position.offset, error)
            self._reporter.gap(reason, log.path, position)

    def _checkpoint(self, position):
        checkpoint = {"path": self._path, **position._asdict()}
        if self._earlier:
            checkpoint["earlier"] = [log.position()._asdict() for log in self._earlier]
        return checkpoint
