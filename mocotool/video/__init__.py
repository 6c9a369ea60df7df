"""Videos in and out, through PyAV: exact random access, clips for training, and encoders.

Import from the module of the subject; the public names are exported from `mocotool` itself.

- One video: `opening` indexes it, `reading` reads any frame, by `containers` and `pixels`;
  `sound`, still `pictures`, and `limits` on all of them with `image_sizes`.
- A folder of videos: `listing`, of the `candidates` in a folder or in `archives` (several by one
  name with `braces`), with their `classes`; `known` and `contents` cache what was found.
- For training: `clips` samples, `cutting` and `alignment` crop, `decoded` (`beside` the
  first steps) and `loading` serve them.
- For inversion: `stills`, and `comparison` of targets and results.
- Writing: `writing`, `encodings`, `palette` of GIF, `numbered` frames, `scaling`.
"""
