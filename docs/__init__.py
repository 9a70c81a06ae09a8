"""The pages, and what `make docs` makes a site of them with."""
