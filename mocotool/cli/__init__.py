"""The command line: the only place that knows typer, rich, stdin, stdout and exit codes.

- Commands: `app` lists them, each is a `cmd_NAME`; `group` turns errors into messages, with
  `shortages` for memory and disk space.
- Options: `spread` makes them from dataclasses; shared ones are in `options`, `eval_options` and
  `encoder_options`.
- Data: `inputs`, `outputs` and `streams`; `report` for messages, with `printable` text.
- Shared parts of commands: `latents_filter` (latents to latents), `eval_comparison` (real against
  generated), `clip_inversion` and `found_pictures` (inverted clips), `latent_motion`.
"""
