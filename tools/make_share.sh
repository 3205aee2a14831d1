#!/usr/bin/env bash
# Makes what an installation has beside its programs, from the programs' own help: manual pages and completions.
#
#   tools/make_share.sh PROGRAM OUT      OUT/man1/segarena*.1, OUT/bash/segarena, OUT/zsh/_segarena
#
# Nothing is written down twice: commands come from `PROGRAM --help`, options from `PROGRAM COMMAND --help`, presets from
# `PROGRAM strategies --json`. What an option takes is completed by its text: one that starts with words in a list ("auto, cpu
# or cuda") is completed with these words, FILE and DIR with files and folders.
set -eu
export LC_ALL=C
program=$(realpath "${1:?usage: make_share.sh PROGRAM OUT}")
out=${2:?usage: make_share.sh PROGRAM OUT}
export ARGP_HELP_FMT='rmargin=4000,opt-doc-col=40,dup-args-note=0'
if ! version=$("$program" --version 2>/dev/null); then
    echo "make_share: $program does not run on this machine: no manual pages, no completions"
    exit 0
fi
nets=$(cd "$(dirname "$0")/../nets" && pwd)
mkdir -p "$out/man1" "$out/bash" "$out/zsh"

commands() { "$program" --help | sed -nE 's/^  ([a-z][a-z-]*)  +[^ ].*/\1/p'; }
summary() { "$program" --help | sed -nE "s/^  $1  +([^ ].*)/\\1/p" | head -n 1; } # command
shipped() # command -> the names of the shipped nets, or of their solvers, if it takes one
{
    local suffix='' file
    case $("$program" "$1" --help | sed -n 1p) in
    *SOLVER*) suffix=_solver ;;
    *NET*) ;;
    *) return ;;
    esac
    for file in "$nets"/*"$suffix".prototxt; do
        file=$(basename "$file" "$suffix.prototxt")
        case $file in *_solver) ;; *) printf '%s ' "$file" ;; esac
    done
}
presets() { "$program" strategies --json | sed -n '/"switches"/q; s/.*"name":[[:space:]]*"\([^"]*\)".*/\1/p'; }

# One line per option: short or -, long, argument or -, optional (yes or -), text; separated by tabs.
options() # command
{
    "$program" "$1" --help | awk -v OFS='\t' '
    !/^ +-/ { next }
    {
        line = $0; sub(/^ +/, "", line); short = "-"; argument = "-"; optional = "-"
        if (match(line, /^-[^-](, )?/)) { short = substr(line, 1, 2); sub(/^-.(, )?/, "", line) }
        name = line; text = ""
        if (match(line, /  +/)) { name = substr(line, 1, RSTART - 1); text = substr(line, RSTART + RLENGTH) }
        else if (match(line, / /)) { name = substr(line, 1, RSTART - 1); text = substr(line, RSTART + 1) }
        if (sub(/\[=/, "=", name)) { optional = "yes"; sub(/\]$/, "", name) }
        if (match(name, /=/)) { argument = substr(name, RSTART + 1); name = substr(name, 1, RSTART - 1) }
        print short, name, argument, optional, text
    }'
}

values_of() # long option, argument, text -> "words a b c", "file", "folder" or "none"
{
    if [ "$1" = --strategy ]; then echo "words $(presets | tr '\n' ' ')"
    else case $2 in
        FILE | OUT) echo file ;;
        DIR) echo folder ;;
        *) awk -v text="$3" 'BEGIN {
               gsub(/ *[(][^)]*[)]/, "", text); sub(/^[a-zA-Z -]+: /, "", text); gsub(/,? or /, ",", text); gsub(/, */, ",", text)
               n = split(text, word, ","); for (i = 1; i <= n; i++) if (word[i] !~ /^[a-z0-9]+$/) n = 0
               if (n < 2) { print "none"; exit }
               printf "words"; for (i = 1; i <= n; i++) printf " %s", word[i]; print "" }' ;;
    esac fi
}

# ------------------------------------------------------------------ manual pages

roff() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\\([.']\\)/\\\\\&\\1/"; } # text -> text that troff prints as it is

man_head() # name, one line, synopsis
{
    printf '.TH %s 1 "" "%s" "User Commands"\n.SH NAME\n' "$(tr '[:lower:]' '[:upper:]' <<<"$1")" "$version"
    printf '%s \\- %s\n.SH SYNOPSIS\n.B %s\n' "$(roff <<<"$1")" "$(roff <<<"$2")" "$(roff <<<"$3")"
}

man_options() # command
{
    local short long argument optional text
    echo '.SH OPTIONS'
    while IFS=$'\t' read -r short long argument optional text; do
        echo .TP
        [ "$short" = - ] || printf '\\fB%s\\fR, ' "$(roff <<<"$short")"
        printf '\\fB%s\\fR' "$(roff <<<"$long")"
        case $argument$optional in
        --) echo ;;
        *yes) printf '[=\\fI%s\\fR]\n' "$(roff <<<"$argument")" ;;
        *) printf '=\\fI%s\\fR\n' "$(roff <<<"$argument")" ;;
        esac
        roff <<<"$text"
    done < <(options "$1")
}

man_command() # command: NAME and SYNOPSIS from its help, then what stands around the table of options
{
    local usage notes
    usage=$("$program" "$1" --help | sed -n '1s/^Usage: //p')
    man_head "segarena-$1" "$(summary "$1")" "$usage"
    echo '.SH DESCRIPTION'
    "$program" "$1" --help | sed '1d; /^ *-/,$d' | roff
    man_options "$1"
    notes=$("$program" "$1" --help | awk '/^ +-/ { seen = 1; next } seen && NF')
    [ -z "$notes" ] || printf '.SH NOTES\n%s\n' "$(roff <<<"$notes")"
    man_tail
}

man_tail()
{
    printf '.SH EXIT STATUS\n0: success.  1: a failure, explained on standard error.  2: wrong usage.\n.SH SEE ALSO\n'
    printf '.BR segarena (1)'
    for other in $(commands); do printf ',\n.BR segarena\\-%s (1)' "$(roff <<<"$other")"; done
    printf '\n.PP\nThe documents in share/doc/segarena of the installation.\n'
}

man_main()
{
    man_head segarena "$("$program" --help | sed -n '1s/^segarena: //p')" 'segarena COMMAND [OPTION...]'
    printf '.SH DESCRIPTION\nNets that come with segarena are found by name in any folder: \\fBsegarena explain old\\fR.\n.SH COMMANDS\n'
    for command in $(commands); do
        printf '.TP\n.BR segarena\\-%s (1)\n%s\n' "$(roff <<<"$command")" "$(summary "$command" | roff)"
    done
    man_tail
}

# ------------------------------------------------------------------ completions

bash_completion()
{
    local command short long argument optional text values words tables='' names=''
    cat <<'HEAD'
# bash completion for segarena, made from its help.
_segarena()
{
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    # bash may split words at '=': --conv=fft is three words then.
    if [ "$current" = = ]; then current=; elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
    if [ "$COMP_CWORD" = 1 ]; then
HEAD
    printf "        mapfile -t COMPREPLY < <(compgen -W '%s --help --version' -- \"\$current\")\n        return\n    fi\n" "$(commands | tr '\n' ' ')"
    printf '    case $command:$before in\n'
    for command in $(commands); do
        words=
        while IFS=$'\t' read -r short long argument optional text; do
            words="$words $long"
            [ "$argument" != - ] && [ "$optional" = - ] || continue
            values=$(values_of "$long" "$argument" "$text")
            printf '    %s:%s%s) ' "$command" "$long" "$([ "$short" = - ] || echo " | $command:$short")"
            case $values in
            words*) printf "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"\$current\"); return ;;\n" "${values#words }" ;;
            file) printf 'mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;\n' ;;
            folder) printf 'mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;\n' ;;
            none) printf 'return ;;\n' ;;
            esac
        done < <(options "$command")
        names="$names    $command) names='$(shipped "$command")' ;;
"
        tables="$tables    $command) mapfile -t COMPREPLY < <(compgen -W '$words' -- \"\$current\") ;;
"
    done
    printf '    esac\n    local names=\n    case $command in\n%s    esac\n' "$names"
    printf '    case $current in\n    -*) ;;\n    *) mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current"; compgen -f -- "$current"); return ;;\n    esac\n'
    printf '    case $command in\n%s    esac\n}\ncomplete -o filenames -o bashdefault -F _segarena segarena\n' "$tables"
}

zsh_quote() { sed -e 's/[]\\:[]/\\&/g' -e "s/'/'\\\\''/g"; } # text -> inside '...[text]...' of _arguments

zsh_action() # values
{
    case $1 in
    words*) printf '(%s)' "${1#words }" ;;
    file) printf '_files' ;;
    folder) printf '_files -/' ;;
    esac
}

zsh_completion()
{
    local command short long argument optional text what takes
    printf '#compdef segarena\n# zsh completion for segarena, made from its help.\n_segarena()\n{\n    local -a commands\n    commands=(\n'
    for command in $(commands); do printf "        '%s:%s'\n" "$command" "$(summary "$command" | zsh_quote)"; done
    printf '    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    fi\n'
    printf '    local command=${words[2]}\n    shift words\n    ((CURRENT--))\n    case $command in\n'
    for command in $(commands); do
        printf '    %s)\n        _arguments -s -S \\\n' "$command"
        while IFS=$'\t' read -r short long argument optional text; do
            what=$(zsh_quote <<<"$text") takes=
            [ "$argument" = - ] || takes="$([ "$optional" = yes ] && echo :):$(zsh_quote <<<"$argument"):$(zsh_action "$(values_of "$long" "$argument" "$text")")"
            if [ "$argument" = - ]; then printf "            '%s[%s]' \\\\\n" "$long" "$what"
            else printf "            '%s%s[%s]%s' \\\\\n" "$long" "$([ "$optional" = yes ] && echo '=-' || echo '=')" "$what" "$takes"; fi
            [ "$short" = - ] || [ "$short" = '-?' ] || printf "            '%s[%s]%s' \\\\\n" "$short" "$what" "$takes"
        done < <(options "$command")
        printf "            '*:file:_alternative \"names:net:(%s)\" \"files:file:_files\"'\n        ;;\n" "$(shipped "$command")"
    done
    printf '    esac\n}\n_segarena "$@"\n'
}

man_main >"$out/man1/segarena.1"
for command in $(commands); do man_command "$command" >"$out/man1/segarena-$command.1"; done
bash_completion >"$out/bash/segarena"
zsh_completion >"$out/zsh/_segarena"
