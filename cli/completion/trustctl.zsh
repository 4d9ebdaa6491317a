#compdef trustctl
# zsh completion for trustctl:  eval "$(trustctl completion zsh)"
_trustctl() {
  local candidate
  local -a found
  for candidate in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $candidate in
      '') ;;
      :files) _files ;;
      :commands) _command_names ;;
      *) found+=("$candidate") ;;
    esac
  done
  (( ${#found} )) && compadd -- "${found[@]}"
}
if [[ ${funcstack[1]} == _trustctl ]]; then # autoloaded
  _trustctl "$@"
else
  compdef _trustctl trustctl
fi
