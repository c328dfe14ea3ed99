#compdef session_exporter
# zsh completion for session_exporter. To enable it, after compinit:
#   source <(session_exporter --completion-script-zsh)

_session_exporter() {
    local word current=${(Q)words[CURRENT]}
    local -a typed options
    typed=(--completion-bash)
    for word in "${(@Q)words[2,CURRENT-1]}"; do
        case $word in
            --*=*) typed+=("${word%%=*}" "${word#*=}") ;;
            -o) typed+=(--output) ;;
            *) typed+=("$word") ;;
        esac
    done
    if [[ $current == --*=* ]]; then
        typed+=("${current%%=*}")
        compset -P '*='
    elif [[ $current == -* ]]; then
        typed+=(--)
    fi
    if [[ $typed[-1] == --*[.-]file ]]; then
        _files
        return
    fi
    typed=("${(@)typed/#\~\//$HOME/}")
    options=("${(@f)$(${(Q)words[1]/#\~\//$HOME/} "${typed[@]}" 2>/dev/null)}")
    [[ -n $options ]] && compadd -a options || _files
}

# The first call, if the shell found the file in $fpath; otherwise it was sourced.
if [[ $funcstack[1] == _session_exporter ]]; then
    _session_exporter "$@"
else
    compdef _session_exporter session_exporter
fi
