"""The sensor's output: lines and gaps as events on stdout, gaps and remarks on stderr."""

import json
import os
import re
import sys

LEVEL = re.compile(r"\b(error|fatal|critical|warn|warning|info|notice)\b", re.IGNORECASE)
LEVELS = {"fatal": "error", "critical": "error", "warn": "warning", "notice": "info"}


class Reporter:
    def __init__(self, path):
        self._path = path
        self._gaps = set()
        # A sensor of another pack may use this script and serve only lines.
        gap_trigger = os.environ.get("ATTUNE_PACK_REF", "logwatch") + ".gap"
        served = json.loads(os.environ.get("ATTUNE_SENSOR_TRIGGER_TYPES", "[]"))
        self._gap_trigger = gap_trigger if gap_trigger in served else None

    def line(self, raw, goes_on, checkpoint):
        """`goes_on`: the line is too long for one event, and the next event continues it."""
        text = raw[:-1] if raw.endswith(b"\r") else raw
        # JSON can represent NUL, but databases cannot.
        line = text.decode("utf-8", errors="replace").replace("\0", "\ufffd")
        found = LEVEL.search(line)
        level = found.group(1).lower() if found else None
        payload = {"path": self._path, "line": line, "level": LEVELS.get(level, level)}
        if goes_on:
            payload["continues"] = True
        self._event({"payload": payload, "checkpoint": checkpoint})

    def checkpoint(self, checkpoint):
        """Without an event."""
        self._event({"checkpoint": checkpoint})

    def gap(self, reason, file, position):
        """Lines of `file` from `position` on are lost. Reported once, even across restarts before more lines arrive."""
        key = "%s %d %d %s" % (file, position.inode, position.offset, position.fingerprint or position.modified_us)
        if key in self._gaps:
            return
        self._gaps.add(key)
        self.remark(reason)
        if self._gap_trigger:
            payload = {"path": self._path, "file": file, "offset": position.offset, "reason": reason}
            self._event({"trigger_ref": self._gap_trigger, "payload": payload, "dedup_key": key})

    def remark(self, sentence):
        print(sentence, file=sys.stderr, flush=True)

    def flush(self):
        sys.stdout.flush()

    def _event(self, event):
        sys.stdout.write(json.dumps(event) + "\n")
