"""A search: what it decides, what it does, and the tuners that a person makes."""
