"""What a person sees of a search: views are shown events and know nothing else."""
