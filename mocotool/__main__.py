"""`python -m mocotool` and the console script `moco`."""

import os
import signal
import sys


def main() -> None:
    """Run the command line."""
    # Nothing is begun while modules are imported, so Ctrl-C ends the process there and then: an
    # exception could come out of a half-loaded module as another one, with a traceback. Where
    # signals are ignored, as under nohup, they stay so.
    is_heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heeded:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from mocotool.cli.app import app
    from mocotool.cli.narrow import narrow

    try:
        if is_heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        narrow(app, sys.argv[1:])(prog_name="moco")
    except KeyboardInterrupt:  # before the command line is there to say so
        sys.exit(130)


if __name__ == "__main__":
    main()
