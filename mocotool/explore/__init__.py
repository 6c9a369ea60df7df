"""A page to steer a video by hand: what its controls mean, and the server behind it."""
