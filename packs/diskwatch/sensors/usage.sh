#!/bin/sh
# Reports how full each file system is: one JSON object per line, then ends.
# POSIX sh and df, so that it runs with dash, bash and busybox alike.
set -eu

ignore=" ${ATTUNE_SENSOR_CONFIG_IGNORE:-} "

report() {
  # A heading, then: device, kilobytes, used, available, capacity%, and a mount that may hold blanks.
  read -r _heading
  while read -r device size used available capacity mount; do
    case $ignore in *" $device "*) continue ;; esac
    # Some have no size (df prints -), and quotes are not worth a JSON encoder in shell.
    case $capacity in *[0-9]%) ;; *) continue ;; esac
    case $device$mount in *[\"\\]*) echo "left out, its name needs quoting: $mount" >&2; continue ;; esac
    printf '{"mount":"%s","device":"%s","size_kb":%s,"used_kb":%s,"available_kb":%s,"used_percent":%s}\n' \
      "$mount" "$device" "$size" "$used" "$available" "${capacity%\%}"
  done
}

# df fails as a whole when it may not look at one of many file systems; the others are still worth telling,
# so only its saying nothing at all is a failure.
df -P -k | report
