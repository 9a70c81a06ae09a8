"""Deploys the service to Kubernetes: renders manifests, applies them and follows Jobs and rollouts."""
