#!/usr/bin/env bash
# `make install` into a temporary folder: what is there, whether it works from any folder, what it says of itself, whether it
# goes away again. Prints cmocka's lines, as every suite does.
set -u
cd "$(dirname "$0")/../.." || exit 1
project=$PWD
build=${SA_BUILD:-build}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
passed=0 failed=0
unset SA_NETS
export HOME=$work/home
mkdir -p "$HOME" "$work/elsewhere"

check() # name, command...: succeeds
{
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "[       OK ] $name"
    else
        failed=$((failed + 1))
        echo "[  FAILED  ] $name"
        printf '%s\n' "$output"
    fi
}

# The prefix has a space, the staging folder too; afterwards the whole is moved, as a package does.
stage="$work/stage folder" prefix='/opt/seg arena' root="$work/moved here"
snapshot() { find . -path ./.git -prune -o -type f -newer "$work/mark" -print; }
touch "$work/mark"
sleep 0.01
check 'install: with DESTDIR and a PREFIX that contains a space' tools/install.sh install "$build" "$stage$prefix"
check 'install: writes nothing into the tree' test -z "$(snapshot | grep -v '/tests/logs/')"
mv "$stage$prefix" "$root" || exit 1
tool="$root/bin/segarena"

make_says() # the Makefile hands both folders to the script whole
{
    local said
    said=$(make -n uninstall DESTDIR="$work/a b" PREFIX='/c d' CUDA=0) && grep -qF "'$work/a b/c d'" <<<"$said"
}
check 'make: DESTDIR and PREFIX stay one word' make_says

here() { cd "$work/elsewhere" && "$@"; }
finds_nets() # from another folder; the same answer as in the tree
{
    local installed built
    installed=$(here "$tool" explain old --json | sed '/"path"/d') || return 1
    built=$("$build/segarena" explain nets/old.prototxt --json | sed '/"path"/d') || return 1
    [ -n "$installed" ] && [ "$installed" = "$built" ] || return 1
    here "$tool" plan new --strategy smallest && here "$tool" explain segnet_basic_camvid
}
check 'shipped nets are found by name in any folder' finds_nets
own_file() # a file of that name in the folder comes first; a folder does not
{
    mkdir -p "$work/elsewhere/new" && cp tests/golden/tiny_old/net.prototxt "$work/elsewhere/old"
    here "$tool" explain old | head -n 1 | grep -q '(old)' && here "$tool" explain new | head -n 1 | grep -q 'share/segarena/nets/new.prototxt'
    local status=$?
    rm -r "$work/elsewhere/old" "$work/elsewhere/new"
    return $status
}
check 'a file of that name in the folder comes first' own_file
unknown() { ! here "$tool" explain nosuchnet && ! here "$tool" explain ../nosuch/old; }
check 'a name that nothing has is an error' unknown
chosen() { ! SA_NETS=$work/elsewhere "$tool" explain old && SA_NETS=$project/nets "$tool" explain old; }
check 'SA_NETS says where nets are' chosen
trains() { here "$tool" train old --batch 1 --steps 1 --strategy smallest --snapshot "$work/old.sasnap" && [ -s "$work/old.sasnap" ]; }
check 'a shipped solver is found by the name of its net' trains
benches() { here "$root/bin/segarena-bench-old" --help && here "$root/bin/segarena-bench-new" --batch 1 --steps 1 --warmup 0 --strategy smallest; }
check 'segarena-bench-new runs from any folder' benches

version=$(sed -n 's/^#define SA_VERSION "\(.*\)"/\1/p' core/version.h)
versions()
{
    local program
    [ -n "$version" ] || return 1
    for program in segarena segarena-bench-old segarena-bench-new; do
        [ "$("$root/bin/$program" --version)" = "segarena $version" ] || return 1
    done
    [ "$("$tool" plan --version)" = "segarena $version" ]
}
check 'every program says its version' versions

read_only()
{
    touch "$work/mark"
    sleep 0.01
    chmod -R a-w "$root" && here "$tool" plan old && here "$tool" explain new --capacity 8GiB
    local status=$?
    [ -z "$(find "$root" -type f -newer "$work/mark")" ] || status=1 # root may write anywhere
    chmod -R u+w "$root"
    return $status
}
check 'works from a read-only installation' read_only

commands=$("$tool" --help | sed -nE 's/^  ([a-z][a-z-]*)  +[^ ].*/\1/p')
pages() # one per command and one for all, each with every option of the help
{
    local command option page
    [ -n "$commands" ] && grep -q '^\.SH NAME' "$root/share/man/man1/segarena.1" || return 1
    for command in $commands; do
        page=$root/share/man/man1/segarena-$command.1
        [ -f "$page" ] || { echo "no $page"; return 1; }
        for option in $("$tool" "$command" --help | grep -oE '^ +(-.,)? *--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
            grep -qF -- "${option//-/\\-}" "$page" || { echo "$page: no $option"; return 1; }
        done
    done
    if command -v man >/dev/null; then
        for page in "$root"/share/man/man1/*; do
            [ -z "$(man -l --warnings "$page" 2>&1 >/dev/null)" ] || { echo "$page: man warns"; return 1; }
        done
    fi
}
check 'manual pages: one per command, with all its options' pages

complete_words() # words of the command line so far, the last one unfinished -> what bash offers
{
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _segarena; printf "%s\n" "${COMPREPLY[@]}"' - \
        "$root/share/bash-completion/completions/segarena" "$@"
}
offers() # what, words...
{
    local what=$1
    shift
    complete_words "$@" | grep -qx -- "$what" || { echo "$* does not offer $what but:"; complete_words "$@"; return 1; }
}
completes()
{
    local command
    for command in $commands; do offers "$command" segarena "${command:0:2}" && offers --help segarena "$command" --h || return 1; done
    offers --strategy segarena plan --st && offers smallest segarena plan --strategy small && offers fft segarena bench --conv = f || return 1
    offers direct segarena plan -c d && offers --version segarena --v && offers old segarena explain o || return 1
    offers segnet_basic_camvid segarena train segnet_b && ! complete_words segarena plan --conv x | grep -q .
}
check 'bash completes commands, options, presets, algorithms and nets' completes
if command -v zsh >/dev/null; then
    check 'the completion for zsh is read by zsh' zsh -n "$root/share/zsh/site-functions/_segarena"
else
    check 'the completion for zsh names every command' eval 'for c in $commands; do grep -q "^    $c)" "$root/share/zsh/site-functions/_segarena" || exit 1; done'
fi

links() { [ -f "$root/share/doc/segarena/docs/memory.md" ] && tools/check_links.sh "$root/share/doc/segarena"; }
check 'links of the installed documents lead somewhere' links
# Programs with CUDA code, or with a sanitizer's checks, are larger.
small() { [ "$(du -sm "$root" | cut -f 1)" -lt 30 ] || ldd "$tool" | grep -qE 'libcudart|libasan|libubsan'; }
check 'the installation is smaller than 30 MB' small

touch "$root/share/segarena/nets/mine.prototxt"
gone() { [ "$(find "$root" ! -type d -printf '%P\n')" = share/segarena/nets/mine.prototxt ]; }
check 'uninstall runs' tools/install.sh uninstall "$build" "$root"
check "uninstall removes its own files and nobody else's" gone

echo "[  PASSED  ] $passed test(s)."
[ "$failed" = 0 ] || echo "[  FAILED  ] $failed test(s)."
[ "$failed" = 0 ]
