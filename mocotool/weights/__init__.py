"""Readers of weight files, to plain tensors. Nothing in the file is ever run.

Every pickle, whether it stands alone, inside a torch zip or inside another pickle, is interpreted
by `safe_pickle.PickleMachine`, which knows only inert functions of our own. This package imports
nothing by itself: what a safetensors header says is read without torch.
"""
