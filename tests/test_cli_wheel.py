"""The built wheel works on its own: installed into a clean environment, away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import SOURCE

pytestmark = pytest.mark.slow


def test_wheel(tmp_path: Path, project: Path) -> None:
    """Build, install without the network, `intercom init`; the templates come along."""
    built = tmp_path / "built"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built],
        cwd=SOURCE,
        check=True,
        capture_output=True,
    )
    (wheel,) = built.glob("intercom_md-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "intercom/templates/log.md" in names
    assert "intercom/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "templates", "examples"))]

    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True, capture_output=True)
    site = next((tmp_path / "venv/lib").glob("python3*/site-packages"))
    # What the package depends on is this environment's; a path file does not bring in its editable installs.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    def run(*words: str) -> str:
        script = tmp_path / "venv/bin/intercom"
        done = subprocess.run([script, *words], cwd=project, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import intercom; print(intercom.__file__)"], check=True, capture_output=True, text=True
    ).stdout
    assert where.startswith(str(site))
    assert "claude mcp add intercomm" in run("init")
    ident = run("send", "--from", "user", "roo", "hello")
    assert ident.strip() in run("read", "--id", "roo")
