"""Where trials run: in the search's own process, in processes that it starts, or on workers of a cluster."""
