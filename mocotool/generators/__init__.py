"""The image generators G_I: frozen networks that turn a latent into an image.

- What they have in common: `base`, drawn in `chunks`.
- One module a family: `stylegan2` with its `stylegan2_layers`, `stylegan3`, `biggan`, `dcgan`;
  `tuned` is one that was fitted to pictures.
- Files: `loading`, `finding` and `recorded` for those that latents name, `conversion`, with
  `ada_names` and `rosinality_names`.
- Parts of layers: `frozen_layer`, `resampling`, `twice_differentiable`; `kept` is what follows from
  frozen weights.
"""
