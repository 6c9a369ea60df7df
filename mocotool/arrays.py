"""The type of array that pictures outside of tensors are handed around in."""

import numpy as np
import numpy.typing as npt

FramesU8 = npt.NDArray[np.uint8]
"""RGB in bytes: uint8 [h, w, 3] or [t, h, w, 3], as files and encoders have it; where channels come
first, [t, 3, h, w], the docstring says so."""
