"""Load on the service, and what it shows: against a baseline, over lengths and batches."""
