#!/usr/bin/env python3
"""Follows a log file and reports each line as an event.

The file is read in binary and only whole lines are reported, so an offset always points at the
beginning of a line. Each event carries the offset behind its line as the checkpoint. The agent stores
the two together and hands the last one back at the next start: no line is lost and none is told twice,
wherever this program was killed. (Until its first event there is nothing to go on from; what is written
before that while it does not run is told as far as `initial_lines` reaches.)

A rotated file (another inode under the name) is read to its end before the new one is begun, also when
that happened while this program was not running, as long as the old file is found as `<path>.1`. A
truncated file is begun again. A file truncated and grown past the old offset between two looks
cannot be told from one that only grew.
"""

import json
import os
import re
import signal
import sys
import threading

LOOK_SECONDS = 0.25
LINE_BYTES_MAX = 65536
LEVEL = re.compile(r"\b(error|fatal|critical|warn|warning|info|notice)\b", re.IGNORECASE)
LEVELS = {"fatal": "error", "critical": "error", "warn": "warning", "notice": "info"}

stop = threading.Event()


def report(path, inode, offset, raw):
    line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
    found = LEVEL.search(line)
    level = found.group(1).lower() if found else None
    event = {
        "payload": {"path": path, "line": line, "level": LEVELS.get(level, level)},
        "checkpoint": {"inode": inode, "offset": offset},
    }
    sys.stdout.write(json.dumps(event) + "\n")


def read_lines(file, path, inode):
    """Reports every whole line from here on; leaves the file at the beginning of an unfinished one."""
    while not stop.is_set():
        start = file.tell()
        raw = file.readline(LINE_BYTES_MAX)
        if not raw.endswith(b"\n") and len(raw) < LINE_BYTES_MAX:
            file.seek(start)
            break
        report(path, inode, file.tell(), raw)
    sys.stdout.flush()


def tail_offset(file, count):
    """Where the last `count` lines begin."""
    file.seek(0, os.SEEK_END)
    position, newlines = file.tell(), 0
    # One more: the newline before the first of those lines.
    while position > 0 and newlines <= count:
        step = min(8192, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        for index in range(len(block) - 1, -1, -1):
            newlines += block[index] == 0x0A
            if newlines > count:
                return position + index + 1
    return 0


def open_at(path, checkpoint):
    """The file that `checkpoint` is about, at its offset; else None."""
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        return None
    status = os.fstat(file.fileno())
    if status.st_ino != checkpoint["inode"] or status.st_size < checkpoint["offset"]:
        file.close()
        return None
    file.seek(checkpoint["offset"])
    return file


def open_first(path, config, checkpoint):
    """The file to begin with: where we stopped, or its last lines when this is the very first start."""
    if checkpoint:
        resumed = open_at(path, checkpoint) or open_at(path + ".1", checkpoint)
        if resumed:
            return resumed
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        return None
    file.seek(0 if checkpoint else tail_offset(file, config.get("initial_lines", 10)))
    return file


def current_inode(path):
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def follow(path, config, checkpoint):
    file = open_first(path, config, checkpoint)
    if file is None:
        print("waiting for " + path, file=sys.stderr, flush=True)
    while not stop.is_set():
        if file is None:
            stop.wait(LOOK_SECONDS)
            # It appears while we wait for it, so all of it is new.
            file = open(path, "rb") if current_inode(path) else None
            continue
        # Asked before reading: what is written to the old file until its rotation is then read too.
        newest = current_inode(path)
        status = os.fstat(file.fileno())
        if status.st_size < file.tell():
            print("the file was truncated, beginning again", file=sys.stderr, flush=True)
            file.seek(0)
        read_lines(file, path, status.st_ino)
        if newest not in (None, status.st_ino):
            file.close()
            file = None
        else:
            stop.wait(LOOK_SECONDS)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    config = json.loads(os.environ.get("ATTUNE_SENSOR_CONFIG_JSON", "{}"))
    checkpoint = json.loads(os.environ.get("ATTUNE_SENSOR_CHECKPOINT", "null"))
    follow(config["path"], config, checkpoint)


if __name__ == "__main__":
    main()
