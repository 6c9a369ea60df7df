"""Networks made elsewhere, rebuilt: what detectors and perceptual distances compute with."""
