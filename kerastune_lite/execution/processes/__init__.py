"""Worker processes on this machine, each of them watched."""
