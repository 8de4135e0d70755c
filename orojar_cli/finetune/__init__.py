"""Fine-tuning the mapping: the exact rotation of z."""
