#!/usr/bin/env bash
# Prints the bytes of a plan's arena: the lesson's figures in running text.
#
#   docs/lesson/peak.sh NET [OPTIONS of segarena plan]
set -eu -o pipefail
segarena plan "$@" 2>/dev/null | awk '$1 == "peak" { print $2 }'
