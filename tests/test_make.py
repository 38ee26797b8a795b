"""On a machine that lacks programs, `make test` says in one line how to get them, and `.ci/run` does just that."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SOURCE

#: program -> the Debian package that has it
PACKAGES = {
    "make": "make",
    "git": "git",
    "tmux": "tmux",
    "vim": "vim",
    "nano": "nano",
    "rsync": "rsync",
    "unix2dos": "dos2unix",
    "unshare": "util-linux",
    "node": "nodejs",
    "npm": "npm",
    "python3": "python3",
}


class Machine:
    """A checkout on a machine that has only the programs in `bin`: real ones for the shell, the others do nothing."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.checkout = folder / "checkout"
        self.bin.mkdir()
        for name in ("Makefile", "pyproject.toml", "tests/needs.sh", ".ci/run"):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCE / name, self.checkout / name)
        for name in ("sh", "id"):
            self.real(name)
        for name in PACKAGES:
            self.fake(name, "exit 0")

    def real(self, name: str) -> None:
        """A program as it is here."""
        found = shutil.which(name)
        assert found
        (self.bin / name).symlink_to(found)

    def fake(self, name: str, script: str) -> None:
        """A program that runs a line of shell."""
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a program by its path: exit status, stdout, stderr."""
        env = {"PATH": str(self.bin), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(words, cwd=self.checkout, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def make(self, *targets: str) -> tuple[int, str, str]:
        """Run the real make."""
        return self.run(shutil.which("make") or "make", *targets)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One that has everything."""
    return Machine(tmp_path)


def test_nothing_is_said_where_all_is_there(machine: Machine) -> None:
    """The check passes without a word."""
    assert machine.run("/bin/sh", "tests/needs.sh") == (0, "", "")
    assert machine.make("needs") == (0, "", "")


@pytest.mark.parametrize("program", PACKAGES)
def test_each_program_is_missed(machine: Machine, program: str) -> None:
    """Its package, and no other, is named."""
    (machine.bin / program).unlink()
    expected = "python3 python3-venv" if program == "python3" else PACKAGES[program]
    assert machine.run("/bin/sh", "tests/needs.sh") == (1, f"{expected}\n", "")


def test_a_python_without_venv_is_missed(machine: Machine) -> None:
    """Debian has it in a package of its own."""
    machine.fake("python3", "exit 1")
    assert machine.run("/bin/sh", "tests/needs.sh") == (1, "python3-venv\n", "")


@pytest.mark.parametrize("target", ["test", "check", "soak", "demo-fleet", "demo-mixed", "needs"])
@pytest.mark.parametrize("flags", [(), ("-j4",)], ids=["one by one", "side by side"])
def test_make_stops_with_one_line(machine: Machine, target: str, flags: tuple[str, ...]) -> None:
    """What to type, before anything is made or run; and a status that says that it failed."""
    for program in ("nano", "rsync", "unix2dos"):
        (machine.bin / program).unlink()
    before = sorted(machine.checkout.rglob("*"))
    status, out, err = machine.make(*flags, target)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert "apt-get install -y --no-install-recommends nano rsync dos2unix`" in err
    assert "nothing was run" in err
    assert sorted(machine.checkout.rglob("*")) == before


@pytest.mark.parametrize("target", ["demo", "quick"])
def test_what_needs_only_python_asks_for_nothing_else(machine: Machine, target: str) -> None:
    """It goes on to set up Python's packages, whatever else is missing."""
    for program in set(PACKAGES) - {"make", "python3"}:
        (machine.bin / program).unlink()
    status, _, err = machine.make("-n", target)
    assert (status, err) == (0, "")


@pytest.mark.parametrize("status", [0, 1])
def test_ci_installs_what_make_asks_for_and_no_more(machine: Machine, status: int) -> None:
    """Then it runs `make test`; the last line is pytest's own, and the exit status make's."""
    for name in ("bash", "dirname", "mktemp", "tee", "grep", "tail", "rm"):
        machine.real(name)
    for program in ("tmux", "npm"):
        (machine.bin / program).unlink()
    machine.fake("apt-get", f'echo "$@" >> {machine.bin}/asked')
    machine.fake("sudo", '"$@"')
    machine.fake("make", f"echo make $@; echo '==== 7 passed in 0.1s ===='; echo noise; exit {status}")
    code, out, err = machine.run(shutil.which("bash") or "bash", ".ci/run")
    assert (code, err) == (status, "")
    assert out.splitlines()[0] == "installing: tmux npm"
    assert "make test" in out
    assert out.splitlines()[-1] == "==== 7 passed in 0.1s ===="
    asked = (machine.bin / "asked").read_text().splitlines()
    assert [line for line in asked if "install" in line] == [
        "install -y -qq --no-install-recommends tmux npm",
        "install -y -qq --no-install-recommends wine64 gcc-mingw-w64-x86-64",  # without which it goes on
    ]
    assert os.access(SOURCE / ".ci" / "run", os.X_OK)
