# fish completion for trustctl:  trustctl completion fish | source
function __trustctl_candidates
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    for candidate in ($words[1] __complete $words[2..-1] "$word" 2>/dev/null)
        switch $candidate
            case :files
                __fish_complete_path "$word"
            case :commands
                __fish_complete_command
            case '*'
                echo $candidate
        end
    end
end
complete -c trustctl -f -a '(__trustctl_candidates)'
