"""How good a model is: metrics, calibration, slices, and the gate before the store."""
