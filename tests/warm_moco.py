"""The command `moco` in processes of its own that need not import torch again.

A server imports what commands import and forks for each of them. The program that stands for
`moco` hands it arguments, environment, folder and standard streams, passes signals on, and ends as
the command ends. What is computed, printed and written, exit codes, pipes and signals are those of
`python -m mocotool`; each command takes 2 to 3 s of a processor less. Start-up itself is tested
where Python starts anew: tests/test_pipes.py, tests/test_light_core.py and the README's commands.
"""

import array
import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HEAVY = (
    *("av", "jinja2", "matplotlib.figure", "pydantic.type_adapter", "rich.progress"),
    *("safetensors.torch", "scipy.interpolate", "scipy.linalg", "scipy.signal"),
    *("sklearn.metrics", "sklearn.neighbors", "torch.distributed"),
)
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLIENT = """
import json, os, signal, socket, sys
streams = []
for number in (0, 1, 2):
    try:
        streams.append(os.dup(number))
    except OSError:  # the shell has closed it
        streams.append(os.open(os.devnull, os.O_RDWR))
server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
said = {"words": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
socket.send_fds(server, [b"\\n"], streams)
server.sendall(json.dumps(said).encode() + b"\\n")
for number in (0, 1, 2, *streams):  # the command alone keeps pipes open
    try:
        os.close(number)
    except OSError:
        pass
told = server.makefile()
pid = int(told.readline())
for number in FORWARDED:
    signal.signal(number, lambda number, frame: os.kill(pid, number))
code = os.waitstatus_to_exitcode(int(told.readline()))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
""".replace("FORWARDED", repr(tuple(map(int, FORWARDED))))


class WarmMoco:
    """A server in a process of its own, and a program `moco` that asks it."""

    def __init__(self):
        # Not a test's folder: the name of a socket may have about a hundred letters.
        self.folder = Path(tempfile.mkdtemp(prefix="moco-"))
        place, client = self.folder / "socket", self.folder / "client.py"
        client.write_text(CLIENT)
        self.words = [sys.executable, "-I", "-S", str(client), str(place)]
        self.program = self.folder / "moco"
        self.program.write_text(f'#!/bin/sh\nexec {shlex.join(self.words)} "$@"\n')
        self.program.chmod(0o755)
        self.server = subprocess.Popen(
            [sys.executable, __file__, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.server.stdout.readline() == b"ready\n"

    def close(self):
        """End the server."""
        self.server.communicate()
        shutil.rmtree(self.folder)


def list_own():
    """Return the names of all modules of the package but the one that runs it."""
    import mocotool

    found = pkgutil.walk_packages(mocotool.__path__, "mocotool.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def serve(place):
    """Fork for each command that comes in; return in the child, with what the command is told.

    Ends when standard input does, which whoever started the server holds open.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(64)
    ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    clients = {}  # process id -> connection
    os.write(1, b"ready\n")
    while True:
        watched = {connection: pid for pid, connection in clients.items()}
        readable, _, _ = select.select([0, listener, ended, *watched], [], [])
        if 0 in readable:
            for pid in clients:
                os.kill(pid, signal.SIGKILL)
            sys.exit()
        if ended in readable:
            os.read(ended, 4096)
            for pid, status in reap():
                if pid in clients:
                    tell(clients.pop(pid), status, last=True)
        for connection in readable:  # a client says nothing more: it was killed
            if clients.get(watched.get(connection)) is connection:
                os.kill(watched[connection], signal.SIGKILL)
                tell(clients.pop(watched[connection]), 0, last=True)
        if listener in readable:
            connection, _ = listener.accept()
            streams, said = receive(connection)
            pid = os.fork()
            if not pid:
                for held in (listener, connection, *watched):
                    held.close()
                become(streams)
                return said
            for stream in streams:
                os.close(stream)
            clients[pid] = connection
            tell(connection, pid)


def reap():
    """Give process id and wait status of each child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (done := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            yield done


def tell(connection, number, *, last=False):
    """Send a client a number; it may be gone."""
    with contextlib.suppress(OSError):
        connection.sendall(f"{number}\n".encode())
    if last:
        connection.close()


def receive(connection):
    """Return a client's standard streams and what it says."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as lines:
        return array.array("i", streams), json.loads(lines.readline())


def become(streams):
    """Take a client's standard streams, and signals as a new process has them."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def run(said):
    """Run `moco` as a client asks for it."""
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["environment"])
    sys.argv[:] = ["moco", *said["words"]]
    sys.path[0] = said["folder"]
    runpy.run_module("mocotool", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in (*HEAVY, *list_own()):
        importlib.import_module(name)
    run(serve(sys.argv[1]))
