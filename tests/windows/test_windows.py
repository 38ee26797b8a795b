"""The message layer as Windows' users run it: a real Windows Python, under Wine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.windows import lab

pytestmark = pytest.mark.slow
EMPTY: Mapping[str, str] = MappingProxyType({})

_IMPORTS = """
import importlib, pkgutil, sys
import intercom
wrong = []
for found in pkgutil.walk_packages(intercom.__path__, "intercom."):
    if found.name == "intercom.__main__" or found.name.startswith(("intercom.system.posix", "intercom.system.macos")):
        continue
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("intercom"):
            wrong.append((found.name, repr(error)))
    except Exception as error:
        wrong.append((found.name, repr(error)))
print(wrong or "all of them")
"""

_CLIENT = """
import asyncio, os, sys
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

async def main():
    server = StdioServerParameters(command=sys.executable, args=["-m", "intercom", "mcp"], env=dict(os.environ))
    async with stdio_client(server, errlog=sys.__stderr__) as streams, ClientSession(*streams) as session:
        await session.initialize()
        print(len((await session.list_tools()).tools), "tools")
        calls = [("register", {"role": "master"}), ("send", {"to": "roo", "message": "from a client \\u2713"})]
        for name, given in calls:
            answer = await session.call_tool("intercomm_" + name, given)
            print(answer.content[0].text.encode("ascii", "backslashreplace").decode())

asyncio.run(main())
"""

_SENDS = """
import sys
from intercom import Bus

with Bus.open(sys.argv[1]) as bus:
    for number in range(40):
        print(bus.send("roo", f"{sys.argv[2]} {number}", sender=sys.argv[2]).id, flush=True)
"""

_SHELL = """
import io, json, os, sys
from types import SimpleNamespace
from intercom.cli import main

out = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    call = json.loads(line)
    os.environ.update(call["environ"])
    said = io.BytesIO()
    encoding = call["environ"].get("PYTHONIOENCODING", "utf-8")
    sys.stdout = sys.stderr = io.TextIOWrapper(said, encoding)
    sys.stdin = SimpleNamespace(buffer=io.BytesIO(call["stdin"].encode("latin-1")), isatty=lambda: False)
    try:
        code = main(call["words"])
    except SystemExit as ended:
        code = ended.code
    sys.stdout.flush()
    out.write(json.dumps({"code": code, "said": said.getvalue().decode("latin-1")}) + "\\n")
    out.flush()
"""

_PRESSED = """
import subprocess, sys, signal, time
from intercom import Bus
from intercom.cli import main

signal.signal(signal.SIGINT, lambda *_: None)
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
with subprocess.Popen([sys.executable, "-m", "intercom", "mcp"], **pipes) as server:
    server.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\\n')
    server.stdin.flush()
    server.stdout.readline()
    print("<press>", flush=True)
    print("server:", server.wait(30), flush=True)
signal.signal(signal.SIGINT, signal.default_int_handler)
wait = Bus.wait
Bus.wait = lambda *args, **more: (print("<press>", flush=True), wait(*args, **more))[1]
print("command:", main(["read", "--wait", "60"]), flush=True)
"""

_BROKEN = """
import os, signal, sys, threading, time
from intercom.cli import main

def press():
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    signal.raise_signal(signal.SIGBREAK)  # Wine offers no way to press the key

threading.Thread(target=press, daemon=True).start()
sys.exit(main(["mcp"]))
"""

_LINES = """
import os, shutil, subprocess, sys
from intercom.system import host, windows

windows.win32.short = lambda path: path  # as where a volume has no short names
program = os.path.join(os.path.dirname(sys.executable), "Scripts", "intercom.exe")
for name in ("R&D", "Program Files (x86)", "O'Brien & S\u00f6hne"):
    os.makedirs(os.path.join(sys.argv[1], name))
    line = host.shell_line([shutil.copy(program, os.path.join(sys.argv[1], name)), "--version"])
    print(ascii(name), subprocess.run("cmd /c " + line, stdin=subprocess.DEVNULL, capture_output=True).stdout)
"""

_TYPED = """
import os, subprocess, sys
from intercom.system import host

for word in ("a b", "R&D (x86)", "100%", "it's; a=b, c", 'say "hi"', "C:\\\\R&D\\\\", "\u2615", "", 'x\\\\"y'):
    line = host.as_typed([sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", word])
    said = subprocess.run("cmd /c " + line, stdin=subprocess.DEVNULL, capture_output=True).stdout.decode()
    print(said.strip() == ascii([word]), ascii(word), said.strip(), ascii(host.split_words(line)[3:]))
"""

_CLOSED = """
import subprocess, sys

for words in (["log", "--json"], ["log"], ["read", "--id", "roo"]):
    child = subprocess.Popen(["intercom", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(1)
    child.stdout.close()
    print(child.wait(60), child.stderr.read())
"""

_ATTRIBUTES = """
import ctypes, os, sys
from pathlib import Path
from intercom.system import files, host

kernel, page = ctypes.windll.kernel32, Path(sys.argv[1])
for attribute in (1, 2, 4, 6):
    page.write_text("old")
    kernel.SetFileAttributesW(str(page), attribute)
    with open(host.open_file(page), "rb"):
        files.replace(page, b"new")
    kept = kernel.GetFileAttributesW(str(page)) & 6
    print(attribute, kept, page.read_text(), os.listdir(page.parent), flush=True)
    kernel.SetFileAttributesW(str(page), attribute)
    host.remove(page)
    print(page.exists())
"""

_HOLDS = """
import ctypes, sys
create = ctypes.WinDLL("kernel32").CreateFileW
held = create(ctypes.c_wchar_p(sys.argv[1]), 0x8000_0000, int(sys.argv[2]), None, 3, 0x80, None)
print("held", held != -1, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project."""
    place = tmp_path / "a project"
    place.mkdir()
    return place


class Shell:
    """A Windows Python that runs one command after the other: a start takes longer than most of them."""

    def __init__(self) -> None:
        self._child = lab.start(["-c", _SHELL])

    def __call__(
        self, root: Path, *words: str, stdin: bytes = b"", code: int = 0, environ: Mapping[str, str] = EMPTY
    ) -> str:
        """Run `intercom` in that project; what it prints on both streams, if it ends with this code."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        given = {"INTERCOM_ROOT": lab.path(root), "INTERCOM_MACHINE": "testbox", **environ}
        call = {"words": words, "stdin": stdin.decode("latin-1"), "environ": given}
        self._child.stdin.write(json.dumps(call).encode() + b"\n")
        self._child.stdin.flush()
        while not (line := self._child.stdout.readline()).startswith(b"{"):  # Wine itself may have something to say
            assert line, "it ended"
        done = json.loads(line)
        assert done["code"] == code, done["said"]
        said: str = done["said"].encode("latin-1").decode(environ.get("PYTHONIOENCODING", "utf-8"))
        return said.replace("\r\n", "\n")

    def close(self) -> None:
        """End it."""
        with self._child:
            assert self._child.stdin is not None
            self._child.stdin.close()


@pytest.fixture(scope="module")
def intercom() -> Iterator[Shell]:
    """`intercom` under Windows' Python."""
    shell = Shell()
    yield shell
    shell.close()


def ids(printed: str) -> list[str]:
    """The ids in what `log --json` printed, in order."""
    return [json.loads(line)["id"] for line in printed.splitlines() if line.startswith("{")]


def test_every_module_can_be_imported() -> None:
    """Also those of what does not run there: it says so itself."""
    assert lab.run(["-c", _IMPORTS]).stdout.strip().endswith("all of them")


def test_the_commands(root: Path, intercom: Shell) -> None:
    """A person's way through them, from nothing; the log is the same text as everywhere."""
    assert "INTERCOM-testbox.md" in intercom(root, "init")
    sent = intercom(root, "send", "roo", "-", stdin="Zeit für Tee ☕".encode()).split()[-1]
    page = root / ".claude" / "local" / "INTERCOM-testbox.md"
    assert f"<!-- intercom id={sent} " in page.read_text("utf-8")
    assert b"\r" not in page.read_bytes()
    with page.open("ab") as file:  # by hand, as an editor of Windows saves it
        file.write("\r\n## [2026-01-02 03:04] user → roo [ASK]\r\nBy hand, ünd so\r\n".encode())
    found = [
        json.loads(line) for line in intercom(root, "read", "--id", "roo", "--json").splitlines() if line[0] == "{"
    ]
    assert [(one["id"] == sent, one["body"].strip()) for one in found] == [
        (True, "Zeit für Tee ☕"),
        (False, "By hand, ünd so"),
    ]
    assert sent in intercom(root, "search", "Tee", environ={"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"})
    assert "INTERCOM-testbox.md" in intercom(root, "status")
    assert "locks" in intercom(root, "doctor")


def test_the_official_client(root: Path, intercom: Shell) -> None:
    """It talks to `intercom mcp`, both under Windows' Python."""
    environ = {"INTERCOM_ROOT": lab.path(root), "INTERCOM_MACHINE": "testbox"}
    done = lab.run(["-c", _CLIENT], environ, cwd=root)
    assert "19 tools" in done.stdout
    assert '"stored":true' in done.stdout
    assert "from a client" in intercom(root, "log")


@contextmanager
def held(path: Path, share: int) -> Iterator[None]:
    """Another program has the file open: it lets others read (1) and write (2), nobody rename or remove."""
    with lab.start(["-c", _HOLDS, lab.path(path), str(share)]) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert b"held True" in holder.stdout.readline()
        yield
        holder.stdin.write(b"\n")


def test_a_program_keeps_the_page_to_itself(root: Path, intercom: Shell) -> None:
    """Who needs it says so in a line, and did nothing; once it is free nothing is missing."""
    sent = [intercom(root, "send", "roo", "first").split()[-1]]
    with held(root / ".claude" / "local" / "INTERCOM-testbox.md", 0):
        said = intercom(root, "send", "roo", "never", code=1)
    assert "nothing was sent. Another program keeps it open: close it there, and try again." in said
    assert len(said.strip().splitlines()) == 1
    sent.append(intercom(root, "send", "roo", "again").split()[-1])
    assert ids(intercom(root, "log", "--json")) == sent


def test_a_program_holds_the_page_open(root: Path, intercom: Shell) -> None:
    """It cannot be replaced then: it is written in place, and nothing is lost."""
    sent = [intercom(root, "send", "roo", f"number {number}").split()[-1] for number in range(4)]
    page = root / ".claude" / "local" / "INTERCOM-testbox.md"
    with held(page, 3):
        page.write_bytes(page.read_bytes().replace(b"number 2", b"num\0er 2"))
        intercom(root, "compact", "--keep", "2")
        assert ids(intercom(root, "log", "--json")) == sent
    text = page.read_text("utf-8")
    assert [f"number {number}" in text for number in range(4)] == [False, False, True, True]


def test_a_page_that_is_read_only_or_hidden(tmp_path: Path) -> None:
    """It is replaced and removed as any other, and leaves nothing beside it; what is hidden stays so."""
    said = lab.run(["-c", _ATTRIBUTES, lab.path(tmp_path / "page.md")]).stdout.splitlines()
    assert said == [line for number in (1, 2, 4, 6) for line in (f"{number} {number & 6} new ['page.md']", "False")], (
        said
    )


def test_what_windows_programs_write(root: Path, intercom: Shell) -> None:
    """A log that Notepad saved as UTF-16, a line that PowerShell put behind it, what cmd pipes in its own code page."""
    page = root / ".claude" / "local" / "INTERCOM-testbox.md"
    sent = intercom(root, "send", "roo", "-", stdin="Grüße".encode("cp437")).split()[-1]
    page.write_bytes(b"\xff\xfe" + page.read_bytes().decode().replace("\n", "\r\n").encode("utf-16-le"))
    with page.open("ab") as file:
        file.write("## [2026-01-02 03:04] user → roo [ASK]\r\nvon Hand, ü\r\n".encode("utf-16-le"))
    printed = intercom(root, "read", "--id", "roo", "--json")
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [(one["id"] == sent, one["body"]) for one in found] == [(True, "Grüße"), (False, "von Hand, ü")]
    assert "von Hand, ü" in page.read_text("utf-8")


def test_ctrl_c(root: Path, intercom: Shell) -> None:
    """A server ends in order, and so does a command that waits."""
    intercom(root, "init", "--client", "none")
    environ = {"INTERCOM_ROOT": lab.path(root), "INTERCOM_MACHINE": "testbox"}
    shown = lab.at_console(["-c", _PRESSED], environ, when=b"<press>", keys=b"\x03")
    assert "server: 0" in shown
    assert "command: 130" in shown


def test_ctrl_break(root: Path, intercom: Shell) -> None:
    """Of a server, as the closing of its console: it ends in order."""
    intercom(root, "init", "--client", "none")
    environ = {"INTERCOM_ROOT": lab.path(root), "INTERCOM_MACHINE": "testbox"}
    greeting = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    asked: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": greeting},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "intercomm_register", "arguments": {"name": "roo"}}},
    ]
    with lab.start(["-c", _BROKEN, lab.path(root / "go")], environ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for one in asked:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **one}).encode() + b"\n")
        server.stdin.flush()
        while b'"id":2' not in (line := server.stdout.readline()):  # which only the whole server answers
            assert line
        (root / "go").touch()
        assert server.wait(60) == 0


def test_a_reader_that_leaves(root: Path, intercom: Shell) -> None:
    """Whoever reads what a command prints may close the pipe: that is no error of the system's."""
    for _ in range(4):
        intercom(root, "send", "roo", "x" * 50_000)
    environ = {"INTERCOM_ROOT": lab.path(root), "INTERCOM_MACHINE": "testbox"}
    said = lab.run(["-c", _CLOSED], environ).stdout.split("\n")
    assert said[:3] == ["141 b''"] * 3


def test_lines_of_hooks(root: Path) -> None:
    """cmd runs our program, whatever the folders are called in which it lies."""
    said = lab.run(["-c", _LINES, lab.path(root / "programs")]).stdout
    assert said.count(f"b'intercom {version('intercom-md')}") == 3, said


def test_lines_that_people_type() -> None:
    """What we tell people to type reaches the program as it was meant, through cmd; and is split as it is joined."""
    said = lab.run(["-c", _TYPED]).stdout.splitlines()
    assert [line.partition(" ")[0] for line in said if line.startswith(("True", "False"))] == ["True"] * 9, said


@pytest.mark.parametrize("name", ["a b & (c) 'd'", "100% ^x !y", "%PATH%", "[x]{y};z,=+`@#$"])
def test_roots_as_windows_names_them(root: Path, intercom: Shell, name: str) -> None:
    """Whatever a folder is called and its path is spelled, it is one bus."""
    place = root / name
    place.mkdir()
    plain = lab.path(place)
    spelled = (plain, plain.replace("\\", "/"), f"{plain}\\", f"\\\\?\\{plain}")
    sent = [intercom(root, "--root", one, "send", "roo", "from here").split()[-1] for one in spelled]
    assert ids(intercom(root, "--root", plain, "log", "--json")) == sent
    assert [one.name for one in root.iterdir()] == [name]


def test_workers_say_where_they_run(root: Path, intercom: Shell) -> None:
    """In one line."""
    intercom(root, "init")
    said = intercom(root, "spawn", "1", code=1)
    assert "Linux, macOS or WSL" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="two systems on one machine")
def test_both_systems_on_the_same_folder(root: Path, intercom: Shell) -> None:
    """Processes of Linux and of Windows write and read at once, and it is one conversation: nothing lost or doubled."""
    intercom(root, "init", "--client", "none", "--agent", "lin", "--agent", "win", "--agent", "roo")
    here = {**os.environ, "INTERCOM_ROOT": str(root), "INTERCOM_MACHINE": "testbox", "PYTHONPATH": str(lab.ROOT)}
    pipe = subprocess.PIPE
    with (
        lab.start(["-c", _SENDS, lab.path(root), "win"], {"INTERCOM_MACHINE": "testbox"}) as there,
        subprocess.Popen([sys.executable, "-c", _SENDS, str(root), "lin"], env=here, stdout=pipe) as this,
    ):
        said = [child.communicate(timeout=120)[0].decode() for child in (there, this)]
    sent = sorted(word for out in said for word in out.split())
    assert len(sent) == 2 * 40, said
    line = [sys.executable, "-m", "intercom"]
    log = subprocess.run([*line, "log", "--all", "--json"], env=here, capture_output=True, text=True, check=True)
    assert sorted(ids(log.stdout)[1:]) == sent  # the first is what `init` said
    assert sorted(ids(intercom(root, "read", "--id", "roo", "--json", "--limit", "500"))) == sent
    again = subprocess.run(
        [*line, "read", "--id", "roo", "--json"], env=here, capture_output=True, text=True, check=True
    )
    assert ids(again.stdout) == []
