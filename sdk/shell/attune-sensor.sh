# Helpers for sensors in a POSIX shell: copy this file into your pack's lib folder and read it in.
#
#     . "$(dirname "$0")/../lib/attune-sensor.sh"
#     count=${ATTUNE_SENSOR_CHECKPOINT:-0}
#     while attune_wait 5; do
#       count=$((count + 1))
#       attune_emit "{\"count\": $count}" checkpoint="$count"
#     done
#
# The same script works with `protocol: stream`, where an event is a line on stdout, and with `protocol: standalone`, where
# it is a request to the API, made with curl. The agent's environment variables tell which one it is.
#
# With `stream`, the agent restarts the script when a rule changes. With `standalone`, call attune_rules to read the rules.

attune_stopping=
attune_sleeping=
trap 'attune_stopping=1; [ -z "$attune_sleeping" ] || kill "$attune_sleeping" 2>/dev/null' TERM INT

# attune_wait SECONDS: sleeps; fails as soon as the sensor is to stop.
attune_wait() {
  [ -z "$attune_stopping" ] || return 1
  sleep "$1" &
  attune_sleeping=$!
  wait "$attune_sleeping" 2>/dev/null
  attune_sleeping=
  [ -z "$attune_stopping" ]
}

# attune_log TEXT…: writes to the sensor's log.
attune_log() {
  printf '%s\n' "$*" >&2
}

# attune_text TEXT: prints the text as a JSON string.
attune_text() {
  printf '%s' "$1" | LC_ALL=C awk '
    BEGIN { for (i = 1; i < 32; i++) escape[sprintf("%c", i)] = sprintf("\\u%04x", i); printf "\"" }
    NR > 1 { printf "\\n" }
    {
      for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (c == "\"" || c == "\\") printf "\\%s", c
        else if (c in escape) printf "%s", escape[c]
        else printf "%s", c
      }
    }
    END { printf "\"" }'
}

# attune_emit JSON [NAME=VALUE]…: reports an event with this payload, an object on one line.
#
#   trigger_ref=REF  one of the sensor's triggers; left out: the first
#   rule=ID          for that rule alone
#   dedup_key=TEXT   a second event of this sensor and trigger with the same key is not stored
#   occurred_at=TIME in RFC 3339
#   checkpoint=JSON  stored together with the event
#
# Waits while the platform cannot store the event. Fails if it can never be stored, with the reason in the log.
attune_emit() {
  attune_event="{\"payload\": $1"
  shift
  attune_key=
  attune_trigger=
  for attune_option in "$@"; do
    attune_value=${attune_option#*=}
    case $attune_option in
      trigger_ref=*) attune_trigger=$attune_value ;;
      rule=*) attune_event="$attune_event, \"trigger_instance_id\": $(attune_text "rule_$attune_value")" ;;
      dedup_key=*) attune_key=$attune_value ;;
      occurred_at=*) attune_event="$attune_event, \"occurred_at\": $(attune_text "$attune_value")" ;;
      checkpoint=*) attune_event="$attune_event, \"checkpoint\": $attune_value" ;;
      *)
        attune_log "attune_emit does not know $attune_option"
        return 2
        ;;
    esac
  done
  if ! attune_is_standalone; then
    [ -z "$attune_trigger" ] || attune_event="$attune_event, \"trigger_ref\": $(attune_text "$attune_trigger")"
    [ -z "$attune_key" ] || attune_event="$attune_event, \"dedup_key\": $(attune_text "$attune_key")"
    printf '%s}\n' "$attune_event"
    return
  fi
  : "${attune_trigger:=$(attune_first_trigger)}"
  # A request whose answer was lost is repeated, so every event needs a key by which the platform knows it.
  : "${attune_key:=$(attune_random)}"
  attune_event="$attune_event, \"trigger_ref\": $(attune_text "$attune_trigger"), \"dedup_key\": $(attune_text "$attune_key")}"
  attune_delay=1
  while :; do
    attune_answer=$(printf '%s' "$attune_event" | attune_request POST /api/v1/events --data-binary @-)
    attune_status=${attune_answer##*"
"}
    case $attune_status in
      2??) return 0 ;;
      401 | 408 | 429 | 5?? | 000 | '') ;;
      *)
        attune_log "the platform refused an event: $attune_answer"
        return 1
        ;;
    esac
    # Also while stopping: the event was promised. The agent ends a process that takes too long.
    sleep "$attune_delay"
    [ "$attune_delay" -ge 8 ] || attune_delay=$((attune_delay * 2))
  done
}

# attune_rules [TRIGGER_REF]: prints the enabled rules of a trigger as JSON: what the API answers now with `standalone`, what the
# script was started with otherwise.
attune_rules() {
  if ! attune_is_standalone; then
    printf '%s\n' "$ATTUNE_SENSOR_TRIGGERS"
    return
  fi
  attune_answer=$(attune_request GET "/api/v1/triggers/${1:-$(attune_first_trigger)}/rules")
  case $attune_answer in
    *"
200") printf '%s\n' "${attune_answer%"
200"}" ;;
    *) return 1 ;;
  esac
}

# With `stream` there may be a token, too, but neither its file nor its expiry.
attune_is_standalone() {
  [ -n "${ATTUNE_API_TOKEN:-}" ] && [ -n "${ATTUNE_SENSOR_TOKEN_STATE_PATH:-}${ATTUNE_API_TOKEN_EXPIRES_AT:-}" ]
}

attune_first_trigger() {
  attune_first=${ATTUNE_SENSOR_TRIGGER_TYPES#*\"}
  printf '%s' "${attune_first%%\"*}"
}

attune_random() {
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# The newest token: the agent writes it to a file before the old one expires.
attune_token() {
  attune_newest=
  if [ -r "${ATTUNE_SENSOR_TOKEN_STATE_PATH:-}" ]; then
    attune_newest=$(sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' "$ATTUNE_SENSOR_TOKEN_STATE_PATH")
  fi
  printf '%s' "${attune_newest:-$ATTUNE_API_TOKEN}"
}

# attune_request METHOD PATH [CURL-OPTION]…: prints the answer and, on a last line, its status. The token is no argument, which other users could read.
attune_request() {
  attune_method=$1
  attune_url=${ATTUNE_API_URL%/}$2
  shift 2
  attune_headers=$(mktemp) || return 1
  printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$(attune_token)" >"$attune_headers"
  curl --silent --show-error --max-time 30 --request "$attune_method" --config "$attune_headers" --write-out '\n%{http_code}' "$@" "$attune_url"
  rm -f "$attune_headers"
}
