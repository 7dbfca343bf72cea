# shellcheck shell=bash
# ./lab up: from a clean clone to a console with a job in it, and again in seconds.

readonly DEFAULT_PORT=8080

lab_up() {
  local gpus='' port='' detach=no
  while [ $# -gt 0 ]; do
    case $1 in
      --gpus) gpus=$(number "$1" "${2:-}" 0 16); shift ;;
      --port) port=$(number "$1" "${2:-}" 1 65534); shift ;;
      --no-install) refuse_to_install ;;
      --detach) detach=yes ;;
      *) die "up knows no '$1'; see ./lab help." ;;
    esac
    shift
  done
  use_data "${DEEPLAB_DATA:-$(default_data)}"
  lock_data
  if already_up "$port" "$gpus"; then return; fi
  port=${port:-$DEFAULT_PORT}
  refuse_taken_port "$port"
  [ -n "${DEEPLAB_GATEWAY_URL+set}" ] || refuse_taken_port "$((port + 1))"
  gpus=$(chosen_gpus "$gpus")
  need_for_up "$gpus"
  need_sdk

  provide_database
  provide_engine "$gpus"
  printf '%s\n' "$gpus" >"$DATA/gpus"
  provide_images base pytorch-cpu
  publish_console
  start_console "$port"
  greet
  submit_sample "$gpus"
  unlock_data
  if [ "$detach" = yes ]; then
    say "It runs in the background; its log is $DATA/log/console.log. To stop everything: ./lab down"
  else
    follow_console
  fi
}

number() { # OPTION VALUE LEAST MOST
  [[ $2 =~ ^[0-9]{1,5}$ ]] || die "$1 takes a number from $3 to $4, not '$2'."
  [ "$((10#$2))" -ge "$3" ] && [ "$((10#$2))" -le "$4" ] && printf '%s' "$((10#$2))" && return
  die "$1 takes a number from $3 to $4, not $2."
}

already_up() { # PORT GPUS
  local url
  console_pid >/dev/null && url=$(console_url) && is_ready "$url" || return 1
  [ -z "$1" ] || [ "${url##*:}" = "$1" ] || die "The console runs at $url. To move it: ./lab down, then ./lab up --port $1"
  [ -z "$2" ] || [ "$2" = "$(chosen_gpus '')" ] || die "The console runs with other GPUs. To change them: ./lab down, then ./lab up --gpus $2"
  say "The console is running already."
  [ "$(cat "$DATA/app.hash")" = "$(sources_hash)" ] || say "Its sources have changed since: ./lab down and ./lab up bring the change in."
  greet
}

# The number of simulated GPUs, remembered from the last start: history and leases belong to the engine that it chose.
chosen_gpus() { # GPUS
  if [ -n "$1" ]; then
    printf '%s' "$1"
  elif [ -z "${DOCKER_HOST:-}" ] && [ -s "$DATA/gpus" ]; then
    cat "$DATA/gpus"
  else
    printf 0
  fi
}

need_for_up() { # GPUS
  local -a groups=(tools client images)
  [ -n "${DEEPLAB_DB:-}" ] || groups+=(postgres)
  if [ "$1" -gt 0 ]; then
    groups+=(engine hosts)
  elif [ -z "${DOCKER_HOST:-}" ] && ! { command -v docker >/dev/null && answers "unix://$SYSTEM_SOCKET"; }; then
    groups+=(engine)
  fi
  need "${groups[@]}"
}

provide_database() {
  if [ -n "${DEEPLAB_DB:-}" ]; then
    say "Using the PostgreSQL of DEEPLAB_DB."
    return
  fi
  start_postgres kept
  DEEPLAB_DB=$(connection_string deeplab)
  export DEEPLAB_DB
}

provide_engine() { # GPUS
  if [ "$1" = 0 ]; then
    use_engine
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] || warn "DOCKER_HOST is left alone: simulated GPUs need an engine of their own."
  step "Starting a host with $1 simulated GPUs"
  say "These GPUs are simulated: jobs get their numbers and an nvidia-smi that lists them, but they compute on this machine's CPU."
  use_simulated_host local "$1"
  DEEPLAB_HOST_ADDRESS=$(simulated_address local)
  export DEEPLAB_HOST_LABELS=simulated=true DEEPLAB_HOST_ADDRESS
}

greet() {
  local url password=$DATA/first-password
  url=$(console_url)
  say ""
  say "DeepLab console: $url"
  if [ -r "$password" ]; then
    say "Sign in as admin with the first password: $(cat "$password")"
    say "(It is kept in $password. Change it after you have signed in.)"
  elif [ -n "${DEEPLAB_FIRST_PASSWORD:-}" ]; then
    say "Sign in as admin with the password that DEEPLAB_FIRST_PASSWORD gave it."
  else
    say "Sign in as admin with your password."
  fi
}

# Once in the life of a data folder. A sample that fails must not take the console down with it.
submit_sample() { # GPUS
  local marker=$DATA/sample-submitted password id url
  [ ! -e "$marker" ] && [ -f "$ROOT/samples/digits/job.json" ] || return 0
  password=${DEEPLAB_FIRST_PASSWORD:-$(cat "$DATA/first-password" 2>/dev/null || true)}
  [ -n "$password" ] || return 0
  url=$(console_url)
  if id=$(DEEPLAB_FIRST_PASSWORD=$password python3 "$PARTS/submit.py" "$url" "$ROOT/samples/digits" "$1" 9>&-); then
    printf '%s\n' "$id" >"$marker"
    say "Sample job, training a classifier of digits: $url/jobs/$id"
  else
    warn "The sample job was not submitted; the next ./lab up tries again."
  fi
}

# The console has a session of its own, so Ctrl-C reaches only us, and we stop it in order. PostgreSQL and the engine stay.
follow_console() {
  local pid follower
  pid=$(console_pid) || die "The console has ended; see $DATA/log/console.log."
  say ""
  say "Ctrl-C stops the console; jobs, PostgreSQL and the engine run on until ./lab down."
  tail -n 0 --pid "$pid" -F "$DATA/log/console.log" 2>/dev/null &
  follower=$!
  trap 'say ""; kill "$follower" 2>/dev/null || true; stop_console; exit 0' INT TERM HUP
  wait "$follower" || true
  trap - INT TERM HUP
  # The end of the log's follower is the end of the console, which nobody asked for here, unless ./lab down did.
  [ -e "$DATA/console.pid" ] || exit 0
  show_tail "$DATA/log/console.log"
  die "The console has ended by itself."
}
