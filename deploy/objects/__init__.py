"""The objects on the cluster: each module turns settings into models of the `kubernetes` client.

Objects of custom resources (Gateway API, Prometheus) are plain dictionaries.
"""
