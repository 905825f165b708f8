# Background services, for start-all-services.sh, stop-all-services.sh and status-all-services.sh. Each has
# logs/<service>.log (with the previous start's in logs/<service>.log.1) and, while it runs, logs/<service>.pid.
#
# A pid file counts only if that process is the service, because after a crash or a reboot the pid may belong to
# another program.

services=(postgresql rabbitmq agent)

declare -A program=(
  [postgresql]=scripts/services/run-postgres.ts
  [rabbitmq]=scripts/services/run-rabbitmq.ts
  [agent]=src/main.ts
)

# Prints the pid if the service is running; fails otherwise.
running_pid() {
  local pid
  pid=$(cat "logs/$1.pid" 2> /dev/null) || return 1
  [ -n "$pid" ] || return 1
  { tr '\0' ' ' < "/proc/$pid/cmdline" | grep -qF "${program[$1]}"; } 2> /dev/null || return 1
  echo "$pid"
}

# has_ended PID : whether the process has ended. While it ends, its command line is empty already, but it still holds its
# files and ports; when it is a zombie, it has given them back.
has_ended() {
  local stat
  stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 0
  [[ ${stat##*) } == [ZX]* ]]
}

# start_service NAME ARGUMENT... : starts the service unless it is running.
start_service() {
  local name=$1 pid
  shift
  if pid=$(running_pid "$name"); then
    echo "$name: already running (pid $pid)"
    return
  fi
  mkdir -p logs
  if [ -e "logs/$name.log" ]; then mv "logs/$name.log" "logs/$name.log.1"; fi
  # Its own session, so that Ctrl-C in the terminal does not reach it.
  setsid node "${program[$name]}" "$@" > "logs/$name.log" 2>&1 < /dev/null &
  pid=$!
  echo "$pid" > "logs/$name.pid"
  # At first it is a copy of this shell, and then setsid: running_pid would not know it.
  until [[ $(tr '\0' ' ' < "/proc/$pid/cmdline") == "node ${program[$name]} "* ]] || has_ended "$pid"; do
    sleep 0.02
  done 2> /dev/null
  echo "$name: started (pid $pid), log in logs/$name.log"
}

# wait_until_ready NAME CHECK... : waits until the check succeeds; fails if the service ends first, or after 120 s.
wait_until_ready() {
  local name=$1 pid deadline=$((SECONDS + 120))
  shift
  until "$@"; do
    if ! pid=$(cat "logs/$name.pid" 2> /dev/null) || has_ended "$pid"; then
      echo "$name: ended while it was starting; the end of logs/$name.log:" >&2
      tail -n 20 "logs/$name.log" >&2
      rm -f "logs/$name.pid"
      return 1
    fi
    if [ $SECONDS -ge $deadline ]; then
      echo "$name: not ready after 120 s; see logs/$name.log" >&2
      return 1
    fi
    sleep 0.2
  done
  echo "$name: ready"
}

# stop_service NAME : stops the service with SIGTERM, and with SIGKILL after 60 s.
stop_service() {
  local name=$1 pid deadline=$((SECONDS + 60))
  if ! pid=$(running_pid "$name"); then
    rm -f "logs/$name.pid"
    echo "$name: not running"
    return
  fi
  kill -TERM "$pid" 2> /dev/null || true
  until has_ended "$pid"; do
    if [ $SECONDS -ge $deadline ]; then
      echo "$name: still running after 60 s, killed (pid $pid)" >&2
      kill -KILL "$pid" 2> /dev/null || true
      break
    fi
    sleep 0.1
  done
  rm -f "logs/$name.pid"
  echo "$name: stopped"
}

# answers PORT PATH : whether an HTTP server on loopback answers with 200; a minimal Debian has no curl.
answers() {
  local status
  { exec 3<> "/dev/tcp/127.0.0.1/$1"; } 2> /dev/null || return 1
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
  read -r -t 5 status <&3 || status=
  exec 3>&- 3<&-
  [[ $status == *" 200 "* ]]
}

# says_ready NAME : whether the log of a service run by scripts/services/ says that it is ready.
says_ready() {
  grep -q " is ready at " "logs/$1.log"
}
