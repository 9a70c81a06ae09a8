"""The network: where it starts from, and how it is fine-tuned."""
