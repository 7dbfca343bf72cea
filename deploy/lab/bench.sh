# shellcheck shell=bash
# ./lab bench: set up like the tests, but with a database that writes as durably as in earnest.

readonly BENCH_HOST=bench

bench_data() { printf '%s' "${DEEPLAB_BENCH_DATA:-$(default_data)-bench}"; }

lab_bench() {
  local rc=0
  [ $# -gt 0 ] || die "Which benchmark? For example: ./lab bench launch"
  use_data "$(bench_data)"
  need tools postgres client engine hosts images
  need_sdk
  lock_data
  unset DEEPLAB_DB DOCKER_HOST DEEPLAB_HOST_NAME DEEPLAB_HOST_LABELS DEEPLAB_HOST_ADDRESS DEEPLAB_FIRST_PASSWORD ASPNETCORE_URLS \
    DEEPLAB_GATEWAY DEEPLAB_GATEWAY_URL DEEPLAB_GATEWAY_LISTEN
  trap 'stop_all || true' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  provide_test_database kept
  pg_sql postgres "ALTER ROLE deeplab CREATEDB"
  provide_test_host "$BENCH_HOST"
  publish_console
  DEEPLAB_BENCH_CONSOLE=$(console_dll)
  export DEEPLAB_BENCH_CONSOLE
  step "Benchmark $1"
  (cd -- "$ROOT" && exec dotnet run -c Release --project tests/Console.Bench -- "$@" 9>&-) </dev/null || rc=$?
  exit "$rc"
}
