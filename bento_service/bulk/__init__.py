"""Answers a file of questions, for `python -m bento_service answer`."""
