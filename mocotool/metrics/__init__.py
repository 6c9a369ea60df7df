"""How good is a video? Features -> statistics -> number, each step on its own.

A detector (`detectors`) turns clips or frames into features, `extraction` feeds it in constant
memory, `statistics` holds what is left of the features, and `frechet`, `kernel_distance` and
`inception_score` make numbers of that. `pairs`, `face_distance` and `diversity` need no statistics.
"""
