"""The motion model G_M and how it is learnt: generator, discriminators, losses, training."""
