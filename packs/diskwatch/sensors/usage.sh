#!/bin/sh
# Reports the usage of each file system as one JSON object per line, then exits.
# Uses POSIX sh and df, so that it runs with dash, bash and busybox.
set -eu

ignore=" ${ATTUNE_SENSOR_CONFIG_IGNORE:-} "

report() {
  # A heading, then: device, kilobytes, used, available, capacity%, and a mount point that may contain spaces.
  read -r _heading
  while read -r device size used available capacity mount; do
    case $ignore in *" $device "*) continue ;; esac
    # Some have no size (df prints -). Names with quotes are skipped: they are not worth a JSON encoder in shell.
    case $capacity in *[0-9]%) ;; *) continue ;; esac
    case $device$mount in *[\"\\]*) echo "skipped $mount: its name needs quoting" >&2; continue ;; esac
    printf '{"mount":"%s","device":"%s","size_kb":%s,"used_kb":%s,"available_kb":%s,"used_percent":%s}\n' \
      "$mount" "$device" "$size" "$used" "$available" "${capacity%\%}"
  done
}

# df exits with an error if it cannot read one of many file systems. The others are still worth reporting, so
# only empty output is a failure.
df -P -k | report
