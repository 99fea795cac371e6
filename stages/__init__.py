"""One runnable module per stage: `run(config, inputs..., output)` loads, calls the library, and writes."""
