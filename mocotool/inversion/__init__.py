"""Inversion: the latents that render given pictures, for batches of pictures.

`objective` measures the error of a rendering, `starts` proposes initial latents, `descent` is Adam,
`gauss_newton` the final steps, and `search` puts them together: pictures in [-1, 1] to latents.
`encoder` is what learnt to propose them, by `kernel_encoder` or `network_encoder`, and
`encoder_files` trains, writes and reads both. `clips` and `clip_search` do it for the frames of
clips, `quality` says how near they came, and `tuning` lets the generator give way to pictures that
no latent renders.
"""
