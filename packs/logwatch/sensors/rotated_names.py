"""Parses the name of a rotated file: which log it belongs to, its compression, and its place in the order.

The names that rotation gives to `app.log`:

    app.log.1  app.log.0  app.log.old  app.1.log        logrotate, Docker, savelog, logback, Log4j
    app.log-20260131  app.log.2026-01-31-12.1           logrotate with dateext, rotatelogs, Python, Kubernetes
    app-20260131.log  app-2026-01-31T12-00-00.000.log   logrotate with extension, lumberjack
    @40000000697d….s                                    svlogd and multilog, whose log is called `current`

each optionally with a suffix such as .gz. If the log is a link, as with rotatelogs and Kubernetes, names that differ
only in digits from that of the linked file belong to it as well.
"""

import os
import re
from typing import NamedTuple, Optional

# Not all of these can be read.
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzo", ".lzma", ".Z", ".zip", ".7z", ".br")
NUMBER = re.compile(r"\d{1,5}")
DATE = re.compile(r"\d[\dTZ:+._-]{7,}")
SERVICE_LOG = re.compile(r"@[0-9a-f]{24}\.[a-z]")


class RotatedName(NamedTuple):
    # The suffix, such as ".gz"; None: not compressed.
    compression: Optional[str]
    # "date" counts up; "number" and "inner number" (before the extension) count up or down.
    kind: str
    # Sort key among names of the same kind.
    count: tuple


def rotated_name(name, log_names):
    """None if it is not such a name. `log_names`: the log's name, and that of the linked file if it is a link."""
    stem, suffix = os.path.splitext(name)
    compression = suffix if suffix in COMPRESSIONS else None
    plain = stem if compression else name
    for log_name in log_names:
        kind = kind_of(plain, log_name)
        if kind:
            return RotatedName(compression, kind, count_in(plain))
    if re.search(r"\d", plain) and without_digits(plain) in map(without_digits, log_names[1:]):
        return RotatedName(compression, "date", count_in(plain))
    return None


def kind_of(name, log_name):
    if log_name == "current" and SERVICE_LOG.fullmatch(name):
        return "date"
    stem, extension = os.path.splitext(log_name)
    if name.startswith(log_name):
        added = name[len(log_name) :]
        if added == ".old" or (added[:1] in "._-" and NUMBER.fullmatch(added[1:])):
            return "number"
    elif extension and name.startswith(stem) and name.endswith(extension):
        added = name[len(stem) : -len(extension)]
        if added[:1] == "." and NUMBER.fullmatch(added[1:]):
            return "inner number"
    else:
        return None
    return "date" if added[:1] in "._-" and DATE.fullmatch(added[1:]) else None


def count_in(name):
    if SERVICE_LOG.fullmatch(name):
        return (), name
    return tuple(int(digits) for digits in re.findall(r"\d+", name)), name


def without_digits(name):
    return re.sub(r"\d+", "0", name)
