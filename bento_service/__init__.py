"""Extractive question answering over HTTP: a question and a context in, the answering span out."""

import os

# onnxruntime reads this when it is loaded; since 1.29 it otherwise writes a device id and reports its use over HTTPS.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
