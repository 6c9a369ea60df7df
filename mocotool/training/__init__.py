"""Shared by all training commands: the run folder, distributed processes, order, randomness."""
