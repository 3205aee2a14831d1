#!/usr/bin/env bash
# Drives the pages of `segarena plan --html`, `story` and `place --html` in a browser: tests/report/drive_page.py, which needs playwright
# and Chromium. Without them the suite is one skipped test.
set -u
cd "$(dirname "$0")/../.." || exit 1
segarena=${SA_BUILD:-build}/segarena
python=''
for candidate in ${SA_PLAYWRIGHT_PYTHON:-} python3 /usr/bin/python3; do
    if "$candidate" -c 'import playwright' 2>/dev/null; then python=$candidate && break; fi
done
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
skip() # reason
{
    echo "SKIP: pages are not driven in a browser: $1"
    echo '[  PASSED  ] 0 test(s).'
    echo '[  SKIPPED ] 1 test(s).'
    exit 0
}
[ -n "$chromium" ] || skip 'no chromium here (apt-get install chromium)'
[ -n "$python" ] || skip 'no playwright here (pip install playwright axe-playwright-python; SA_PLAYWRIGHT_PYTHON names its Python)'
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
"$segarena" story nets/old.prototxt nets/new.prototxt --costs builtin --html "$folder/story.html" 2>/dev/null || exit 1
"$segarena" plan nets/new.prototxt --strategy smallest --costs builtin --html "$folder/plan.html" >/dev/null 2>&1 || exit 1
"$segarena" plan nets/old.prototxt --csv "$folder/plan.csv" >/dev/null 2>&1 || exit 1
"$segarena" place "$folder/plan.csv" --capacity 1GiB --html "$folder/place.html" >/dev/null 2>&1 || exit 1
CHROMIUM=$chromium "$python" tests/report/drive_page.py "$folder"
