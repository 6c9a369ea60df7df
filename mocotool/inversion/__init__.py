"""Which latent renders this picture? The paper's inversion, for batches of pictures.

`objective` says how far off a rendering is, `starts` where to begin, `descent` how to go down,
`gauss_newton` how to end, and `search` is the whole of it: pictures in model units to latents.
`tuning` lets the generator give way to pictures that no latent renders.
"""
