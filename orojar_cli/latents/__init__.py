"""Where latents live: spaces, points in them, and the moments of their distribution."""
