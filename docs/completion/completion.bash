# Completes `name=value` of doit's commands in bash, beside what `doit tabcompletion --shell bash` completes.

_hssl_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$_hssl_root/docs/completion/options.sh"

_hssl_complete() {
  local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n'
  local word=${line##*[[:space:]]}
  COMPREPLY=()
  if [[ $word == *=* ]]; then
    _hssl_complete_value "${word%%=*}" "${word#*=}"
    return
  fi
  if declare -F _doit > /dev/null; then _doit 2> /dev/null; fi
  if [[ $line =~ ^[^[:space:]]+[[:space:]]+run[[:space:]]+[^[:space:]]+[[:space:]] ]]; then
    COMPREPLY+=($(compgen -S = -W "$_hssl_options" -- "$word"))
  fi
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2> /dev/null; fi
}

_hssl_complete_value() {
  local name=$1 before=${2%"${2##*,}"} last=${2##*,} IFS=$'\n'
  # bash replaces what stands behind the last of these characters.
  [[ $COMP_WORDBREAKS == *=* ]] || before=$name=$before
  COMPREPLY=($(compgen -P "$before" -W "$(_hssl_values "$name" "$_hssl_root")" -- "$last"))
  case $name in
    experiment | experiments) COMPREPLY+=($(compgen -P "$before" -f -X '!*.toml' -- "$last")) ;;
    data | out) COMPREPLY+=($(compgen -P "$before" -f -- "$last")) ;;
  esac
}

complete -F _hssl_complete doit
