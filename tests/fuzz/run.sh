#!/bin/sh
# Builds the fuzz targets with clang and libFuzzer and runs each for a while.
#
#   tests/fuzz/run.sh [--minutes N | --seconds N] [--jobs N] [TARGET...]
#
# The time is for each target (a minute). --jobs: how many run at once (as many
# as there are processors). TARGET is the name of a folder in testdata/fuzz;
# default: all. What libFuzzer finds worth keeping grows in
# build/fuzz/corpus/TARGET over the runs; testdata/fuzz/TARGET is only read.
# An input that crashes is left in build/fuzz/crashes/TARGET-...; once the bug
# is fixed, put it into testdata/fuzz/TARGET, where the ordinary tests replay it.
set -eu
cd "$(dirname "$0")/../.."

seconds=60
jobs=$(nproc)
targets=''
while [ $# -gt 0 ]; do
  case "$1" in
    --jobs=*|--minutes=*|--seconds=*) option=${1%%=*} value=${1#*=} ;;
    --jobs|--minutes|--seconds)
      option=$1 value=${2:-}
      [ $# -eq 1 ] || shift
      ;;
    -*)
      echo "usage: $0 [--minutes N | --seconds N] [--jobs N] [TARGET...]" >&2
      exit 2
      ;;
    *)
      targets="$targets $1"
      shift
      continue
      ;;
  esac
  shift
  case "$value" in
    ''|0*|*[!0-9]*) echo "$option needs a number from 1" >&2; exit 2 ;;
  esac
  case "$option" in
    --jobs) jobs=$value ;;
    --minutes) seconds=$((value * 60)) ;;
    --seconds) seconds=$value ;;
  esac
done
if [ -z "$targets" ]; then
  for folder in testdata/fuzz/*/; do
    targets="$targets $(basename "$folder")"
  done
fi

labels=''
for target in $targets; do
  labels="$labels //tests/fuzz:${target}_fuzz"
done
# Word splitting is wanted: a list of labels.
# shellcheck disable=SC2086
bazel build --config=fuzz $labels
binaries=$(bazel info --config=fuzz bazel-bin)/tests/fuzz

mkdir -p build/fuzz/corpus build/fuzz/crashes build/fuzz/logs
export UBSAN_OPTIONS=print_stacktrace=1
# Real files, in memory: a disk would be what a target waits for.
[ ! -d /dev/shm ] || export TEST_TMPDIR=/dev/shm

# timed COMMAND...: and then, as the last line, what it had of a processor (user,
# system), which is less than its time where others want one too.
timed() (
  status=0
  "$@" || status=$?
  times
  exit "$status"
)

# run TARGET: one target for its time; says how it went.
run() {
  corpus=build/fuzz/corpus/$1
  log=build/fuzz/logs/$1
  mkdir -p "$corpus"
  if timed "$binaries/${1}_fuzz" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$1-" \
    "$corpus" "testdata/fuzz/$1" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "ok    $1: $runs inputs in $(tail -n 1 "$log" | tr ' ' '+') of a processor"
  else
    tail -n 60 "$log"
    echo "FAIL  $1: see build/fuzz/logs/$1"
    return 1
  fi
}

# work: runs what no other worker has taken (mkdir succeeds once), until
# nothing is left, or no folder to take it in.
work() {
  for target in $targets; do
    mkdir "$taken/$target" 2>/dev/null || continue
    ! run "$target" || : >"$taken/$target/ok"
  done
}

taken=build/fuzz/taken
rm -rf "$taken"
mkdir "$taken"
# Ctrl-C ends what libFuzzer runs; without the folder no worker starts more.
trap 'rm -rf "$taken"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
while [ "$jobs" -gt 0 ]; do
  work &
  jobs=$((jobs - 1))
done
wait
for target in $targets; do
  [ -e "$taken/$target/ok" ] || exit 1
done
