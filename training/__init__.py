"""From examples to a model in the BentoML store: `python -m training --help`."""
