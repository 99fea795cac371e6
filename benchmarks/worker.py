"""One side of `doit run benchmark`: `python -m benchmarks.worker NAME PARAMETERS FOLDER`."""

import json
import sys
from pathlib import Path

from benchmarks.side import serve

if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
