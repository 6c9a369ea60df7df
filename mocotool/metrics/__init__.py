"""Metrics of videos: features -> statistics -> number, each step on its own.

A detector (`detectors`) turns clips or frames into features, `extraction` feeds it in constant
memory, `statistics` accumulates them, and `frechet`, `kernel_distance` and `inception_score` make
numbers of that. `pairs`, `face_distance` and `diversity` need no statistics.
"""
