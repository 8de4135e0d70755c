"""Fine-tuning the mapping: exactly, by a rotation of z, or by training all its layers."""
