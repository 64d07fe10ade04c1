"""One function a command: plain Python, given the context and its options, handing back a report."""
