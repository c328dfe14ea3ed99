# bash completion for session_exporter. To enable it:
#   eval "$(session_exporter --completion-script-bash)"

_session_exporter() {
    local line=${COMP_LINE:0:COMP_POINT} word current option
    local -a typed words=(--completion-bash)
    COMPREPLY=()
    # Not COMP_WORDS: those are split at = and : too.
    read -a typed <<< "$line"
    [[ $line == *[[:space:]] ]] && typed+=("")
    current=${typed[${#typed[@]}-1]}
    for word in "${typed[@]:1:${#typed[@]}-2}"; do
        case $word in
            --*=*) words+=("${word%%=*}" "${word#*=}") ;;
            -o) words+=(--output) ;;
            *) words+=("$word") ;;
        esac
    done
    if [[ $current == --*=* ]]; then
        words+=("${current%%=*}")
        current=${current#*=}
    elif [[ $current == -* ]]; then
        words+=(--)
    fi
    case ${words[${#words[@]}-1]} in
        --*[.-]file) return ;; # bash's own completion of files
    esac
    while IFS= read -r option || [[ -n $option ]]; do
        [[ $option == "$current"* ]] || continue
        # bash replaces only what follows the last colon.
        [[ $COMP_WORDBREAKS == *:* ]] && option=${option#"${current%"${current##*:}"}"}
        COMPREPLY+=("$(printf %q "$option")")
    done < <("${typed[0]/#\~\//$HOME/}" "${words[@]/#\~\//$HOME/}" 2>/dev/null)
}
complete -o default -F _session_exporter session_exporter
