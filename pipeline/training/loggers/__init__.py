"""Other programs' logs of a training: what metrics.jsonl holds, handed on."""
