"""Videos in and out, through PyAV: exact random access, clips for training, and encoders.

Import from the module that has the subject; what users need is exported from `mocotool` itself.

- One video: `opening` looks at it, `reading` gives any frame, by `containers` and `pixels`;
  `sound`, still `pictures`, and `limits` on all of them with `image_sizes`.
- A folder of videos: `listing`, of the `candidates` in a folder or in `archives` (several by one
  name with `braces`), with their `classes`; `known` and `contents` spare looking twice.
- For training: `clips` chooses, `cutting` and `alignment` cut, `decoded` keeps, `loading` batches.
- For inversion: `stills`, and `comparison` of what came out.
- Writing: `writing`, `encodings`, `palette` of GIF, `numbered` frames, `scaling`.
"""
