"""Each training command as one call: from files to a run's folder.

`train_image`, `train_motion` and `train_latent_motion`; `beginning` is what they share.
"""
