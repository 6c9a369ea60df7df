"""The motion model G_M and how it is learnt: generator, discriminators, losses, training.

- The model: `generator`, `guided` for learning from latents, `step_head`; on disk
  `checkpoint`, and in the authors' form `official` and `official_run`.
- Learning from videos: `training` is the loop, `trainer` one step, made by `building` of `games`
  (against `patch_discriminator`) and `frame_game` (against `image_discriminator`), which share a
  `context`. They use `losses`, `augment`, `memory_bank`, `rendering` and `twice_differentiable`.
- Learning from latents: `latent_training` is the loop, `latent_game` one step, on `latent_clips`
  seen through a `surrogate`, judged by `step_scores`, `walk_figures` and `displacement`.
- Before a run: `preparation`, `start`, `step_size`, `plan`, `latent_plan`, `render_budget`,
  `compilation`.
"""
