"""Operations on latents: paths, loops, edits, mixes, cuts, music. No torch."""
