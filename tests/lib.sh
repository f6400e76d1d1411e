# What the scripts here share; sourced, never run.
# shellcheck shell=bash disable=SC2034 # used by those who source it

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that is built or kept lives here, outside the checkout.
export CACHE=${CACHE:-$HOME/.cache/resize-operator}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
# Several checkouts share that folder, and cargo, which goes by age, would take what another one's younger sources became for this one's.
if [ "$(cat "$CARGO_TARGET_DIR/checkout" 2> /dev/null)" != "$ROOT" ]; then
  [ ! -d "$CARGO_TARGET_DIR" ] || find "$ROOT" -name target -prune -o -name '*.rs' -exec touch {} +
  mkdir -p "$CARGO_TARGET_DIR"
  echo "$ROOT" > "$CARGO_TARGET_DIR/checkout"
fi
# The address by which pods reach this machine; from the range set aside for
# benchmarks (198.18.0.0/15), as are pods and Services: nothing outside is ever addressed.
NODE_IP=198.18.255.1

die() { echo "$*" >&2; exit 1; }

# --- Debian packages

# packages NAME...: installs those that are missing, without starting their services
packages() {
  local name missing=()
  for name; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2> /dev/null | grep -q '^ii' || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing ${missing[*]}"
  mkdir -p "$CACHE/locks"
  (
    flock 8
    # Debian starts what it installs, unless this says no
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      trap 'rm -f $policy' EXIT
      printf '#!/bin/sh\nexit 101\n' > $policy
      chmod +x $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
  ) 8> "$CACHE/locks/apt" > /dev/null
}

# --- processes: RUN holds a NAME.pid for each, LOG a NAME.log

# A process is known by PID and start time, so a PID used again is never taken for ours.
# (A zombie, ended but not yet collected by PID 1, counts as gone.)
started() { { sed 's/.*) //' "/proc/$1/stat" | awk '$1 != "Z" { print $20 }'; } 2> /dev/null; }
alive() { # NAME
  local pid time
  read -r pid time 2> /dev/null < "$RUN/$1.pid" || return 1
  [ -n "$time" ] && [ "$(started "$pid")" = "$time" ]
}
start() { # NAME COMMAND...: in a session of its own
  local name=$1
  shift
  ! alive "$name" || return 0
  setsid "$@" >> "$LOG/$name.log" 2>&1 < /dev/null 9>&- & # 9: the lock of `exclusively`
  echo "$! $(started $!)" > "$RUN/$name.pid"
}
stop() { # NAME: TERM, then KILL after 10 s
  local pid _
  if alive "$1"; then
    read -r pid _ < "$RUN/$1.pid"
    kill -TERM "$pid"
    for _ in {1..100}; do
      alive "$1" || break
      sleep 0.1
    done
    ! alive "$1" || kill -KILL "$pid"
  fi
  rm -f "$RUN/$1.pid"
}
wait_for() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2 said
  shift 2
  until said=$("$@" 2>&1); do
    [ $SECONDS -lt $end ] || die "FAILED: $what: ${said:-no answer}; logs are in $LOG"
    sleep 0.1
  done
}
# sockets [ADDRESS:]PORT: those that listen there and would get what is meant for a process of ours. Without an address: at those
# that we have, at any, or at ::1, where curl and browsers look for *.localhost first.
sockets() {
  local at a b c d addresses=''
  for at in 127.0.0.1 $NODE_IP; do
    [ "${1%:*}" != "$1" ] && [ "${1%:*}" != "$at" ] && continue
    IFS=. read -r a b c d <<< "$at"
    addresses+=$(printf '%02X%02X%02X%02X|' "$d" "$c" "$b" "$a")
  done
  [ "${1%:*}" != "$1" ] || addresses+='0+01000000|' # ::1
  awk -v port="$(printf %04X "${1##*:}")" -v addresses="^((0+FFFF0000)?(${addresses%|})|0+)\$" \
    '$4 == "0A" && split($2, at, ":") && at[2] == port && at[1] ~ addresses { print $10 }' /proc/net/tcp /proc/net/tcp6 2> /dev/null
}
# stranger NAME [ADDRESS:]PORT: who listens there and is not our process NAME; fails if nobody does
stranger() {
  local ours=none inode pid
  ! alive "$1" || read -r ours _ < "$RUN/$1.pid"
  for inode in $(sockets "$2"); do
    [ -z "$(find "/proc/$ours/fd" -lname "socket:\\[$inode\\]" 2> /dev/null)" ] || continue
    pid=$(find /proc/[0-9]*/fd -lname "socket:\\[$inode\\]" 2> /dev/null | head -n 1 | cut -d / -f 3) || true
    echo "${pid:+$(cat "/proc/$pid/comm") (PID $pid)}" | sed 's/^$/another process/'
    return
  done
  return 1
}
# answers SECONDS NAME PORT URL: waits until our process NAME, and nobody else, answers there
answers() {
  local end=$((SECONDS + $1)) who=''
  until curl -sS -o /dev/null -m 2 "$4" 2> /dev/null; do
    alive "$2" && [ $SECONDS -lt $end ] || break
    sleep 0.1
  done
  ! who=$(stranger "$2" "$3") || die "FAILED: port $3, for $2, is taken by $who"
  alive "$2" || die "FAILED: $2 has ended: $(tail -n 1 "$LOG/$2.log")"
  [ -n "$(sockets "$3")" ] || die "FAILED: $2 does not listen on port $3; logs are in $LOG"
}
# exclusively NAME: until this script ends, others that call it with NAME wait
exclusively() {
  mkdir -p "$CACHE/locks"
  exec 9> "$CACHE/locks/$1"
  flock -n 9 || { echo "waiting for another \`$1\` to end" >&2 && flock 9; }
}
# the last one who listens on the node's address takes it away
release_node_ip() {
  [ -n "$(ss -Hltn src $NODE_IP)" ] || ip addr del $NODE_IP/32 dev lo 2> /dev/null || true
}

# --- progress: LOGS holds an ID.log for each step

declare -A STEP_PID STEP_WHAT STEP_START
# launch ID WHAT COMMAND...: starts a step in the background
launch() {
  local id=$1
  mkdir -p "$LOGS"
  STEP_WHAT[$id]=$2 STEP_START[$id]=$SECONDS
  shift 2
  : > "$LOGS/$id.log"
  rm -f "$LOGS/$id.end"
  set -m # a process group of its own, so that `end_steps` reaches all of it
  (trap 'echo "$? $SECONDS" > "$LOGS/$id.end"' EXIT; "$@") > "$LOGS/$id.log" 2>&1 < /dev/null &
  STEP_PID[$id]=$!
  set +m
}
# await ID: tells how long the step takes while it runs, and shows its log when it fails
await() {
  local id=$1 pid=${STEP_PID[$1]} status end told=0 took line
  # its end is in a file: a PID may come round, and be another's
  until [ -s "$LOGS/$id.end" ]; do
    # killed so that it could not write one
    kill -0 "$pid" 2> /dev/null || { sleep 0.5 && [ -s "$LOGS/$id.end" ]; } || echo "137 $SECONDS" > "$LOGS/$id.end"
    took=$((SECONDS - STEP_START[$id]))
    line=$(tail -c 400 "$LOGS/$id.log" | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*m//g' | grep -v '^ *$' | tail -n 1) || true
    if [ -t 1 ]; then
      printf '\r\033[K%6d s  … %s: %.60s' "$took" "${STEP_WHAT[$id]}" "$line"
    elif [ $((took - told)) -ge 30 ]; then
      printf '%6d s  … %s: %.90s\n' "$took" "${STEP_WHAT[$id]}" "$line"
      told=$took
    fi
    sleep 0.2
  done
  unset "STEP_PID[$id]"
  read -r status end < "$LOGS/$id.end"
  took=$((end - STEP_START[$id]))
  [ ! -t 1 ] || printf '\r\033[K'
  if [ "$status" -ne 0 ]; then
    printf '%6d s  FAILED: %s; the end of %s:\n' "$took" "${STEP_WHAT[$id]}" "$LOGS/$id.log"
    tail -n 100 "$LOGS/$id.log"
    exit "$status"
  fi
  printf '%6d s  %s\n' "$took" "${STEP_WHAT[$id]}"
}
step() { # ID WHAT COMMAND...
  launch "$@" # no &&: it would switch -e off in a COMMAND that is a function
  await "$1"
}
# end_steps: for an EXIT trap
end_steps() {
  local pid
  for pid in "${STEP_PID[@]}"; do kill -TERM -- "-$pid" 2> /dev/null || true; done
}
