"""Trains, evaluates and stores models: `python -m training --help` lists the commands."""
