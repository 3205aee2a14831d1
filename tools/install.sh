#!/usr/bin/env bash
# Copies what `make` built below a folder, or removes it from there. Writes nothing into the source tree.
#
#   tools/install.sh install|uninstall BUILD ROOT      ROOT: $(DESTDIR)$(PREFIX)
set -eu
verb=${1:?usage: install.sh install|uninstall BUILD ROOT} build=${2:?no build folder} root=${3:?no folder to install to}
cd "$(dirname "$0")/.."

# One line per file: mode, source, path below ROOT.
files()
{
    local file
    printf '%s\t%s\t%s\n' 755 "$build/segarena" bin/segarena 755 "$build/bench_old" bin/segarena-bench-old \
        755 "$build/bench_new" bin/segarena-bench-new
    for file in nets/*.prototxt; do printf '644\t%s\tshare/segarena/%s\n' "$file" "$file"; done
    for file in "$build"/share/man1/*; do printf '644\t%s\tshare/man/man1/%s\n' "$file" "${file##*/}"; done
    printf '644\t%s\t%s\n' "$build/share/bash/segarena" share/bash-completion/completions/segarena \
        "$build/share/zsh/_segarena" share/zsh/site-functions/_segarena
    find "$build/share/doc" -type f | sort | while read -r file; do
        printf '644\t%s\tshare/doc/segarena/%s\n' "$file" "${file#"$build/share/doc/"}"
    done
}

case $verb in
install)
    files | while IFS=$'\t' read -r mode source target; do
        [ -e "$source" ] || { case $source in */share/*) continue ;; esac; } # a program that does not run here has no help to copy
        install -D -m "$mode" "$source" "$root/$target"
    done
    ln -sfn ../../segarena/nets "$root/share/doc/segarena/nets"
    echo "installed segarena below $root"
    ;;
uninstall)
    rm -f "$root/share/doc/segarena/nets"
    files | while IFS=$'\t' read -r mode source target; do rm -f "$root/$target"; done
    for folder in share/segarena/nets share/segarena share/doc/segarena/docs share/doc/segarena/bench share/doc/segarena; do
        [ ! -d "$root/$folder" ] || rmdir --ignore-fail-on-non-empty "$root/$folder"
    done
    echo "removed segarena from $root"
    ;;
*) echo "install.sh: '$verb' is neither install nor uninstall" >&2; exit 2 ;;
esac
