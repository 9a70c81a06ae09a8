"""What is on the cluster, a module a concern: each turns settings into objects of the `kubernetes` client's models.

Objects of kinds that Kubernetes itself does not have (Gateway API, Prometheus) are plain dictionaries.
"""
