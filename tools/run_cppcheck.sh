#!/usr/bin/env bash
# Runs cppcheck over the C code, on two cores, with its cache in build/cppcheck. Findings that are wrong are silenced where
# they stand, by a comment `// cppcheck-suppress id` with the reason. Prints findings; exit status 1 when there are any.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/cppcheck
tools/sources.sh . c >build/cppcheck/files.txt
[ -s build/cppcheck/files.txt ] || exit 0
# memleak: it loses a pointer that is stored with an offset; leaks are found by `make asan`, which sees every one.
# normalCheckLevelMaxBranches and friends are notes of newer versions about how deep they looked.
cppcheck --quiet -j 2 --cppcheck-build-dir=build/cppcheck --file-list=build/cppcheck/files.txt --std=c11 -I. \
    --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --max-configs=4 \
    --suppress=missingIncludeSystem --suppress=missingInclude --suppress=unmatchedSuppression --suppress=memleak \
    --suppress=normalCheckLevelMaxBranches --template='{file}:{line}: {severity}: {message} [{id}]'
