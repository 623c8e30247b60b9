"""Worker processes that the search starts on this machine and watches."""
