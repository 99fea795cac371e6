"""Images with any number of channels: from satellites, microscopes, scanners, or arrays."""
