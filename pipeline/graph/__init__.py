"""The task graph: nodes, fingerprints, processes, doit's tasks."""
