"""Inversion: the latents that render given pictures, for batches of pictures.

`objective` measures the error of a rendering, `starts` proposes initial latents, `descent` is Adam,
`gauss_newton` the final steps, and `search` puts them together: pictures in [-1, 1] to latents.
`tuning` lets the generator give way to pictures that no latent renders.
"""
