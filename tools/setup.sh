#!/usr/bin/env bash
# Installs the packages that a group of make targets needs, on Debian and Ubuntu; quick when they are all there.
#
#   tools/setup.sh GROUP...          groups: build test lint fuzz peers
#
# With root or a password-less sudo the missing packages are installed. Otherwise the one command to run is printed and
# the exit status is 1. A stamp in build/setup/ that carries this script's checksum says that a group was complete once;
# then only the commands and headers are looked for, and nothing is linked.
#
# SA_SETUP_DIR moves the stamps and SA_SETUP_UID pretends another user: both are there for tests/build/test_tools.sh.
set -u
cd "$(dirname "$0")/.." || exit 1

stamps=${SA_SETUP_DIR:-build/setup}
uid=${SA_SETUP_UID:-$(id -u)}
checksum=$(cksum <tools/setup.sh)

# One line per need: package, kind, what to look for. Kinds: command NAME | file PATH |
# header NAME LIBRARY ("-": no library to link).
needs_of_build='gcc command gcc
g++ command g++
binutils command ar
libc6-dev header stdio.h -
libopenblas-dev header cblas.h openblas
libpng-dev header png.h png
libjpeg-dev header jpeglib.h jpeg
libcjson-dev header cjson/cJSON.h cjson
protobuf-c-compiler command protoc-c
libprotobuf-c-dev header protobuf-c/protobuf-c.h protobuf-c
liblmdb-dev header lmdb.h lmdb'
# cmocka.h wants four headers in front of it.
needs_of_test="$needs_of_build
libcmocka-dev header cmocka.h cmocka
libopenmpi-dev command mpicc
openmpi-bin command mpirun"
needs_of_lint='clang-format command clang-format
cppcheck command cppcheck
shellcheck command shellcheck'
needs_of_fuzz="$needs_of_test
clang command clang"
# Debian's PyTorch belongs to Debian's Python, whatever python3 is first on PATH.
needs_of_peers="$needs_of_build
python3-torch file /usr/lib/python3/dist-packages/torch/__init__.py"

header_source() # headers... -> a program that includes them
{
    printf '#include <stdarg.h>\n#include <stddef.h>\n#include <setjmp.h>\n#include <stdint.h>\n#include <stdio.h>\n'
    printf '#include <%s>\n' "$@"
    printf 'int main(void) { return 0; }\n'
}

has_need() # kind, name, library, mode
{
    if [ "$1" = command ]; then
        command -v "$2" >/dev/null
    elif [ "$1" = file ]; then
        [ -e "$2" ]
    elif [ "$4" = quick ] || [ "$3" = - ]; then
        header_source "$2" | gcc -E -x c -o /dev/null - 2>/dev/null
    else
        header_source "$2" | gcc -x c -o /dev/null - "-l$3" 2>/dev/null
    fi
}

missing_packages() # the needs, quick | full -> the packages to install, one per line
{
    # The usual case in one compiler call: every command is there and all headers are found together.
    local headers='' package kind name library complete=yes
    while read -r package kind name library; do
        if [ "$kind" = header ]; then headers="$headers $name"; else has_need "$kind" "$name" - quick || complete=no; fi
    done <<<"$1"
    # shellcheck disable=SC2086 # a list of headers
    if [ "$2" = quick ] && [ $complete = yes ]; then
        [ -z "$headers" ] && return
        header_source $headers | gcc -E -x c -o /dev/null - 2>/dev/null && return
    fi
    while read -r package kind name library; do
        has_need "$kind" "$name" "$library" "$2" || echo "$package"
    done <<<"$1"
}

install_packages() # packages...
{
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    if [ "$uid" != 0 ]; then apt=(sudo -n "${apt[@]}"); fi
    echo "setup: installing $*"
    # The lists of a fresh machine are empty, those of an old one may name versions that are gone.
    "${apt[@]}" update -qq </dev/null >/dev/null 2>&1
    "${apt[@]}" install -y -qq --no-install-recommends "$@" </dev/null >"$stamps/apt.log" 2>&1
}

can_install()
{
    command -v apt-get >/dev/null || return 1
    [ "$uid" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null </dev/null; }
}

setup_group() # group name
{
    local needs missing stamp="$stamps/$1.stamp" mode=full
    case $1 in
    build) needs=$needs_of_build ;;
    test) needs=$needs_of_test ;;
    lint) needs=$needs_of_lint ;;
    fuzz) needs=$needs_of_fuzz ;;
    peers) needs=$needs_of_peers ;;
    *) echo "setup: unknown group '$1' (build, test, lint, fuzz, peers)" >&2; exit 2 ;;
    esac
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$checksum" ] && mode=quick
    mapfile -t missing < <(missing_packages "$needs" $mode)
    if [ ${#missing[@]} -gt 0 ]; then
        rm -f "$stamp"
        if can_install && install_packages "${missing[@]}"; then
            mapfile -t missing < <(missing_packages "$needs" full)
        elif [ -f "$stamps/apt.log" ]; then
            tail -n 5 "$stamps/apt.log" >&2
        fi
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        echo "setup: missing packages: ${missing[*]}; on Debian or Ubuntu run:" >&2
        echo "  sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
        exit 1
    fi
    [ $mode = quick ] || echo "$checksum" >"$stamp"
}

mkdir -p "$stamps" || exit 1
rm -f "$stamps/apt.log"
for group in "$@"; do setup_group "$group"; done
