# shellcheck shell=bash
# What the other parts share: messages, names, bounded waits, and processes known by pid file.

say() { echo "$*" >&2; }
die() { say "hosts: $*"; exit 1; }

docker_cli() {
    local found
    found=$(command -v docker) || found=/usr/bin/docker
    "$found" -H "unix://$HOST_DIR/docker.sock" "${@}"
}

wait_until() { # SECONDS COMMAND...: asks ten times a second
    local end=$((SECONDS + $1)); shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

# The pid in FILE if that process still is what we started: its command line must contain MARK.
our_pid() { # FILE MARK
    local pid='' line
    [ -s "$1" ] && read -r pid < "$1" || [ -n "$pid" ] || return 1
    line=$(tr '\0' ' ' < "/proc/$pid/cmdline") 2>/dev/null || return 1
    [[ $line == *"$2"* ]] || return 1
    [[ $(process_state "$pid") != Z ]] || return 1
    echo "$pid"
}

process_state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
gone() { [ ! -d "/proc/$1" ] || [ "$(process_state "$1")" = Z ]; }

# A daemon must not hold what its starter held: locks and pipes of callers would outlive them.
close_inherited() {
    local fd fds=(/proc/self/fd/*) # listed first: a redirected loop would itself hold a copy of what it redirects
    for fd in "${fds[@]##*/}"; do
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
}

daemonize() { # LOG COMMAND...: starts it in a session of its own and sets STARTED to its pid
    local log=$1; shift
    (close_inherited; exec setsid "$@") >> "$log" 2>&1 < /dev/null &
    # shellcheck disable=SC2034 # read by the callers
    STARTED=$!
}

# A short name for this host that no other data folder's host of the same name shares: for interfaces, which have 15 characters.
host_tag() { printf '%s' "$HOST_DIR" | sha256sum | cut -c1-8; }

# The same host name and index always give the same UUIDs.
gpu_uuid() { # NAME INDEX
    local h
    h=$(printf '%s/gpu/%s' "$1" "$2" | sha256sum)
    echo "GPU-${h:0:8}-${h:8:4}-${h:12:4}-${h:16:4}-${h:20:12}"
}
