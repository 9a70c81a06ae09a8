"""Judges whether a deployed service scales up under load and back down after it. Uses `deploy` to read the cluster."""
