"""One frozen dataclass per command: defaults, ranges, checks; imports nothing heavy.

A module has the name of its command. `invert_clips` and `train_latent_motion` are further settings
of `moco invert` and `moco train-motion`, `motion_recipes` its two recipes, `motion_presets` the
settings of experiments; `evaluate`, `eval_features` and `prediction` belong to `moco eval`. Shared:
`running`, `shard`, `steering`, `generator`; `option` and `chosen` are how settings are defined and
read.
"""
