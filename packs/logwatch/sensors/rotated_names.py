"""What the name of a rotated file says: whose it is, whether it is compressed, and when its turn was.

The names that rotation gives to `app.log`:

    app.log.1  app.log.0  app.log.old  app.1.log        logrotate, Docker, savelog, logback, Log4j
    app.log-20260131  app.log.2026-01-31-12.1           logrotate with dateext, rotatelogs, Python, Kubernetes
    app-20260131.log  app-2026-01-31T12-00-00.000.log   logrotate with extension, lumberjack
    @40000000697d….s                                    svlogd and multilog, whose log is called `current`

each perhaps with a suffix such as .gz. If the log is a link, as rotatelogs and Kubernetes make it, names that differ
in nothing but digits from that of the file it leads to belong to it as well.
"""

import os
import re
from typing import NamedTuple, Optional

# Not all of them can be read.
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzo", ".lzma", ".Z", ".zip", ".7z", ".br")
NUMBER = re.compile(r"\d{1,5}")
DATE = re.compile(r"\d[\dTZ:+._-]{7,}")
SERVICE_LOG = re.compile(r"@[0-9a-f]{24}\.[a-z]")


class RotatedName(NamedTuple):
    # The suffix, such as ".gz"; None: not compressed.
    compression: Optional[str]
    # "date" counts up; "number", and "inner number" before the extension, count up or down.
    kind: str
    # Sorts the names of a kind.
    count: tuple


def rotated_name(name, log_names):
    """None: no such name. `log_names`: the log's own, and that of the file it leads to if it is a link."""
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
