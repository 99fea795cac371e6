#!/usr/bin/env bash
# jittor 1.3.11.0, numpy 1.26.4 (Python 3.11), on a processor.
#
# `use_sfrl_allocator` chooses between Jittor's pool of memory and plain allocations; it is what one turns off to see with
# other tools where memory goes. A reshape copies nothing: its result shares memory with its source. Plain allocations cannot be
# shared, so the result gets new memory, and nobody writes into it. x * 2 + 1, reshaped, plus 1, holds whatever was there,
# without an error or a warning. With the pool it is right.
#
# Seen: with the pool 0 of 20 results are wrong, without it 20 of 20.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet jittor==1.3.11.0 numpy==1.26.4 setuptools==80.9.0
export JITTOR_HOME="$work" log_silent=1
export nvcc_path="" use_mkl=0 # a processor alone, and no download at the first import

wrong_results() {
    use_sfrl_allocator=$1 "$work/env/bin/python" - <<'PYTHON'
import jittor as jt
import numpy as np

source = np.arange(24, dtype=np.float32).reshape(4, 6)
x = jt.array(source)
wrong = 0
for number in range(20):
    result = ((x * 2 + number).reshape(6, 4) + 1).numpy()
    wrong += not np.array_equal(result.ravel(), (source * 2 + number + 1).ravel())
print(wrong)
PYTHON
}

with_pool=$(wrong_results 1 | tail -1)
without_pool=$(wrong_results 0 | tail -1)
echo "wrong results of 20: with the pool $with_pool, without it $without_pool"
[ "$with_pool" = 0 ] && [ "$without_pool" = 20 ]
