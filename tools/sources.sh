#!/usr/bin/env bash
# Lists the source files under a root, one per line: the one place that says which files the format, size and layer checks read.
#
#   tools/sources.sh ROOT EXTENSION...
set -eu
cd "$1"
shift
tests=()
for extension in "$@"; do tests+=(-o -name "*.$extension"); done
find . \( -path ./build -o -path ./.git \) -prune -o -type f \( "${tests[@]:1}" \) -print | sed 's|^\./||' | sort
