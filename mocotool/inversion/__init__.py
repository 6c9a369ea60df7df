"""Inversion: the latents that render given pictures, for batches of pictures.

`objective` measures the error of a rendering, `starts` proposes initial latents (`encoder` is one
that learnt to), `descent` is Adam, `gauss_newton` the final steps, and `search` puts them together:
pictures in [-1, 1] to latents. `clips` and `clip_search` do it for the frames of clips, `quality`
says how near they came, and `tuning` lets the generator give way to pictures that no latent
renders.
"""
