"""What a run needs of the machine beneath Jittor."""
