"""Videos in and out, through PyAV: exact random access, clips for training, and encoders.

Import from the module that has the subject: `reading`, `listing`, `clips`, `loading`, `writing`,
`pictures`. What users need is exported from `mocotool` itself.
"""
