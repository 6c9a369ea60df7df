"""The image generators G_I: frozen networks that turn a latent into an image."""
