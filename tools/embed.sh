#!/usr/bin/env bash
# Turns text files into C: prints, for each NAME=FILE, `const char NAME[] = "...";` with the file's bytes.
#
#   tools/embed.sh NAME=FILE... >assets.c
#
# Files must be text without NUL bytes; lines end in '\n'.
set -eu
export LC_ALL=C
echo '/* Made by tools/embed.sh: not for editing. */'
for pair in "$@"; do
    name=${pair%%=*}
    file=${pair#*=}
    [ -r "$file" ] || { echo "embed.sh: $file: cannot read" >&2; exit 1; }
    echo "extern const char ${name}[];"
    echo "const char ${name}[] ="
    # A question mark is escaped against trigraphs.
    awk '{ gsub(/\\/, "&&"); gsub(/"/, "\\\""); gsub(/\?/, "\\?"); gsub(/\t/, "\\t"); gsub(/\r/, "\\r"); print "    \"" $0 "\\n\"" }
        END { print "    \"\";" }' "$file"
done
