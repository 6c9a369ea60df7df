"""Tracked motion by plain loops in float64: block by block, shift by shift, vector by vector."""

import math

import numpy as np

BLOCK, REACH, STIFFNESS = 8, 4, (1.0 / 255.0) ** 2


def pixel(frame, x, y):
    """Return a colour of [c, h, w] between pixels; outside, the nearest edge goes on."""
    height, width = frame.shape[1:]
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    fx, fy = x - left, y - top
    above = frame[:, top, left] * (1 - fx) + frame[:, top, left + 1] * fx
    below = frame[:, top + 1, left] * (1 - fx) + frame[:, top + 1, left + 1] * fx
    return above * (1 - fy) + below * fy


def block(frame, x, y, margin=0):
    """Return the block around a place, [c, b, b]."""
    offsets = np.arange(BLOCK + 2 * margin) - (BLOCK + 2 * margin - 1) / 2
    rows = [[pixel(frame, x + dx, y + dy) for dx in offsets] for dy in offsets]
    return np.array(rows).transpose(2, 0, 1)


def find_shift(before, after, x, y):
    """Return where the block around (x, y) went."""
    wanted = block(before, x, y)
    area = block(after, x, y, margin=REACH)
    costs = {}
    for sy in range(-REACH, REACH + 1):
        for sx in range(-REACH, REACH + 1):
            there = area[:, REACH + sy :, REACH + sx :][:, :BLOCK, :BLOCK]
            mean = np.mean((there - wanted) ** 2)
            costs[sx, sy] = mean + STIFFNESS * (sx**2 + sy**2)
    sx, sy = min(costs, key=costs.get)

    # the step d that makes |rest - slopes d|^2 + damping |d|^2 least
    found = block(after, x + sx, y + sy, margin=1)
    along_x = (found[:, 1:-1, 2:] - found[:, 1:-1, :-2]) / 2
    along_y = (found[:, 2:, 1:-1] - found[:, :-2, 1:-1]) / 2
    rest = wanted - found[:, 1:-1, 1:-1]
    weight = math.sqrt(STIFFNESS * rest.size)
    matrix = np.stack([along_x.ravel(), along_y.ravel()], axis=1)
    matrix = np.concatenate([matrix, weight * np.eye(2)])
    step = np.linalg.lstsq(matrix, np.concatenate([rest.ravel(), [0.0, 0.0]]), rcond=None)[0]
    return np.array([sx, sy]) + np.clip(step, -1.0, 1.0)


def track(clip):
    """Return places (x, y), [t, rows, columns, 2], of a clip [t, c, h, w]."""
    height, width = clip.shape[2:]
    places = np.zeros((len(clip), height // BLOCK, width // BLOCK, 2))
    for row in range(height // BLOCK):
        for column in range(width // BLOCK):
            x, y = BLOCK * column + 3.5, BLOCK * row + 3.5
            places[0, row, column] = x, y
            for t in range(1, len(clip)):
                dx, dy = find_shift(clip[t - 1], clip[t], x, y)
                x, y = min(max(x + dx, 0), width - 1), min(max(y + dy, 0), height - 1)
                places[t, row, column] = x, y
    return places


def histograms(vectors):
    """Return the mean lengths of vectors [t, rows, columns, 2] by quarter and direction, [32]."""
    t, rows, columns = vectors.shape[:3]
    sums = np.zeros((2, 2, 8))
    for i in range(t):
        for row in range(rows):
            for column in range(columns):
                dx, dy = vectors[i, row, column]
                degrees = math.degrees(math.atan2(dy, dx)) % 360.0
                bin_, rest = divmod(degrees, 45.0)
                cell = sums[int(row >= rows / 2), int(column >= columns / 2)]
                cell[int(bin_) % 8] += math.hypot(dx, dy) * (1 - rest / 45.0)
                cell[(int(bin_) + 1) % 8] += math.hypot(dx, dy) * rest / 45.0
    return sums.ravel() / (t * rows * columns / 4)


def features(clip):
    """Return the 64 features of a clip [t, c, h, w]."""
    velocity = np.diff(track(clip), axis=0)
    return np.concatenate([histograms(velocity), histograms(np.diff(velocity, axis=0))])
