# Completes `name=value` of doit's commands in zsh, beside what `doit tabcompletion --shell zsh` completes.

_hssl_root=${${(%):-%x}:A:h:h:h}
. "$_hssl_root/docs/completion/options.sh"

_hssl_complete() {
  local command=$words[2] place=$CURRENT name=${PREFIX%%=*}
  local -a values
  if [[ $PREFIX == *=* ]]; then
    compset -P '*='
    [[ $name == experiments ]] && compset -P '*,'
    values=(${(f)"$(_hssl_values $name $_hssl_root)"})
    (( $#values )) && compadd -a values
    case $name in
      experiment|experiments) _files -g '*.toml' ;;
      data|out) _files ;;
    esac
    return
  fi
  _doit "$@"
  values=(${^${=_hssl_options}}=)
  [[ $command == run ]] && (( place > 3 )) && compadd -S '' -a values
}

compdef _hssl_complete doit
