"""Shared by all training commands: the run folder, distributed processes, order, randomness.

- The loop: `loop`, which `stopping` and `budget` end, and `listeners` hear; `best_step`.
- The run's folder: `run_folder` with its `run_record`, `run_states` and `run_lock`; the names in it
  are in `run_files`, and `run_curves` draws them.
- The mathematics: `networks`, `optimizers`, `randomness`, and `distributed` processes.
"""
