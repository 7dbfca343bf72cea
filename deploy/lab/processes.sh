# shellcheck shell=bash
# Processes that lab started and may therefore end. A pid alone proves nothing (it may since have been given to a stranger), so a
# process is ours only if its command line holds one exact argument that nobody else's would: a path in our data folder.

is_root() { [ "$(id -u)" = 0 ]; }

AS_ROOT=()
is_root || AS_ROOT=(sudo --)
as_root() { "${AS_ROOT[@]}" "$@"; }

can_be_root() { is_root || command -v sudo >/dev/null; }

# Prints the pid that FILE names, if that process is alive and has ARGUMENT on its command line.
own_pid() { # FILE ARGUMENT
  local pid
  read -r pid 2>/dev/null <"$1" || [ -n "${pid:-}" ] || return 1
  [[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$2" || return 1
  printf '%s\n' "$pid"
}

# A zombie counts as gone: it has only to be collected by its parent, which need not be us.
gone() { ! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"; }

# SIGTERM, then patience. False if it is still there afterwards: the caller knows whether SIGKILL would be safe.
end_process() { # PID SECONDS [AS]
  ${3:-} kill -TERM "$1" 2>/dev/null || true
  await "$2" 0 gone "$1"
}

# What stays behind must hold none of our file descriptors: a lock would never be released, and whoever reads our output through a
# pipe (a CI) would wait for the end of a daemon.
apart() { # LOG COMMAND...
  local log=$1
  shift
  setsid -- "$@" </dev/null >>"$log" 2>&1 9>&- &
}
