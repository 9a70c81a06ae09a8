"""Exports a network to the served graph: quantisation, narrowing, and a race of engines."""
