"""The command line: the only place that knows typer, rich, stdin, stdout and exit codes."""
