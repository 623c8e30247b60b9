"""Other libraries' words for this one: code that was written for them runs with its import changed."""
