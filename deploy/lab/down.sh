# shellcheck shell=bash
# ./lab down, ./lab status, ./lab hosts.

lab_down() {
  local rc=0 folder
  [ $# -eq 0 ] || die "down takes no arguments."
  # Tests and benchmarks with --keep leave things running in folders of their own.
  for folder in "${DEEPLAB_DATA:-$(default_data)}" "$(test_data)" "$(bench_data)"; do
    [ -d "$folder/log" ] || continue
    use_data "$folder"
    exec 9>"$DATA/lab.lock"
    if ! flock -n 9; then
      warn "Another lab is at work on $DATA; its things are left alone."
      continue
    fi
    stop_all || rc=1
  done
  [ "$rc" = 0 ] || die "Not everything has stopped."
  say "Stopped. Data, images and history are kept; ./lab up brings everything back."
}

# In the order in which they need each other.
stop_all() {
  local rc=0
  stop_console || rc=1
  stop_simulated_hosts || rc=1
  stop_engine || rc=1
  stop_postgres || rc=1
  return "$rc"
}

lab_status() {
  [ $# -eq 0 ] || die "status takes no arguments."
  use_data "${DEEPLAB_DATA:-$(default_data)}"
  say "Data folder: $DATA"
  if console_pid >/dev/null; then say "Console:     $(console_url)"; else say "Console:     not running"; fi
  if pg_running; then say "PostgreSQL:  $DATA/postgres/run"; else say "PostgreSQL:  not running"; fi
  ! engine_pid >/dev/null || say "Engine:      unix://$DATA/engine/docker.sock"
  [ ! -d "$DATA/hosts" ] || ! can_be_root || lab_hosts_script list --dir "$DATA/hosts"
}

# Hosts for development: of different sizes, as in a room that grew over the years.
lab_hosts() {
  local -a sizes=(8 4 2 1 8 4 2 6)
  local count i
  use_data "${DEEPLAB_DATA:-$(default_data)}"
  if [ "${1:-}" = down ]; then
    stop_simulated_hosts
    return
  fi
  count=$(number hosts "${1:-}" 1 32)
  need_root_for_hosts
  need tools client engine hosts
  lock_data
  say "These hosts and their GPUs are simulated: each is an engine with a network and a name of its own on this machine."
  for ((i = 1; i <= count; i++)); do
    step "gpu$i with ${sizes[(i - 1) % ${#sizes[@]}]} GPUs"
    lab_hosts_script up "gpu$i" "${sizes[(i - 1) % ${#sizes[@]}]}" --tls --dir "$DATA/hosts" >>"$DATA/log/hosts.log" 2>&1 || {
      show_tail "$DATA/log/hosts.log"
      die "The simulated host gpu$i did not start."
    }
  done
  lab_hosts_script list --dir "$DATA/hosts"
  say ""
  say "How to reach one: tests/Lab/hosts env gpu1 --tcp --dir $DATA/hosts"
}
