"""The command line: the only place that knows typer, rich, stdin, stdout and exit codes.

- Commands: `app` lists them, each is a `cmd_NAME`, and `narrow` picks the one that is called;
  `group` turns errors into messages, with `shortages` for memory and disk space.
- Options: `spread` makes them from dataclasses; shared ones are in `options`, `eval_options`,
  `encoder_options` and `perceptual_options`.
- Data: `inputs`, `outputs` and `streams`; `report` for messages, with `printable` text.
- Shared parts of commands: `latents_filter` (latents to latents), `eval_comparison` (real against
  generated), `picture_inversion` and `clip_inversion` (both halves of `moco invert`),
  `found_pictures` (inverted clips), `latent_motion`.
"""
