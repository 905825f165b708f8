"""The files around a log: the log itself and its rotated files, in the order in which they were written."""

import os
import stat
import time
from typing import Dict, List, NamedTuple, Optional

from rotated_names import RotatedName, rotated_name

TRIES_MAX = 20


class Rotated(NamedTuple):
    path: str
    inode: int
    size: int
    modified_us: int
    name: RotatedName


class Current(NamedTuple):
    inode: int
    size: int


class Surroundings(NamedTuple):
    # The log itself; None if its path does not exist.
    current: Optional[Current]
    # Oldest first.
    rotated: List[Rotated]
    # The paths of all other files, by inode.
    others: Dict[int, str]


def surroundings_of(path, archive):
    """`archive`: another folder with rotated files, or None."""
    # Neither a rotation nor a listing is atomic, so a listing is trusted only once it has been seen twice.
    seen = list_once(path, archive)
    for _ in range(TRIES_MAX):
        before, seen = seen, list_once(path, archive)
        if inodes_in(before) == inodes_in(seen):
            break
        time.sleep(0.01)
    return seen


def inodes_in(surroundings):
    current = surroundings.current
    return current and current.inode, [(file.path, file.inode) for file in surroundings.rotated]


def list_once(path, archive):
    status = status_of(path)
    current = Current(status.st_ino, status.st_size) if status else None
    rotated, others = {}, {}
    for folder, log_names in folders_of(path, archive).items():
        for entry in entries_of(folder):
            name = None if entry.name in log_names else rotated_name(entry.name, log_names)
            status = name and status_of(entry.path)
            if status and not stat.S_ISREG(status.st_mode):
                continue
            if status and current and status.st_ino == current.inode:
                continue  # A second name of the log itself.
            if status:
                modified_us = status.st_mtime_ns // 1000
                rotated[entry.path] = Rotated(entry.path, status.st_ino, status.st_size, modified_us, name)
            elif not name and entry.is_file(follow_symlinks=False):
                others[entry.inode()] = entry.path
    # While a file is being compressed, it exists twice.
    single = [file for file in rotated.values() if plain_path(file) not in rotated]
    return Surroundings(current, in_order(single), others)


def status_of(path):
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def entries_of(folder):
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def folders_of(path, archive):
    """The folders to search, and the log's names in each."""
    folder, name = os.path.split(os.path.abspath(path))
    folder, (real_folder, real_name) = os.path.realpath(folder), os.path.split(os.path.realpath(path))
    folders = {folder: [name]}
    if (real_folder, real_name) != (folder, name):
        folders.setdefault(real_folder, [name]).append(real_name)
    if archive:
        folders.setdefault(os.path.realpath(archive), [name])
    return folders


def plain_path(file):
    """The path of the file before it was compressed."""
    return file.path[: -len(file.name.compression)] if file.name.compression else None


def in_order(files):
    """Ordered by name; different kinds of names are merged by modification time."""
    ordered = []
    for kind in ("date", "number", "inner number"):
        same = sorted((file for file in files if file.name.kind == kind), key=lambda file: file.name.count)
        # Nearly always the newest file has the lowest number; with some tools it has the highest.
        if kind != "date" and same and same[0].modified_us >= same[-1].modified_us:
            same.reverse()
        ordered = merged(ordered, same)
    return ordered


def merged(one, other):
    result, one, other = [], list(one), list(other)
    while one and other:
        result.append((one if one[0].modified_us <= other[0].modified_us else other).pop(0))
    return result + one + other
