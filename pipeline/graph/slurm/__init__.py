"""Runs stages as jobs of a Slurm cluster: submitted, followed, found again, cancelled."""
