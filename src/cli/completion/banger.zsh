#compdef banger
# Completion of banger for zsh; `banger completion zsh` prints it.
_banger() {
    local -a lines names
    local line
    lines=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in $lines; do
        names+=("${${line%%$'\t'*}//:/\\:}${${line#*$'\t'}:+:${line#*$'\t'}}")
    done
    if (( ${#names} )); then
        _describe -V banger names
    else
        _files
    fi
}
if [[ "${funcstack[1]}" = _banger ]]; then
    _banger "$@"
else
    compdef _banger banger
fi
