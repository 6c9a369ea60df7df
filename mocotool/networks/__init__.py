"""Published networks in plain torch, for detectors and perceptual distances.

- Of clips: `i3d` and `c3d`; of frames: `inception`, `facenet` and `vgg16`, built by `shapes_only`
  without initial values.
- Bundled: `squeezenet`, and `lpips` on it; `dlib_faces` comes from a package.
"""
