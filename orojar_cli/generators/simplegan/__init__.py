"""The small GANs of the OroJaR and Hessian Penalty experiments (dSprites, CelebA)."""
