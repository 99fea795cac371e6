"""Images that are numbers in any count of channels: satellites', microscopes', scanners' and arrays."""
