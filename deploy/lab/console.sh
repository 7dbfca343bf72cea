# shellcheck shell=bash
# The console itself: published into the data folder when its sources change, started in a session of its own, stopped by SIGTERM.

# Builds leave no compiler server behind: it would hold our output open, and a CI would wait for its end.
export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false DOTNET_CLI_USE_MSBUILD_SERVER=0
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

# By content, not by time: a checkout that goes back and forth between branches must not run yesterday's console.
sources_hash() {
  (
    cd -- "$ROOT" || exit
    shopt -s nullglob dotglob
    # Of the top folder the files that a build reads; a glob leaves out those that are not there.
    {
      dotnet --version </dev/null
      find src Directory.*.[p]rops Directory.*.[t]argets [g]lobal.json [.]editorconfig [B]annedSymbols.txt -type f \
        -not -path '*/bin/*' -not -path '*/obj/*' -print0 | sort -z | xargs -0 sha256sum
    } | sha256sum | cut -c1-64
  )
}

console_dll() { # prints the published program, from the one file that only an executable has
  local -a found
  found=("$DATA"/app/*.runtimeconfig.json)
  [ -f "${found[0]}" ] && printf '%s.dll\n' "${found[0]%.runtimeconfig.json}"
}

publish_console() {
  local hash log=$DATA/log/publish.log
  hash=$(sources_hash)
  if [ "$(cat "$DATA/app.hash" 2>/dev/null)" = "$hash" ] && console_dll >/dev/null; then return; fi
  step "Building the console"
  rm -rf -- "$DATA/app.new" "$DATA/app.hash"
  if ! dotnet publish "$ROOT/src/Console.Web" -c Release --use-current-runtime --self-contained false -o "$DATA/app.new" --nologo \
    >"$log" 2>&1 </dev/null 9>&-; then
    show_errors "$log"
    die "The console could not be built."
  fi
  rm -rf -- "$DATA/app"
  mv -- "$DATA/app.new" "$DATA/app"
  printf '%s\n' "$hash" >"$DATA/app.hash"
}

console_pid() {
  local dll
  dll=$(console_dll) && own_pid "$DATA/console.pid" "$dll"
}

console_url() { cat "$DATA/console.url" 2>/dev/null; }

is_ready() { curl -fsS --noproxy '*' -o /dev/null --max-time 5 "$1/health/ready" 2>/dev/null; }

port_is_taken() { # PORT
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port_holder() { # PORT
  command -v ss >/dev/null || return 0
  ss -Hltnp "sport = :$1" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/ by \1 (process \2)/p' | head -n 1
}

refuse_taken_port() { # PORT
  ! port_is_taken "$1" || die "Port $1 is taken$(port_holder "$1"). Choose another: ./lab up --port $(($1 + 1))"
}

# Each endpoint gets a host name of its own below localhost, which browsers take to this machine without asking anybody.
gateway_url() { # PORT
  printf '%s' "${DEEPLAB_GATEWAY_URL-http://*.localhost:$(($1 + 1))}"
}

start_console() { # PORT
  local url=http://127.0.0.1:$1 log=$DATA/log/console.log pid dll
  [ "$(stat -c %s "$log" 2>/dev/null || echo 0)" -lt 20000000 ] || mv -- "$log" "$log.1"
  step "Starting the console"
  dll=$(console_dll)
  # Its content root is its working directory.
  ASPNETCORE_URLS=$url DEEPLAB_GATEWAY_URL=$(gateway_url "$1") apart "$log" env --chdir="$DATA/app" dotnet "$dll"
  pid=$!
  printf '%s\n' "$pid" >"$DATA/console.pid"
  printf '%s\n' "$url" >"$DATA/console.url"
  if ! await 90 "$pid" is_ready "$url"; then
    show_tail "$log"
    gone "$pid" || stop_console
    die "The console did not become ready."
  fi
}

# The engine's containers are not the console's children, and what it was about to do is in the database: a console that does not
# end in time may be killed.
stop_console() {
  local pid
  pid=$(console_pid) || return 0
  step "Stopping the console"
  end_process "$pid" 40 || { warn "The console did not end in 40 s; killing it." && kill -KILL "$pid"; }
  rm -f -- "$DATA/console.pid" "$DATA/console.url"
}
