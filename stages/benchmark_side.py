"""One side of `doit run benchmark`: `python -m stages.benchmark_side NAME PARAMETERS FOLDER`."""

import json
import sys
from pathlib import Path

from pipeline.benchmark.side import serve

if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
