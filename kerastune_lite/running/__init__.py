"""What the search asks of a worker and what it is told back. Knows no Keras."""
