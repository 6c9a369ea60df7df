"""Shared by all tests: the reference implementations are found, whatever the working directory."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
