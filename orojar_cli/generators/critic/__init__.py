"""The critic (discriminator) of StyleGAN2 and StyleGAN3."""
