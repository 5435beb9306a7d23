#!/bin/sh
# Runs a Python program of this tree as a test. Debian's Bazel has no Python
# toolchain that finds an interpreter, so sh_test starts it.
# usage: run_python.sh PROGRAM [ARGUMENT...]
set -eu
PYTHONPATH=$PWD
PYTHONDONTWRITEBYTECODE=1
PYTHONUNBUFFERED=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED
exec python3 "$@"
