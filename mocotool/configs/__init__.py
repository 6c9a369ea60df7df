"""One frozen dataclass a command: defaults, ranges, checks; nothing heavy is imported."""
