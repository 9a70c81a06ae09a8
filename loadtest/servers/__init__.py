"""Measures servers on this machine: the service beside a baseline, over lengths and batches, and under mixed load."""
