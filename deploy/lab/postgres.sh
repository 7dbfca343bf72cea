# shellcheck shell=bash
# A private PostgreSQL cluster in $DATA/postgres: no TCP port, one socket in a folder that only its user and root may enter.
# That folder is the door, so the connections inside it need no password.

pg_newest() { # prints the folder of the newest PostgreSQL that is installed
  local -a found
  mapfile -t found < <(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V)
  [ -x "${found[-1]}" ] && dirname "${found[-1]}"
}

pg_bin() {
  local version
  if [ -f "$DATA/postgres/data/PG_VERSION" ]; then
    version=$(cat "$DATA/postgres/data/PG_VERSION")
    [ -x "/usr/lib/postgresql/$version/bin/postgres" ] ||
      die "The history in $DATA/postgres was written by PostgreSQL $version: install the package postgresql-$version, or move that folder away."
    printf '/usr/lib/postgresql/%s/bin' "$version"
  else
    pg_newest
  fi
}

# PostgreSQL refuses to run as root, and should: it becomes the user that Debian's package made. It starts in / because it may not
# be able to enter our working directory.
as_postgres() {
  local -a become=()
  ! is_root || become=(setpriv --reuid postgres --regid postgres --init-groups --no-new-privs)
  (cd / && exec "${become[@]}" env HOME=/ "$@" 9>&-)
}

pg_sql() { # DATABASE SQL
  as_postgres "$(pg_bin)/psql" -XqtA -v ON_ERROR_STOP=1 -h "$DATA/postgres/run" -U postgres -d "$1" -c "$2"
}

pg_running() { own_pid "$DATA/postgres/data/postmaster.pid" "$DATA/postgres/data" >/dev/null; }

pg_start_once() { # BIN
  as_postgres "$1/pg_ctl" start -w -t 60 -s -D "$DATA/postgres/data" -l "$DATA/postgres/log" </dev/null >/dev/null 2>&1
}

connection_string() { # DATABASE
  printf 'Host=%s/postgres/run;Database=%s;Username=deeplab' "$DATA" "$1"
}

# Starts the cluster, made first if need be. "throwaway" trades durability for speed and lets the role make databases.
start_postgres() { # kept|throwaway
  local bin pg=$DATA/postgres kind=$1
  bin=$(pg_bin) || exit 1
  if ! pg_running; then
    step "Starting PostgreSQL in $pg"
    if [ ! -f "$pg/data/PG_VERSION" ]; then make_cluster "$bin" "$kind"; fi
    pg_configure "$kind"
    # After a kill -9 the old backends may hold the shared memory for a moment, and the first start is refused.
    if ! await 10 0 pg_start_once "$bin"; then
      show_tail "$pg/log"
      die "PostgreSQL did not start."
    fi
  fi
  [ "$(pg_sql postgres "SELECT 1 FROM pg_database WHERE datname = 'deeplab'")" = 1 ] || make_database "$kind"
}

make_cluster() { # BIN KIND
  local bin=$1 pg=$DATA/postgres log
  local -a options=(-U postgres -A trust -E UTF8 --locale=C.UTF-8)
  [ "$2" = kept ] || options+=(--no-sync)
  # A cluster that was only half made is of no use, and holds nothing yet: without PG_VERSION nothing ever ran on it.
  rm -rf -- "$pg"
  mkdir -m 700 -- "$pg"
  ! is_root || chown postgres:postgres -- "$pg"
  log=$DATA/log/initdb.log
  as_postgres mkdir -m 700 -- "$pg/run"
  if ! as_postgres "$bin/initdb" "${options[@]}" -D "$pg/data" >"$log" 2>&1 </dev/null; then
    show_tail "$log"
    die "PostgreSQL could not make its cluster. Can the user 'postgres' pass through every folder above $pg?"
  fi
  printf "include 'deeplab.conf'\n" | as_postgres tee -a "$pg/data/postgresql.conf" >/dev/null
}

pg_configure() { # KIND
  {
    printf "listen_addresses = ''\n"
    printf "unix_socket_directories = '\"%s\"'\n" "$DATA/postgres/run"
    printf 'unix_socket_permissions = 0700\nmax_connections = 200\n'
    [ "$1" = kept ] || printf 'fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n'
  } | as_postgres tee "$DATA/postgres/data/deeplab.conf" >/dev/null
}

make_database() { # KIND
  local rights=NOCREATEDB
  [ "$1" = kept ] || rights=CREATEDB
  [ "$(pg_sql postgres "SELECT 1 FROM pg_roles WHERE rolname = 'deeplab'")" = 1 ] ||
    pg_sql postgres "CREATE ROLE deeplab LOGIN $rights"
  pg_sql postgres "CREATE DATABASE deeplab OWNER deeplab"
}

stop_postgres() {
  pg_running || return 0
  step "Stopping PostgreSQL in $DATA/postgres"
  # "fast": no new transactions, what was committed is written, then the end.
  as_postgres "$(pg_bin)/pg_ctl" stop -w -t 60 -s -m fast -D "$DATA/postgres/data" </dev/null && return
  show_tail "$DATA/postgres/log"
  warn "PostgreSQL in $DATA/postgres has not stopped."
  return 1
}
