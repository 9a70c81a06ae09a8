"""Load tests: `servers` compares servers on one machine, `cluster` judges whether a cluster scales."""
