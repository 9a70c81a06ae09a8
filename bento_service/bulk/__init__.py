"""`python -m bento_service answer`: a file of questions to the same file with answers."""
