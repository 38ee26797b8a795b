"""Owns the inside of the test network: loopback, the scripted API, and a tmux server, no way out.

Run by `lab.Lab` under `unshare --net`. Says one line of JSON when all is up (`{"port": …}`), stays
until its standard input closes (so also when the test run is killed), and then ends what it started.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from tests.claude.api import Api

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def loopback_up() -> None:
    """`ip link set lo up`, for machines without iproute2."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def end_all() -> None:
    """End whatever else runs in this network: some clients leave a daemon behind."""
    ours = os.readlink("/proc/self/ns/net")
    if ours == os.readlink(f"/proc/{os.getppid()}/ns/net"):
        return  # not a network of our own
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(name) != os.getpid() and os.readlink(f"/proc/{name}/ns/net") == ours:
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            pass  # gone, or somebody else's


def main() -> None:
    """Bring everything up in the folder that the first argument names."""
    folder = Path(sys.argv[1])
    loopback_up()
    api = Api(folder)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    tmux = ["tmux", "-u", "-S", str(folder / "tmux"), "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "-s", "keeper", "sleep", "infinity"], check=True)
    print(json.dumps({"port": api.server_port}), flush=True)
    sys.stdin.read()
    subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
    end_all()  # a session that went to the background


if __name__ == "__main__":
    main()
