"""The AWS command line, loaded once: every call is a copy of this process that begins where the loading has ended.

`PYTHON loaded_command_line.py serve SOCKET`, with the Python that the command line is installed for, and from then on
`PYTHON loaded_command_line.py SOCKET WORD...` in the place of `aws WORD...`: same folder, variables, input and output.
"""

import json
import os
import socket
import sys
from typing import NoReturn

# More than the words and the variables of a call.
LONGEST_CALL_BYTES = 1 << 20


def serve(path: str) -> NoReturn:
    """Load the command line, then carry out one call after the other until this process is ended."""
    import awscli.clidriver  # type: ignore[import-not-found]  # noqa: PLC0415  # installed beside it, and not for callers

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            caller, _ = listener.accept()
            with caller:
                copy = os.fork()
                if copy == 0:
                    _take_over(caller)
                    code = awscli.clidriver.main()
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code)
                _, status = os.waitpid(copy, 0)
                caller.sendall(bytes([os.waitstatus_to_exitcode(status) & 255]))


def _take_over(caller: socket.socket) -> None:
    asked, descriptors, _, _ = socket.recv_fds(caller, LONGEST_CALL_BYTES, 3)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    call = json.loads(asked)
    os.chdir(call["folder"])
    # Set while loading: where it finds its own descriptions of services.
    data = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(call["variables"], AWS_DATA_PATH=data)
    sys.argv = ["aws", *call["words"]]


def call(path: str, words: list[str]) -> int:
    """Have these words carried out; returns the exit code."""
    asked = json.dumps({"folder": os.getcwd(), "variables": dict(os.environ), "words": words})  # noqa: PTH109  # pathlib costs more than all the rest
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [asked.encode()], [0, 1, 2])
        code = server.recv(1)
    return code[0] if code else 1


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[1], sys.argv[2:]))
