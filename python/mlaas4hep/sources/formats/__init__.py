"""One module a format, whose ``FORMAT`` says how its files are told from others, and what opens them."""
