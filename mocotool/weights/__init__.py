"""Readers of weight files, to plain tensors. Nothing in the file is ever run.

This package imports nothing by itself: what a safetensors header says is read without torch.

- Any file: `reading` hands it to the reader of its format, by `opening`, `sniffing` and `folders`;
  `inspection` says what else it may be, `refusals` why not, and `contents` is what comes out, in
  the limits of `architectures` and `finite`.
- Containers: `safetensors_file`, `torch_zip`, and pickles, which `safe_pickle` interprets wherever
  they are: `pickle_opcodes` on a `pickle_state`, with `inert` functions that make `records`.
- Our own format: `native`.
- Others' formats: `nvidia_torch` and `stylegan3` by `nvidia_modules`, `nvidia_tf`, `ada_state`,
  `rosinality`, `biggan`, `dcgan`, by `state_dicts`.
"""
