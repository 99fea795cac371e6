# What completion.bash and completion.zsh complete: the options of doit's commands here, and their values.

_hssl_options="arm by data deep delete device executor experiment experiments format hours of out overlays patches
profile repeats results rows run score seed shard_mib size stage step task"

# Prints the known values of option $1, one a line, for the project in folder $2.
_hssl_values() {
  case $1 in
    experiment) _hssl_stems "$2/pipeline/presets" .toml ;;
    experiments) _hssl_stems "$2/results" /table.json ;;
    arm) sed -n 's/^    "\([^"]*\)": Arm(.*/\1/p' "$2/pipeline/pretrain/methods/settings.py" ;;
    by) printf '%s\n' arm dataset config ;;
    task) printf '%s\n' segment detect classify ;;
    format) printf '%s\n' timm torch hf onnx jittor npz csv parquet ;;
    executor) printf '%s\n' local slurm ;;
    device) printf '%s\n' cpu cuda ;;
    of) printf '%s\n' all ablate search search-validate sweep ;;
    deep | delete | patches | profile) echo yes ;;
    overlays) echo all ;;
  esac
}

# Prints the names in folder $1 that end in $2, without it.
_hssl_stems() {
  for _hssl_path in "$1"/*"$2"; do
    [ -e "$_hssl_path" ] || continue
    _hssl_path=${_hssl_path%"$2"}
    printf '%s\n' "${_hssl_path##*/}"
  done
}
