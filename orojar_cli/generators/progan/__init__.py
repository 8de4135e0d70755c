"""ProGAN (Karras et al. 2018) as PyTorch trains it."""
