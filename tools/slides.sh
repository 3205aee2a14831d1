#!/usr/bin/env bash
# Makes slides of a document: one HTML page without any other file, driven by the keyboard.
#
#   tools/slides.sh FILE.md >slides.html
#
# Slides are divided by lines of "---". Of Markdown it knows headings, paragraphs, lists, blocks of text, **strong**, `code` and pictures
# alone on a line, which go into the page.
set -eu
folder=$(dirname "$1")

cat <<'HTML'
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>Where a training step's memory goes</title>
<style>
:root { --paper: #ffffff; --ink: #1a1f27; --soft: #55606e; --block: #f0f2f5; --accent: #0b5cad; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e9edf2; --soft: #a5b0be; --block: #1d2128; --accent: #7db8f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: clamp(16px, 2.1vw, 34px)/1.45 system-ui, "DejaVu Sans", sans-serif; }
section { display: none; min-height: 100vh; padding: 5vh 7vw 9vh; }
section.here { display: flex; flex-direction: column; justify-content: center; }
h1, h2 { font-size: 1.6em; line-height: 1.2; margin: 0 0 .6em; color: var(--accent); }
h1 { font-size: 2.1em; }
p, ul, ol { margin: 0 0 .7em; }
pre { margin: 0 0 .7em; padding: .7em .9em; background: var(--block); border-radius: 8px; overflow: auto; font-size: .7em; line-height: 1.4; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .9em; }
img { max-width: 100%; max-height: 72vh; object-fit: contain; align-self: center; }
footer { position: fixed; right: 2vw; bottom: 2vh; font-size: .6em; color: var(--soft); }
@media print { section { display: block; min-height: 0; break-after: page; } footer { display: none; } }
</style>
</head>
<body>
<main>
HTML

picture='^!\[([^]]*)\]\(([^)]+)\)$'
while IFS= read -r line || [ -n "$line" ]; do
    if [[ $line =~ $picture ]]; then
        printf '@@<img alt="%s" src="data:image/svg+xml;base64,%s">\n' "${BASH_REMATCH[1]}" "$(base64 -w 0 "$folder/${BASH_REMATCH[2]}")"
    else
        printf '%s\n' "$line"
    fi
done <"$1" | awk '
    function escaped(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); return text }
    function close_list() { if (list) print "</" list ">"; list = "" }
    function close_text() { if (text) print "<p>" text "</p>"; text = "" }
    function spans(text,   made) {
        text = escaped(text)
        while (match(text, /`[^`]+`/)) { made = made substr(text, 1, RSTART - 1) "<code>" substr(text, RSTART + 1, RLENGTH - 2) "</code>"; text = substr(text, RSTART + RLENGTH) }
        text = made text; made = ""
        while (match(text, /\*\*[^*]+\*\*/)) { made = made substr(text, 1, RSTART - 1) "<strong>" substr(text, RSTART + 2, RLENGTH - 4) "</strong>"; text = substr(text, RSTART + RLENGTH) }
        return made text
    }
    function item(kind, text) { close_text(); if (list != kind) { close_list(); print "<" kind ">"; list = kind } print "<li>" spans(text) "</li>" }
    BEGIN { print "<section>" }
    code && /^```/ { print "</pre>"; code = 0; next }
    code { print escaped($0); next }
    /^<!--/ { next }
    /^@@/ { close_text(); close_list(); print substr($0, 3); next }
    /^```/ { close_text(); close_list(); printf "<pre tabindex=\"0\">"; code = 1; next }
    /^---$/ { close_text(); close_list(); print "</section>\n<section>"; next }
    /^# / { print "<h1>" spans(substr($0, 3)) "</h1>"; next }
    /^## / { close_text(); close_list(); print "<h2>" spans(substr($0, 4)) "</h2>"; next }
    /^- / { item("ul", substr($0, 3)); next }
    /^[0-9]+\. / { sub(/^[0-9]+\. /, ""); item("ol", $0); next }
    /^$/ { close_text(); close_list(); next }
    { text = text (text ? " " : "") spans($0) }
    END { close_text(); close_list(); print "</section>" }'

cat <<'HTML'
</main>
<footer></footer>
<script>
'use strict';
const slides = [...document.querySelectorAll('section')];
let at = 0;
function show(number) {
  at = Math.min(slides.length - 1, Math.max(0, number));
  slides.forEach((slide, i) => slide.classList.toggle('here', i === at));
  document.querySelector('footer').textContent = `${at + 1} / ${slides.length}`;
  history.replaceState(null, '', '#' + (at + 1));
  scrollTo(0, 0);
}
const KEYS = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, ' ': 1, Enter: 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1, Backspace: -1 };
addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (KEYS[event.key]) show(at + KEYS[event.key]);
  else if (event.key === 'Home') show(0);
  else if (event.key === 'End') show(slides.length - 1);
  else if (event.key === 'f') document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  else return;
  event.preventDefault();
});
document.querySelector('main').addEventListener('click', event => show(at + (event.clientX < innerWidth / 3 ? -1 : 1)));
show((Number(location.hash.slice(1)) || 1) - 1);
</script>
</body>
</html>
HTML
