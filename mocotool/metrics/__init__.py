"""Metrics of videos: features -> statistics -> number, each step on its own.

- A side of a comparison: `sides` opens it, from `sources` of clips, `sampled_videos` of a motion
  model, or `saved_statistics` and `foreign_statistics`.
- Which samples: `sampling` plans them, `reading` decodes them, `repeats` draws again.
- Features: `detectors` of clips and `frame_detectors` of frames, by networks or by hand
  (`motion_features`, `tracks`, `pixel_features`, `movement`, `resizing`); `extraction` feeds them
  in constant memory, and `measuring` does it alike for all.
- Statistics: `statistics`, `compared_sides` and what may be wrong with them, `side_warnings`.
- Numbers of distributions: `distances` (FVD, KVD) and `frame_distances` (FID, KID) by `frechet` and
  `kernel_distance`; `inception_score`, `precision_recall`, `two_sample`.
- Numbers of videos: `pairs` (PSNR, SSIM, LPIPS), `face_distance` with `faces`, `diversity`,
  `prediction`.
- Figures of motion: `motion` by `motion_figures` of a `motion_sample`, with `identity`, beside
  `motion_baselines`.
- All at once: `overview`; while training: `held_out` and `held_out_motion`; and all say it as
  `results`, with `intervals`.
"""
