"""StyleGAN2 (Karras et al. 2020) and StyleGAN2-ADA."""
