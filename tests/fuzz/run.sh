#!/bin/sh
# Builds the fuzz targets with clang and libFuzzer and runs each for a while.
#
#   tests/fuzz/run.sh [--minutes N | --seconds N] [TARGET...]
#
# N is for each target (a minute). TARGET is the name of a folder in testdata/fuzz;
# default: all. What libFuzzer finds worth keeping grows in
# build/fuzz/corpus/TARGET over the runs; testdata/fuzz/TARGET is only read.
# An input that crashes is left in build/fuzz/crashes/TARGET-...; once the bug
# is fixed, put it into testdata/fuzz/TARGET, where the ordinary tests replay it.
set -eu
cd "$(dirname "$0")/../.."

seconds=60
targets=''
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds)
      [ $# -gt 1 ] || { echo "--seconds needs a number" >&2; exit 2; }
      seconds=$2
      shift
      ;;
    --seconds=*) seconds=${1#--seconds=} ;;
    --minutes)
      [ $# -gt 1 ] || { echo "--minutes needs a number" >&2; exit 2; }
      seconds=$(($2 * 60))
      shift
      ;;
    --minutes=*) seconds=$((${1#--minutes=} * 60)) ;;
    -*)
      echo "usage: $0 [--minutes N | --seconds N] [TARGET...]" >&2
      exit 2
      ;;
    *) targets="$targets $1" ;;
  esac
  shift
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

# run TARGET: one target for its time; says how it went.
run() {
  corpus=build/fuzz/corpus/$1
  log=build/fuzz/logs/$1
  mkdir -p "$corpus"
  if "$binaries/${1}_fuzz" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$1-" \
    "$corpus" "testdata/fuzz/$1" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "ok    $1: $runs inputs"
  else
    tail -n 60 "$log"
    echo "FAIL  $1: see build/fuzz/logs/$1"
    return 1
  fi
}

# As many at once as there are processors.
slots=$(nproc)
failed=build/fuzz/failed
rm -f "$failed"
running=0
for target in $targets; do
  { run "$target" || echo "$target" >>"$failed"; } &
  running=$((running + 1))
  if [ "$running" -ge "$slots" ]; then
    wait
    running=0
  fi
done
wait
[ ! -e "$failed" ]
