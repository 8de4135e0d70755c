"""StyleGAN3 (Karras et al. 2021), T and R."""
