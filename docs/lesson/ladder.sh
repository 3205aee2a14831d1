#!/usr/bin/env bash
# Prints the ladder: for each preset the arena of the nets `old` and `new`, and what the rung gives against the one before.
#
#   docs/lesson/ladder.sh PRESET...
set -eu
printf '%-14s %15s %8s %15s %8s\n' rung 'old, bytes' saved 'new, bytes' saved
before_old=0 before_new=0
for preset in "$@"; do
    old=$(docs/lesson/peak.sh old --strategy "$preset" | tr -d ,) new=$(docs/lesson/peak.sh new --strategy "$preset" | tr -d ,)
    awk -v p="$preset" -v a="$old" -v b="$before_old" -v c="$new" -v d="$before_new" '
        function commas(n,   s) { s = sprintf("%.0f", n); while (s ~ /[0-9][0-9][0-9][0-9]/) s = grouped(s); return s }
        function grouped(s,   at) { at = match(s, /[0-9][0-9][0-9][0-9](,|$)/); return substr(s, 1, at) "," substr(s, at + 1) }
        function share(now, was,   text) { text = was ? sprintf("%.1f %%", 100 * (was - now) / was) : ""; sub(/^-0\.0 /, "0.0 ", text); return text }
        BEGIN { line = sprintf("%-14s %15s %8s %15s %8s", p, commas(a), share(a, b), commas(c), share(c, d)); sub(/ +$/, "", line); print line }'
    before_old=$old before_new=$new
done
