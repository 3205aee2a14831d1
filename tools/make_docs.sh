#!/usr/bin/env bash
# Copies the documents and their pictures as an installation has them: the same folders, and links only to what is installed. A link to source code
# becomes its text.
#
#   tools/make_docs.sh OUT      OUT/README.md, OUT/docs/*.md, ...; OUT/nets is where the installation links its nets to
set -eu
out=${1:?usage: make_docs.sh OUT}
cd "$(dirname "$0")/.."
mapfile -t documents < <(printf '%s\n' README.md LICENSE docs/*.md docs/lesson/*.md bench/NOTES.md)
pictures=(docs/*.png docs/*.svg docs/lesson/*.svg docs/lesson/*.html docs/lesson/*.sh docs/lesson/*.awk docs/lesson/*.csv docs/lesson/nets/*)
mkdir -p "$out/docs/lesson/nets"
for file in "${pictures[@]}"; do cp "$file" "$out/$file"; done
installed=$(printf '%s\n' "${documents[@]}" "${pictures[@]}" nets/*.prototxt | tr '\n' ' ')
for document in "${documents[@]}"; do
    mkdir -p "$out/$(dirname "$document")"
    awk -v folder="$(dirname "$document")" -v installed="$installed" '
    BEGIN { n = split(installed, path, " "); for (i = 1; i <= n; i++) there[path[i]] }
    function resolved(target,   part, n, i, kept, text) { # relative to the folder -> relative to the root
        n = split((folder == "." ? "" : folder "/") target, part, "/")
        for (i = 1; i <= n; i++) if (part[i] == "..") kept--; else kept_part[++kept] = part[i]
        for (i = 1; i <= kept; i++) text = text (i > 1 ? "/" : "") kept_part[i]
        return text
    }
    /^ *```/ { code = !code }
    code { print; next }
    {
        line = $0; done = ""
        while (match(line, /\[[^][]*\]\([^) ]+\)/)) {
            link = substr(line, RSTART, RLENGTH); text = target = link
            sub(/^\[/, "", text); sub(/\]\(.*$/, "", text); sub(/^.*\]\(/, "", target); sub(/\)$/, "", target)
            file = target; sub(/#.*$/, "", file)
            keep = file == "" || file ~ /^[a-z]+:/ || resolved(file) in there
            done = done substr(line, 1, RSTART - 1) (keep ? link : text)
            line = substr(line, RSTART + RLENGTH)
        }
        print done line
    }' "$document" >"$out/$document"
done
