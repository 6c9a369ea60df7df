"""`python -m mocotool` and the console script `moco`."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from mocotool.cli.app import app

        app(prog_name="moco")
    except KeyboardInterrupt:  # before the command line is there to say so
        sys.exit(130)


if __name__ == "__main__":
    main()
