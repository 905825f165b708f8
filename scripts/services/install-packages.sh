#!/bin/sh
# install-packages.sh [--architecture NAME] PACKAGE... : installs packages with apt-get. Concurrent calls, for
# example from two test processes, wait for each other. Prints nothing unless it fails.
set -eu

if [ "${ATTUNE_INSTALLS:-}" != alone ]; then
  ATTUNE_INSTALLS=alone exec flock --close /run/attune-install-packages.lock "$0" "$@"
fi

# The texts below are searched for.
export LC_ALL=C.UTF-8

# While another program, such as Debian's unattended upgrades, uses the package manager, apt-get fails at once. This
# tries again every five seconds, for ten minutes.
run() {
  attempt=1
  # Hide the packages' messages unless the command fails, because they are confusing.
  until remarks=$("$@" 2>&1 > /dev/null); do
    case $remarks in
      *"Could not get lock"* | *"Unable to acquire the dpkg frontend lock"*) ;;
      *) attempt=120 ;;
    esac
    if [ "$attempt" -ge 120 ]; then
      echo "$* failed:" >&2
      echo "$remarks" >&2
      exit 1
    fi
    attempt=$((attempt + 1))
    sleep 5
  done
}

if [ "$1" = --architecture ]; then
  run dpkg --add-architecture "$2"
  shift 2
fi

# Debian's policy file keeps packages from starting their services; the scripts run their own.
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
