"""Operations on latents: paths, loops, edits, mixes, cuts, music. No torch.

One module a command: `keyframes` (`moco path`), `loops`, `edits`, `mixing`, `cutting` (`moco cut`
and `moco cat`), `reaction` (`moco react`). They share `schedules` in time, `directions` in the
space of latents, the `agreement` of two files, and `hearing` for music.
"""
