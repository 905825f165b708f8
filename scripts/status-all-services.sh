#!/usr/bin/env bash
# Prints which services are running, with their pids; exits with 1 unless all are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/services/background.sh

all_run=0
for name in "${services[@]}"; do
  if pid=$(running_pid "$name"); then
    echo "$name: running (pid $pid)"
  elif [ -e "logs/$name.pid" ]; then
    echo "$name: stopped (stale pid file logs/$name.pid)"
    all_run=1
  else
    echo "$name: stopped"
    all_run=1
  fi
done
exit $all_run
