"""From settings to running pods: what is on the cluster, and how it gets there."""
