"""Prepares training data: windows with targets, constructed unanswerable questions, and soft labels."""
