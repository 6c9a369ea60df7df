"""Training a StyleGAN2 on images: discriminators, augmentation, the trainer, its plan."""
