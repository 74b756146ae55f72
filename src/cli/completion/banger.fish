# Completion of banger for fish; `banger completion fish` prints it.
function __banger_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($words[1] __complete $words[2..] "$current" 2>/dev/null)
    if set -q found[1]
        string join \n -- $found
    else
        __fish_complete_path "$current"
    end
end
complete -c banger -f -a '(__banger_complete)'
