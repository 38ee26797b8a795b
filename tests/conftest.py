"""Owns what every test stands on: no test reaches a real home, project, session or tmux server.

The default root is a *file*, so that whatever opens a bus without naming its root fails at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.windows.lab import ADVICE as WINDOWS_ADVICE
from tests.windows.lab import ready as windows_is_there

SOURCE = Path(__file__).parent.parent

# Machines that run tests are shared: a slow example is no failure, so there are no deadlines.
_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)
# Nor is a test red by chance: only `make soak`, and who asks for it by name, searches with seeds of its own.
_FIXED = not os.environ.get("INTERCOM_SOAK")
_PROFILES = (("default", 100, _FIXED), ("quick", 15, True), ("wine", 5, True), ("thorough", 100_000, False))
for _name, _most, _fixed in _PROFILES:
    settings.register_profile(
        _name, deadline=None, max_examples=_most, derandomize=_fixed, suppress_health_check=_QUIET
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell that starts this in the background may have it ignore Ctrl-C, and every program that it starts as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore = ["windows"] if os.name == "nt" or not windows_is_there() else []
_OURS = ("INTERCOM_", "INTERCOMM_", "CLAUDE", "TMUX", "GIT_")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a folder below this one in one process: they share the program that they drive.

    Under Windows' Python leave out what `tests/windows/exceptions.py` names.
    """
    here = Path(__file__).parent
    if os.name == "nt":
        from tests.windows.exceptions import left_out

        out = [one for one in items if left_out(one)]
        config.hook.pytest_deselected(items=out)
        items[:] = [one for one in items if one not in out]
    for item in items:
        if item.path.parent != here:
            item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested."""
    if os.name != "nt" and not windows_is_there():
        terminalreporter.write_line(f"WINDOWS WAS NOT TESTED: no Windows Python here ({WINDOWS_ADVICE})", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def no_real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point HOME and the default root into a temporary folder for the whole run."""
    home = tmp_path_factory.mktemp("home")
    trap = home / "a-test-used-the-default-root"
    trap.write_text("Name a root: use the `project` fixture.\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_OURS):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        if os.name == "nt":
            patch.setenv("USERPROFILE", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("INTERCOM_ROOT", str(trap))
        patch.setenv("INTERCOM_MACHINE", "testbox")
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Test")
            patch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
        yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder: the default root and the working directory of this test."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setenv("INTERCOM_ROOT", str(root))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def repository(project: Path) -> Path:
    """The test's project as a git repository with one commit."""
    for line in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *line], cwd=project, check=True)
    return project


def agree(root: Path, environ: Mapping[str, str] = os.environ) -> None:
    """What a person does once with `intercom trust settings`: let what the project's settings allow count here."""
    from intercom.bus import trusting
    from intercom.core.config import load

    trusting.settings(load(root), {key: one for key, one in environ.items() if key != "INTERCOM_NAME"})


class Command(Protocol):
    """A call of the command line, as a process of its own."""

    def __call__(self, *words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `intercom words`; what it prints is captured."""
        ...


@pytest.fixture
def command(project: Path) -> Command:
    """`intercom` in the test's project."""

    def run(*words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(SOURCE), **environ}
        done = subprocess.run(
            [sys.executable, "-m", "intercom", *words],
            input=stdin,
            capture_output=True,
            cwd=project,
            env=env,
            timeout=120,
            check=False,
        )
        out, err = (
            text.decode("utf-8", "backslashreplace").replace(os.linesep, "\n") for text in (done.stdout, done.stderr)
        )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, which no variable moves."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    for name in list(os.environ):
        if name.startswith(("XDG_", "CODEX_", "GEMINI_", "QWEN_", "CLINE_", "CONTINUE_", "COPILOT_")):
            monkeypatch.delenv(name)
    return place
