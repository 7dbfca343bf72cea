# shellcheck shell=bash
# ./lab test: the same things as ./lab up, in a data folder of its own, and every test of the suites asked for.

readonly TEST_HOST=test TEST_GPUS=4

test_data() { printf '%s' "${DEEPLAB_TEST_DATA:-$(default_data)-test}"; }

lab_test() {
  local suite=unit keep=no
  local -a groups=(tools postgres) arguments=()
  while [ $# -gt 0 ]; do
    case $1 in
      unit | engine | browser | all) suite=$1 ;;
      --keep) keep=yes ;;
      --no-install) refuse_to_install ;;
      --) shift && arguments=("$@") && break ;;
      *) die "test knows no '$1'; see ./lab help." ;;
    esac
    shift
  done
  use_data "$(test_data)"
  [ "$suite" = unit ] || groups+=(client engine hosts images)
  case $suite in browser | all) groups+=(browser) ;; esac
  need "${groups[@]}"
  need_sdk
  lock_data
  # Nothing of the caller's may leak into the tests, least of all a database or an engine that is in use.
  unset DEEPLAB_DB DOCKER_HOST DEEPLAB_HOST_NAME DEEPLAB_HOST_LABELS DEEPLAB_FIRST_PASSWORD ASPNETCORE_URLS
  [ "$keep" = yes ] || trap 'stop_all >&2 || true' EXIT
  trap 'stop_test_run; exit 130' INT
  trap 'stop_test_run; exit 143' TERM HUP

  build_solution
  provide_test_database throwaway
  [ "$suite" = unit ] || provide_test_host "$TEST_HOST"
  run_suites "$suite" "${arguments[@]}"
  if [ "$keep" = no ]; then
    trap - EXIT
    stop_all || warn "The tests' own things have not all stopped."
  fi
  print_coverage "$DATA/results"
  sum_up "$DATA/results" || exit 1
}

build_solution() {
  local log=$DATA/log/build.log
  step "Building"
  dotnet build "$ROOT/DeepLab.sln" -c Release --nologo >"$log" 2>&1 </dev/null 9>&- && return
  show_errors "$log"
  die "The solution could not be built."
}

# A new cluster each time: no run may see what another one left.
provide_test_database() { # kept|throwaway
  stop_postgres
  as_postgres rm -rf -- "$DATA/postgres/data" 2>/dev/null || true
  start_postgres "$1"
  DEEPLAB_TEST_DB=$(connection_string postgres)
  export DEEPLAB_TEST_DB
}

provide_test_host() { # NAME
  local -a left
  step "Starting a host with $TEST_GPUS simulated GPUs"
  use_simulated_host "$1" "$TEST_GPUS"
  provide_images base pytorch-cpu
  # What a run that was killed has left; the engine is ours alone.
  mapfile -t left < <(docker ps -aq)
  [ ${#left[@]} -eq 0 ] || docker rm -fv "${left[@]}" >/dev/null
  export DEEPLAB_TEST_DOCKER=$DOCKER_HOST DEEPLAB_TEST_LAB=$ROOT/tests/Lab/hosts DEEPLAB_TEST_CHROMIUM=/usr/bin/chromium
  unset DOCKER_HOST
}

test_projects() { # SUITE
  case $1 in unit | all) printf '%s\n' Console.Core.Tests Console.Api.Tests Console.Web.Tests ;; esac
  case $1 in engine | all) printf '%s\n' Console.Engine.Tests ;; esac
  case $1 in browser | all) printf '%s\n' Console.Browser.Tests ;; esac
}

# Projects that ended badly without a failed test to show for it: hung, crashed, or without a test. Each counts as one failure.
BROKEN=()

run_suites() { # SUITE ARGUMENTS...
  local suite=$1 project out=$DATA/results
  shift
  rm -rf -- "$out"
  mkdir -p -- "$out"
  for project in $(test_projects "$suite"); do
    step "$project"
    run_project "$project" "$out/$project.log" "$@"
  done
  case $suite in engine | all) run_selftest "$out/selftest.log" ;; esac
}

TEST_RUN=''

# In the background, so that Ctrl-C is heard at once; `timeout` has a process group of its own and takes the test host with it.
run_project() { # PROJECT LOG ARGUMENTS...
  local project=$1 log=$2 limit=${DEEPLAB_TEST_TIMEOUT:-900} rc=0
  local -a coverage=()
  shift 2
  if compgen -G "$ROOT/tests/$project/bin/Release/*/Microsoft.Testing.Extensions.CodeCoverage.dll" >/dev/null; then
    coverage=(--coverage --coverage-output-format cobertura --coverage-output "$project.cobertura.xml")
  fi
  (
    cd -- "$ROOT" || exit
    exec timeout --kill-after 30 "$limit" dotnet test --project "tests/$project" -c Release --no-build --no-ansi --no-progress \
      --results-directory "$DATA/results" "${coverage[@]}" "$@"
  ) > >(tee "$log") 2>&1 </dev/null 9>&- &
  TEST_RUN=$!
  wait "$TEST_RUN" || rc=$?
  TEST_RUN=''
  case $rc in
    0) ;;
    124 | 137) BROKEN+=("$project hung: it was ended after $limit s") ;;
    8) BROKEN+=("$project: no test ran") ;;
    *) grep -qE '^  failed: [1-9]' "$log" || BROKEN+=("$project ended with $rc") ;;
  esac
}

stop_test_run() {
  [ -z "$TEST_RUN" ] || end_process "$TEST_RUN" 35 || true
}

# The lab's own check of the simulated hosts; it reports like a test project, or counts as one test.
run_selftest() { # LOG
  local rc=0
  [ -x "$ROOT/tests/Lab/selftest" ] || return 0
  step "tests/Lab/selftest"
  as_root timeout --kill-after 30 900 "$ROOT/tests/Lab/selftest" > >(tee "$1") 2>&1 </dev/null 9>&- || rc=$?
  if ! grep -qE '^[0-9]+ passed, [0-9]+ failed' "$1"; then
    printf '%d passed, %d failed\n' "$((rc == 0))" "$((rc != 0))" >>"$1"
  fi
}

print_coverage() { # FOLDER
  local -a files
  mapfile -t files < <(find "$1" -name '*.cobertura.xml')
  [ ${#files[@]} -eq 0 ] || python3 "$PARTS/coverage.py" "${files[@]}" || warn "No coverage: its files could not be read."
}

# The last line is the sum and stands alone, for programs. False if a test failed or none ran.
sum_up() { # FOLDER
  local broken
  for broken in "${BROKEN[@]}"; do say "$broken"; done
  awk -v broken="${#BROKEN[@]}" '
    /^  succeeded: /{p += $2} /^  failed: /{f += $2} /^  skipped: /{s += $2}
    /^[0-9]+ passed, [0-9]+ failed/{p += $1; f += $3}
    END {
      f += broken
      printf "%d passed, %d failed%s\n", p, f, s ? sprintf(", %d skipped", s) : ""
      exit f > 0 || p == 0
    }' "$1"/*.log
}
