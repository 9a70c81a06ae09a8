"""Extractive question answering over HTTP: a question and a context in, the answering span out."""
