"""`python -m mocotool` and the console script `moco`."""


def main() -> None:
    """Run the command line."""
    from mocotool.cli.app import app

    app(prog_name="moco")


if __name__ == "__main__":
    main()
