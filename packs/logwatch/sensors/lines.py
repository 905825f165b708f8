#!/usr/bin/env python3
"""Follows a log through its rotations and reports each line as an event, once and in order.

Each event carries the position behind its line as the checkpoint. The agent stores the two together and hands the
last one back at the next start: no line is lost and none is reported twice, wherever this program was killed.

follower.py decides when to read what, position.py how a file is recognised, trail.py which one is next,
surroundings.py where rotated ones are, and log_file.py what a line is.
"""

import json
import os
import signal
import sys
import time

# A pack's folder is not for compiled modules: it may be read-only, or somebody's checkout.
sys.dont_write_bytecode = True

from follower import Follower
from report import Reporter

LOOK_SECONDS = 0.25


class Stop:
    """Asked for by a signal. No threading.Event: its `set` waits for ever if the signal comes while its `wait` holds the lock."""

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
