"""Inversion: the latents that render given pictures, for batches of pictures.

`objective` is the loss, `starts` proposes initial latents, `descent` is Adam, `gauss_newton` the
final steps, and `search` combines them: pictures in [-1, 1] to latents. `encoder` predicts initial
latents, as `kernel_encoder` or `network_encoder`, and `encoder_files` trains, writes and reads
both. `clips` and `clip_search` invert the frames of clips together, `quality` measures
reconstructions, and `tuning` adapts the generator to pictures that no latent renders.
"""
