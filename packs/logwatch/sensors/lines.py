#!/usr/bin/env python3
"""Follows a log through its rotations and reports each line as an event, once and in order.

Each event carries the position after its line as the checkpoint. The agent stores the two together and passes the
last checkpoint to the next start, so no line is lost or reported twice, even if this program is killed.

follower.py decides when to read which file, position.py how to recognise a file, trail.py which file is next,
surroundings.py where the rotated files are, and log_file.py what a line is.
"""

import json
import os
import signal
import sys
import time

# Do not write compiled modules into the pack's folder: it may be read-only or a checkout.
sys.dont_write_bytecode = True

from follower import Follower
from report import Reporter

LOOK_SECONDS = 0.25


class Stop:
    """Requested by a signal. Not a threading.Event: its `set` deadlocks in a signal handler that interrupts `wait`."""

    is_asked_for = False

    def ask(self, *_):
        self.is_asked_for = True


def main():
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.ask)
    signal.signal(signal.SIGINT, stop.ask)
    config = json.loads(os.environ.get("ATTUNE_SENSOR_CONFIG_JSON", "{}"))
    checkpoint = json.loads(os.environ.get("ATTUNE_SENSOR_CHECKPOINT", "null"))
    path = config["path"]
    try:
        follower = Follower(config, checkpoint, Reporter(path), stop)
        while not stop.is_asked_for:
            if not follower.look():
                time.sleep(LOOK_SECONDS)
    except OSError as error:
        sys.exit("could not follow %s: %s" % (path, error))


if __name__ == "__main__":
    main()
