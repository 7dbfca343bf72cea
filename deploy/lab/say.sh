# shellcheck shell=bash
# What lab says, and how it waits: every wait has an end and shows the log of what did not come up.

say() { printf '%s\n' "$*"; }

step() { printf '==> %s\n' "$*"; }

warn() { printf 'Note: %s\n' "$*" >&2; }

# The exit code of a failure whose reason has been said.
readonly SAID=10

die() {
  printf 'lab: %s\n' "$*" >&2
  exit "$SAID"
}

# No failure is silent: whatever `set -e` ends without a word of ours is named with its place.
trap 'rc=$?; [ "$rc" = "$SAID" ] || printf "lab: this failed (%s), which it should not: %s (%s, line %s)\n" \
  "$rc" "$BASH_COMMAND" "${BASH_SOURCE[0]##*/}" "$LINENO" >&2' ERR

show_tail() { # FILE
  [ -r "$1" ] || return 0
  printf -- '--- the last lines of %s\n' "$1" >&2
  tail -n 25 -- "$1" >&2 || true
  printf -- '---\n' >&2
}

# A build's log names each error twice and much else besides.
show_errors() { # FILE
  if grep -q ': error ' -- "$1"; then grep ': error ' -- "$1" | sort -u | head -n 25 >&2; else show_tail "$1"; fi
}

# Tries COMMAND until it succeeds, SECONDS have passed, or the process (0: none to watch) has ended. False in both last cases.
await() { # SECONDS PID COMMAND...
  local end=$((SECONDS + $1)) pid=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    [ "$pid" = 0 ] || ! gone "$pid" || return 1
    sleep 0.1
  done
}
