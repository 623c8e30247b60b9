"""What a person sees of a search. A view is shown events and the study after each of them, and knows nothing else."""
