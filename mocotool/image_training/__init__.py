"""Training a StyleGAN2 on images.

`training` is the loop, `trainer` one step, against a `stylegan2_discriminator` or a
`projected_discriminator`, on images that `augment` changes. `start` begins from a given generator,
and `plan` fits a run to a time budget.
"""
