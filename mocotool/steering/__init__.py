"""Verbs that turn latents into other latents: paths, loops, edits, mixes, cuts, music. No torch."""
