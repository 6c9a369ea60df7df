"""Published networks in plain torch, for detectors and perceptual distances."""
