"""Measures models: metrics, calibration, slices, and the gate before the store."""
