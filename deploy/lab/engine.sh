# shellcheck shell=bash
# Which Docker Engine the jobs run on: one that was given, the machine's own, one that lab starts, or simulated hosts.

readonly SYSTEM_SOCKET=/var/run/docker.sock

answers() { # DOCKER_HOST
  timeout 5 docker -H "$1" version --format '{{.Server.Version}}' >/dev/null 2>&1
}

lab_hosts_script() {
  [ -x "$ROOT/tests/Lab/hosts" ] || die "tests/Lab/hosts is missing from this copy of the repository."
  as_root env "DEEPLAB_DATA=$DATA" "$ROOT/tests/Lab/hosts" "$@" 9>&-
}

# With our own engines no TLS setting of the caller may apply; a docker context never does, for the console does not read it.
forget_client_settings() { unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT; }

# Sets and exports DOCKER_HOST.
use_engine() {
  unset DOCKER_CONTEXT
  if [ -n "${DOCKER_HOST:-}" ]; then
    answers "$DOCKER_HOST" || die "DOCKER_HOST is $DOCKER_HOST, and no Docker Engine answers there. Start it, or unset DOCKER_HOST."
    say "Using the Docker Engine at $DOCKER_HOST (from DOCKER_HOST)."
    return
  fi
  forget_client_settings
  export DOCKER_HOST=unix://$SYSTEM_SOCKET
  if answers "$DOCKER_HOST"; then
    say "Using the Docker Engine of this machine."
    return
  fi
  if [ -S "$SYSTEM_SOCKET" ] && [ ! -w "$SYSTEM_SOCKET" ]; then
    die "You may not use this machine's Docker Engine. Ask to be added to the group 'docker', or set DOCKER_HOST to another engine."
  fi
  export DOCKER_HOST=unix://$DATA/engine/docker.sock
  start_engine
}

engine_pid() { own_pid "$DATA/engine/docker.pid" "--data-root=$DATA/engine/data"; }

# An engine of our own. Its socket and everything it stores are in the data folder: it never stands where the system's engine would,
# should somebody start that one later, and removing the folder removes it all.
start_engine() {
  local dir=$DATA/engine log=$DATA/log/engine.log other
  if engine_pid >/dev/null; then
    await 20 0 answers "$DOCKER_HOST" && return
    show_tail "$log"
    die "The Docker Engine that lab started earlier does not answer. Try ./lab down and ./lab up."
  fi
  can_be_root || die "A Docker Engine must be started as root. Start one, or set DOCKER_HOST."
  # Two engines in one network namespace undo each other's bridge and packet filter rules.
  if other=$(engine_beside_us); then
    die "A Docker Engine runs here already (process $other), though not at $SYSTEM_SOCKET. Set DOCKER_HOST to its address."
  fi
  step "Starting a Docker Engine in $dir"
  mkdir -p -- "$dir"
  as_root true
  : >>"$log"
  apart "$log" "${AS_ROOT[@]}" dockerd -H "$DOCKER_HOST" --group "$(id -gn)" "--data-root=$dir/data" "--exec-root=$dir/run" \
    "--pidfile=$dir/docker.pid"
  await 60 $! answers "$DOCKER_HOST" && return
  show_tail "$log"
  die "The Docker Engine did not start."
}

engine_beside_us() {
  local pid
  for pid in $(pgrep -x dockerd); do
    [ "$(as_root readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] || { printf '%s' "$pid" && return; }
  done
  return 1
}

need_root_for_hosts() {
  can_be_root || die "Simulated hosts need root, for networks and engines of their own. Run lab as root, or install sudo."
}

# Sets and exports DOCKER_HOST: the engine of the simulated host NAME, started if need be.
# Its IP address on the bridge, where its published ports are reached.
simulated_address() { # NAME
  as_root sed -n 's/^declare -- ADDRESS="\(.*\)"$/\1/p' "$DATA/hosts/$1/host.conf"
}

use_simulated_host() { # NAME GPUS
  need_root_for_hosts
  forget_client_settings
  mkdir -p -- "$DATA/hosts"
  lab_hosts_script up "$1" "$2" --dir "$DATA/hosts" >>"$DATA/log/hosts.log" 2>&1 || {
    show_tail "$DATA/log/hosts.log"
    die "The simulated host '$1' did not start."
  }
  export DOCKER_HOST=unix://$DATA/hosts/$1/docker.sock
  # Root made the socket; whoever runs lab without being root must reach it.
  is_root || as_root chown "$(id -u)" "$DATA/hosts" "$DATA/hosts/$1" "$DATA/hosts/$1/docker.sock"
  await 30 0 answers "$DOCKER_HOST" || {
    show_tail "$DATA/log/hosts.log"
    die "The engine of the simulated host '$1' does not answer."
  }
}

# Gives each image to the engine if the engine lacks it; it is built first if its file is absent. What takes minutes is said.
provide_images() { # NAME...
  local name log=$DATA/log/images.log
  for name in "$@"; do
    "$ROOT/images/load" "$name" "$DOCKER_HOST" </dev/null 2>&1 9>&- | tee -a "$log" | sed -u '/ is in /d' && continue
    show_tail "$log"
    die "The image '$name' could not be built or loaded."
  done
}

running_jobs() { # DOCKER_HOST
  env -u DOCKER_TLS_VERIFY -u DOCKER_CONTEXT timeout 10 docker -H "$1" ps -q --filter label=deeplab.workload 2>/dev/null | wc -l
}

stop_engine() {
  local pid jobs
  pid=$(engine_pid) || return 0
  jobs=$(running_jobs "unix://$DATA/engine/docker.sock")
  [ "$jobs" = 0 ] || warn "$jobs running jobs' containers on this engine will be interrupted."
  step "Stopping the Docker Engine in $DATA/engine"
  end_process "$pid" 60 as_root && return
  warn "The Docker Engine (process $pid) has not stopped; see $DATA/log/engine.log."
  return 1
}

stop_simulated_hosts() {
  local host name jobs rc=0
  for host in "$DATA"/hosts/*/host.conf; do
    [ -f "$host" ] || continue
    name=$(basename "$(dirname "$host")")
    if [ -S "$DATA/hosts/$name/docker.sock" ]; then
      jobs=$(running_jobs "unix://$DATA/hosts/$name/docker.sock")
      [ "$jobs" = 0 ] || warn "$jobs running jobs' containers on the simulated host '$name' will be interrupted."
      step "Stopping the simulated host '$name'"
    fi
    # Its engine ends first, as on a machine that shuts down: "down" on a running one would remove the containers, whose last
    # lines the console may not have read yet.
    { lab_hosts_script stop "$name" --dir "$DATA/hosts" && lab_hosts_script down "$name" --dir "$DATA/hosts"; } \
      >>"$DATA/log/hosts.log" 2>&1 && continue
    show_tail "$DATA/log/hosts.log"
    warn "The simulated host '$name' has not stopped."
    rc=1
  done
  return "$rc"
}
