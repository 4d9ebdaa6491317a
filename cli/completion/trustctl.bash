# bash completion for trustctl:  eval "$(trustctl completion bash)"
_trustctl() {
  local word=${COMP_WORDS[COMP_CWORD]} candidate
  local -a words=("${COMP_WORDS[@]:1:COMP_CWORD-1}" "$word")
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :files) compopt -o filenames 2>/dev/null
              while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done \
                < <(compgen -f -- "$word") ;;
      :commands) while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done \
                   < <(compgen -c -- "$word") ;;
      *) COMPREPLY+=("$candidate") ;;
    esac
  done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -F _trustctl trustctl
