"""What a generator answers when its latents move: outputs, Jacobians, Gram matrices, activeness, and the papers' penalties."""
