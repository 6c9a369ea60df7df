"""An interactive page to control a video: what its controls mean, and the server behind it.

`opening` loads the models into a `session`, which computes frames, in as many `threads` as are
fastest; `line` writes the equivalent command line, `page` the HTML, and `server` serves them.
"""
