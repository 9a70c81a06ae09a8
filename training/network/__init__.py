"""The network: its base model and its fine-tuning."""
