"""Which file to read next: the one that was being read, then files rotated after it, then the log itself.

A file that cannot be found or read is reported as a gap. If a file is moved between listing and opening it, the search
ends with FileNotFoundError; the next search finds it at its new path.
"""

from contents import Unreadable
from log_file import LogFile
from position import Position
from surroundings import surroundings_of

# A file with another inode must match for at least this many bytes to count as a copy that replaced the log. Otherwise
# it may be a new log with the same beginning.
COPY_BYTES_MIN = 256
SECOND_US = 1_000_000


class Trail:
    def __init__(self, path, archive, report_gap):
        """`report_gap` is called with a sentence, a path, and the position from which on lines are lost."""
        self._path = path
        self._archive = archive
        self._report_gap = report_gap
        self._nothing_after = None

    def resume(self, position, passed, head=b""):
        """
        The file to continue with after `position`; None if there is none yet.

        `passed`: inodes of older files. `head`: the beginning of the file that was being read, if known.
        """
        near = self._look()
        log = self._find(position, near, head) if position.offset > 0 else None
        if log:
            return log
        newer = newer_than(position, near.rotated, passed)
        if position.offset > 0 or is_gone(position, near, newer):
            self._report_gap(what_is_lost(self._path, position, near), self._path, position)
        return self._first_with_lines(newer) or self._open_current(near)

    def find_rotated(self, position):
        """The file that was read up to `position`, opened there; None if it is gone."""
        return self._find(position, self._look()._replace(current=None), b"")

    def after(self, log, passed):
        """The next file with lines; None if `log` is the last, or its writer has not switched to another yet."""
        near = self._look()
        if near.current and near.current.inode == log.inode:
            return None
        seen = (near.current, near.rotated, log.inode)
        if seen == self._nothing_after:
            return None
        following = self._after(log, near, passed)
        # Searching for a log that was compressed meanwhile is expensive, so it is not repeated at every look.
        self._nothing_after = None if following else seen
        return following

    def _look(self):
        return surroundings_of(self._path, self._archive)

    def _after(self, log, near, passed):
        position = log.position()
        index = next((index for index, file in enumerate(near.rotated) if file.inode == log.inode), None)
        if index is None:
            index, copy = search(position, near.rotated, b"")
            if copy:
                copy.close()
        if index is None:
            files = newer_than(position, near.rotated, passed)
        else:
            kinds = ("date", "number", near.rotated[index].name.kind)
            files = [file for file in near.rotated[index + 1 :] if file.name.kind in kinds]
        following = self._first_with_lines(files)
        if following or not near.current or near.current.size == 0:
            return following
        following = self._open_current(near)
        if position.offset >= COPY_BYTES_MIN and following.is_at(position):
            following.go_to(position.offset)
        return following

    def _find(self, position, near, head):
        log = None
        if near.current and near.current.inode == position.inode:
            log = opened_at(position, self._open_current(near))
        if log and log.position() != position:
            # If it was emptied and began with the same lines again, or has the inode of a deleted file, an older file is it.
            _, older = exact(position, [file for file in near.rotated if is_written_since(position, file)])
            if older:
                log.close()
                return older
        if log is None:
            _, log = search(position, near.rotated, head)
        if log is None and position.inode in near.others:
            log = other_at(position, near.others[position.inode])
        if log is None and near.current and position.fingerprint and position.offset >= COPY_BYTES_MIN:
            # Not if other files were rotated since: then it is a later log, which may begin with the same lines.
            if not any(is_written_since(position, file) for file in near.rotated):
                log = opened_at(position, self._open_current(near))
        return log

    def _first_with_lines(self, files):
        for file in files:
            if file.size == 0:
                continue
            try:
                return open_rotated(file)
            except Unreadable as error:
                beginning = Position(file.inode, 0, None, file.modified_us)
                self._report_gap("all lines of %s are lost: %s" % (file.path, error), file.path, beginning)
        return None

    def _open_current(self, near):
        return near.current and opened(self._path, near.current.inode)


def search(position, files, head):
    """
    The index of the rotated file that was read up to `position`, and that file, opened there; or (None, None).

    If there is no such file, an earlier copy of it, opened at its end. If several match, because no more was read than
    a beginning that they share, the oldest is it: older files were not written to since.
    """
    index, log = exact(position, files)
    if log or position.fingerprint is None:
        return index, log
    for index, file in enumerate(files):
        # The copy lacks the last lines that were read, so it was complete before they were written.
        if second_of(position) <= file.modified_us <= position.modified_us:
            log = earlier_copy(position, file, head)
            if log:
                return index, log
    return None, None


def exact(position, files):
    likely, unlikely = [], []
    for index, file in enumerate(files):
        if file.inode == position.inode or is_written_since(position, file):
            likely.append(index)
        elif position.fingerprint is not None and file.modified_us >= second_of(position):
            # Copying or compressing changes the inode and may truncate the time to seconds.
            unlikely.insert(0, index)
    for index in likely + unlikely:
        log = rotated_at(position, files[index])
        if log:
            return index, log
    return None, None


def is_written_since(position, file):
    return position.fingerprint is not None and file.modified_us >= position.modified_us


def second_of(position):
    return position.modified_us // SECOND_US * SECOND_US


def rotated_at(position, file):
    try:
        return opened_at(position, open_rotated(file))
    except Unreadable:
        return None


def earlier_copy(position, file, head):
    """`file`, opened at its end, if it is an earlier copy of the log that was read up to `position`; else None."""
    if file.name.compression:
        return None
    try:
        log = open_rotated(file)
    except Unreadable:
        return None
    if log.is_earlier_copy(position, head):
        log.go_to_end()
        return log
    log.close()
    return None


def other_at(position, path):
    """A file with an unrelated name, found by inode. Some file systems list another inode than the file has."""
    try:
        return opened_at(position, LogFile(path))
    except PermissionError:
        return None


def opened_at(position, log):
    """`log` at `position`. Closes it and returns None if it is another log."""
    try:
        if log.is_at(position):
            log.go_to(position.offset)
            return log
    except Unreadable:
        pass
    log.close()
    return None


def newer_than(position, files, passed):
    """Files rotated later, for when the file itself cannot be found."""
    if position.modified_us is None:
        return []
    return [
        file
        for file in files
        if file.inode not in passed
        and file.name.kind != "inner number"
        and (file.modified_us > position.modified_us or file.inode == position.inode)
    ]


def is_gone(position, near, newer):
    """Whether a file that was not read yet, and so is known only by its inode, no longer exists."""
    inodes = [file.inode for file in near.rotated] + list(near.others)
    if near.current:
        inodes.append(near.current.inode)
    is_compressed = any(file.name.compression for file in newer)
    return position.inode != 0 and position.inode not in inodes and not is_compressed


def open_rotated(file):
    try:
        return opened(file.path, file.inode, file.name.compression)
    except PermissionError as error:
        raise Unreadable(error.strerror) from error


def opened(path, inode, compression=None):
    log = LogFile(path, compression)
    if log.inode == inode:
        return log
    log.close()
    raise FileNotFoundError("%s was moved" % path)


def what_is_lost(path, position, near):
    if near.current and near.current.inode == position.inode:
        event = "was truncated, overwritten or replaced, and no copy of its old content exists"
    else:
        event = "was rotated, and the rotated file no longer exists"
    return "%s %s: any lines after byte %d are lost" % (path, event, position.offset)
