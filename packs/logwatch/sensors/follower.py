"""Reads a log and what rotation makes of it, one look at a time.

When the log is rotated, its old file is read to its end before the next one is begun, and that is begun once it has
lines: until then the writer still writes to the old one. Of several writers some may take longer to turn to the new
file, so the old one is read on until it has been quiet for a while, and the checkpoint has its position, too.
"""

import time

from contents import Unreadable
from log_file import LogFile
from position import Position, position_from
from trail import Trail

# How long a file that was rotated may get no line before it is closed, and how many of them are kept open.
QUIET_SECONDS = 60
EARLIER_MAX = 8


class Follower:
    def __init__(self, config, checkpoint, reporter, stop):
        self._path = config["path"]
        self._reporter = reporter
        self._stop = stop
        self._trail = Trail(self._path, config.get("archive"), reporter.gap)
        self._is_waiting = False
        # The file that is read; None: `_position` says where to go on.
        self._log = None
        self._head = b""
        # Those before it that may still be written to, the oldest first, and since when each has been quiet.
        self._earlier = {}
        self._earlier_positions = []
        if checkpoint and checkpoint.get("path", self._path) == self._path:
            self._position = position_from(checkpoint)
            self._earlier_positions = [position_from(value) for value in checkpoint.get("earlier", [])]
        else:
            self._position = self._first_position(config.get("initial_lines", 10))

    def look(self):
        """Reports what is new. Returns whether it turned to another file, which may have lines already."""
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
        # Looked for before the rest of this file is read: what its writer wrote before it turned away is there by then.
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
        """Where to begin at the very first start; kept as the checkpoint, for the case that no line comes before the next start."""
        position = Position(0, 0, None, None)
        try:
            self._log = LogFile(self._path)
            self._log.go_to_last_lines(initial_lines)
            position = self._log.position()
        except FileNotFoundError:
            pass
        if position.offset == 0:
            # Then it is what was written since that tells what is new.
            position = position._replace(modified_us=int(time.time() * 1_000_000))
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
            reason = "the lines of %s behind byte %d are lost: %s" % (log.path, position.offset, error)
            self._reporter.gap(reason, log.path, position)

    def _checkpoint(self, position):
        checkpoint = {"path": self._path, **position._asdict()}
        if self._earlier:
            checkpoint["earlier"] = [log.position()._asdict() for log in self._earlier]
        return checkpoint
