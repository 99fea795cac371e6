"""What this machine does in a second: the project beside other programs that compute the same."""
