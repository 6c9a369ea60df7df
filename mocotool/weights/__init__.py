"""A file of weights -> plain tensors. Nothing in the file is ever run.

Every pickle, whether it stands alone, inside a torch zip or inside another pickle, is interpreted
by `safe_pickle.PickleMachine`, which knows only inert functions of our own.
"""

from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.reading import read_generator_weights, read_state_dict

__all__ = ["GeneratorWeights", "read_generator_weights", "read_state_dict"]
