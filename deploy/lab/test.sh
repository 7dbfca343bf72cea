# shellcheck shell=bash
# ./lab test: the same things as ./lab up, in a data folder of its own, and every test of the suites asked for.

readonly TEST_HOST=test TEST_GPUS=4
# That of the tests of faults, where they run beside the others.
readonly FAULTS_HOST=faults

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
  unset DEEPLAB_DB DOCKER_HOST DEEPLAB_HOST_NAME DEEPLAB_HOST_LABELS DEEPLAB_HOST_ADDRESS DEEPLAB_FIRST_PASSWORD ASPNETCORE_URLS \
    DEEPLAB_GATEWAY DEEPLAB_GATEWAY_URL DEEPLAB_GATEWAY_LISTEN
  [ "$keep" = yes ] || trap 'stop_all >&2 || true' EXIT
  trap 'stop_test_run; exit 130' INT
  trap 'stop_test_run; exit 143' TERM HUP

  # Hundreds of short-lived consoles start here. The first guards against attackers inside the process and costs each start a sixth of
  # its CPU time; the second pays by measuring first what it makes faster later, and no process lives that long.
  export DOTNET_EnableWriteXorExecute=0 DOTNET_TieredPGO=0
  build_solution
  provide_test_database throwaway
  mkdir -p -- "$DATA/results"
  find "$DATA/results" -mindepth 1 -delete
  if [ "$suite" = all ] && [ ${#arguments[@]} -eq 0 ]; then
    run_all
  else
    [ "$suite" = unit ] || provide_test_host "$TEST_HOST"
    run_suites "$suite" "${arguments[@]}"
  fi
  [ "$suite" = unit ] || [ "$suite" = browser ] || run_selftest "$DATA/results/selftest.log"
  if [ "$keep" = no ]; then
    trap - EXIT
    stop_all || warn "The tests' own things have not all stopped."
  fi
  print_coverage "$DATA/results"
  sum_up "$DATA/results" || exit 1
}

# The campaigns that are too long for every day: the same tests, more rounds.
lab_soak() { # [ROUNDS]
  local rounds=${1:-20}
  [[ $rounds =~ ^[1-9][0-9]*$ ]] || die "soak takes a number of rounds, not '$rounds'."
  export DEEPLAB_TEST_ROUNDS=$rounds DEEPLAB_TEST_RESTARTS=$rounds DEEPLAB_TEST_BACKLOG=$((rounds * 10))
  export DEEPLAB_TEST_MODEL_STEPS=$((rounds * 5000)) DEEPLAB_TEST_RACES=$((rounds * 50))
  # With the real JupyterLab, over three hosts.
  export DEEPLAB_TEST_ENVIRONMENTS=20
  export DEEPLAB_TEST_TIMEOUT=${DEEPLAB_TEST_TIMEOUT:-14400}
  export DEEPLAB_TEST_MODEL_SECONDS=$DEEPLAB_TEST_TIMEOUT
  export DEEPLAB_TEST_REAL_STEPS=$((rounds * 50)) DEEPLAB_TEST_REAL_SECONDS=$DEEPLAB_TEST_TIMEOUT
  lab_test engine -- -- --explicit on --filter-class '*KillTests' --filter-class '*EngineOutageTests' --filter-class '*SharingTests' \
    --filter-class '*ModelTests' --filter-class '*EndRaceTests' --filter-class '*ManyEnvironmentsTests' \
    --filter-class '*SampleTopologyTests' --filter-class '*CheckpointSoakTests' --filter-class '*TorchSharpTests'
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
  docker network prune --force >/dev/null
  export DEEPLAB_TEST_DOCKER=$DOCKER_HOST DEEPLAB_TEST_LAB=$ROOT/tests/Lab/hosts DEEPLAB_TEST_CHROMIUM=/usr/bin/chromium
  unset DOCKER_HOST
}

test_projects() { # SUITE
  case $1 in unit | all) printf '%s\n' Console.Core.Tests Console.Api.Tests Console.Web.Tests ;; esac
  case $1 in engine | all) printf '%s\n' Console.Engine.Tests ;; esac
  case $1 in browser | all) printf '%s\n' Console.Browser.Tests ;; esac
}

run_suites() { # SUITE ARGUMENTS...
  local suite=$1 project
  shift
  for project in $(test_projects "$suite"); do
    step "$project"
    run_project "$project" "$project" "$@"
  done
}

# Two lanes side by side, each with an engine of its own: the tests of faults wait for most of their time, until leases and graces run
# out, and leave the processors to the others.
run_all() {
  local others
  provide_test_host "$TEST_HOST"
  others=$DEEPLAB_TEST_DOCKER
  provide_test_host "$FAULTS_HOST"
  beside run_faults
  DEEPLAB_TEST_DOCKER=$others
  beside run_others
  await_lanes
}

readonly FAULTS=DeepLab.Engine.Tests.Faults

run_faults() {
  step "Console.Engine.Tests, faults"
  run_project Console.Engine.Tests Console.Engine.Tests.faults -- --filter-namespace "$FAULTS"
}

run_others() {
  run_suites unit
  step "Console.Engine.Tests, but faults"
  run_project Console.Engine.Tests Console.Engine.Tests -- --filter-not-namespace "$FAULTS"
  run_suites browser
}

LANES=()

beside() { # COMMAND...
  (
    LANES=()
    trap 'stop_test_run; exit 143' TERM
    "$@"
  ) &
  LANES+=($!)
}

await_lanes() {
  local lane
  for lane in "${LANES[@]}"; do
    wait "$lane" || broken "A lane of tests ended with $?"
  done
  LANES=()
}

# Projects that ended badly without a failed test to show for it: hung, crashed, or without a test. Each counts as one failure.
broken() { printf '%s\n' "$*" >>"$DATA/results/broken"; }

TEST_RUN=''

# Shows and keeps what COMMAND writes. In the background, so that Ctrl-C is heard at once: `timeout` has a process group of its own,
# takes the test host with it, and does not see the terminal's.
run_logged() { # LOG SECONDS COMMAND...
  local log=$1 limit=$2 reader rc=0
  mkfifo -- "$log.pipe"
  tee -- "$log" <"$log.pipe" 9>&- &
  reader=$!
  (cd -- "$ROOT" && exec timeout --kill-after 30 "$limit" "${@:3}") >"$log.pipe" 2>&1 </dev/null 9>&- &
  TEST_RUN=$!
  wait "$TEST_RUN" || rc=$?
  TEST_RUN=''
  # It ends with the last writer, and something that hung may have left one behind.
  await 10 0 gone "$reader" || true
  rm -f -- "$log.pipe"
  return "$rc"
}

stop_test_run() {
  local lane
  [ -z "$TEST_RUN" ] || end_process "$TEST_RUN" 35 || true
  for lane in "${LANES[@]}"; do kill -TERM "$lane" 2>/dev/null || true; done
  for lane in "${LANES[@]}"; do await 40 0 gone "$lane" || true; done
}

run_project() { # PROJECT NAME ARGUMENTS...
  local project=$1 log=$DATA/results/$2.log limit=${DEEPLAB_TEST_TIMEOUT:-3300} rc=0
  local -a coverage=()
  shift 2
  if compgen -G "$ROOT/tests/$project/bin/Release/*/Microsoft.Testing.Extensions.CodeCoverage.dll" >/dev/null; then
    coverage=(--coverage --coverage-output-format cobertura --coverage-output "$project.cobertura.xml")
  fi
  run_logged "$log" "$limit" dotnet test --project "tests/$project" -c Release --no-build --no-ansi --no-progress \
    --results-directory "$DATA/results" "${coverage[@]}" "$@" || rc=$?
  case $rc in
    0) ;;
    124 | 137) broken "$project hung: it was ended after $limit s" ;;
    8) broken "$project: no test ran" ;;
    *) grep -qE '^  failed: [1-9]' "$log" || broken "$project ended with $rc" ;;
  esac
}

# The lab's own check of the simulated hosts, which ends with the same line as we do.
run_selftest() { # LOG
  local rc=0
  step "tests/Lab/selftest"
  run_logged "$1" 900 "${AS_ROOT[@]}" tests/Lab/selftest || rc=$?
  [ "$rc" = 0 ] || grep -qE '^[0-9]+ passed, [1-9][0-9]* failed' "$1" || broken "tests/Lab/selftest ended with $rc"
}

print_coverage() { # FOLDER
  local -a files
  mapfile -t files < <(find "$1" -name '*.cobertura.xml')
  [ ${#files[@]} -eq 0 ] || python3 "$PARTS/coverage.py" "${files[@]}" || warn "No coverage: its files could not be read."
}

# The last line is the sum and stands alone, for programs. False if a test failed or none ran.
sum_up() { # FOLDER
  local count=0
  # What failed, once more at the end: of a long run nobody sees more than that
  awk '/^failed [A-Z]/{left = 5} left > 0 && !/^  from /{print substr($0, 1, 400); left--}' "$1"/*.log
  if [ -f "$1/broken" ]; then
    cat -- "$1/broken"
    count=$(wc -l <"$1/broken")
  fi
  awk -v broken="$count" '
    /^  succeeded: /{p += $2} /^  failed: /{f += $2} /^  skipped: /{s += $2}
    /^[0-9]+ passed, [0-9]+ failed/{p += $1; f += $3}
    END {
      f += broken
      printf "%d passed, %d failed%s\n", p, f, s ? sprintf(", %d skipped", s) : ""
      exit f > 0 || p == 0
    }' "$1"/*.log
}
