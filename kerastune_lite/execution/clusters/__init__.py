"""Workers that somebody else has started: a Dask cluster's, or an executor's."""
