#!/bin/sh
# install-packages.sh [--architecture NAME] PACKAGE... : by apt-get, one caller after the other, as tests in two
# processes may both find something missing. Says nothing unless it fails.
set -eu

if [ "${ATTUNE_INSTALLS:-}" != alone ]; then
  ATTUNE_INSTALLS=alone exec flock --close /run/attune-install-packages.lock "$0" "$@"
fi

run() {
  # Of what succeeds, the packages' remarks on the machine only puzzle.
  if ! remarks=$("$@" 2>&1 > /dev/null); then
    echo "$* failed:" >&2
    echo "$remarks" >&2
    exit 1
  fi
}

if [ "$1" = --architecture ]; then
  run dpkg --add-architecture "$2"
  shift 2
fi

# Services that come with a package must not start; the scripts run their own. This is Debian's way to say so.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' INT TERM
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
run apt-get update -qq
run apt-get install -y -qq --no-install-recommends "$@"
