"""Owns running the real AIMFP in tests: its server on pipes, in an environment of its own, with scripted agents.

The pinned version is installed by `python -m tests.aimfp.lab` (pip) into `.venv/aimfp`, which `make clean` takes away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

VERSION = "1.69.0"
ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "aimfp"
PYTHON = HOME / "bin" / "python"


def install() -> None:
    """Install the pinned version, unless it is there."""
    if _installed() == VERSION:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)
    line = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"aimfp=={VERSION}"]
    subprocess.run(line, check=True)


def _installed() -> str:
    if not PYTHON.exists():
        return ""
    code = "import importlib.metadata as m; print(m.version('aimfp'))"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def git(where: Path, *words: str) -> str:
    """Run git; its output."""
    return subprocess.run(["git", *words], cwd=where, check=True, capture_output=True, text=True).stdout.strip()


class Aimfp:
    """One AIMFP server that works in a checkout. A context manager; leaving it closes its input."""

    def __init__(self, where: Path, *, watchdog: bool = False) -> None:
        if _installed() != VERSION:
            raise RuntimeError("the real AIMFP is needed; install it with: python -m tests.aimfp.lab")
        flags = [] if watchdog else ["--no-watchdog"]
        self.process = subprocess.Popen(
            [str(PYTHON), "-m", "aimfp", *flags],
            cwd=where,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._next = 0
        self._turn = threading.Lock()
        self._ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t", "version": "1"})
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def raw(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """All that a tool answers."""
        result = self._ask("tools/call", name=tool, arguments=arguments)
        text = result["content"][0]["text"]
        assert not result.get("isError"), (tool, arguments, text)
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def call(self, tool: str, /, **arguments: Any) -> Any:
        """The data that a tool answers."""
        found = self.raw(tool, **arguments)
        return found.get("data", found)

    def _ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        assert self.process.stdout
        with self._turn:
            self._next += 1
            self._write({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
            line = self.process.stdout.readline()
        if not line:
            raise BrokenPipeError("the AIMFP server ended")
        answer: dict[str, Any] = json.loads(line)
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + os.linesep)
        self.process.stdin.flush()


def track(server: Aimfp, flow: int, path: str, function: str, purpose: str) -> None:
    """What an agent does for a file with one function that it has written."""
    file: dict[str, Any] = {"name": Path(path).name, "path": path, "language": "python", "skip_id_naming": True}
    ident = server.call("reserve_file", flow_ids=[flow], **file)["id"]
    made: dict[str, Any] = {
        "name": function,
        "file_id": ident,
        "purpose": purpose,
        "parameters": [{"name": "x", "type": "float"}],
        "returns": {"type": "float"},
        "skip_id_naming": True,
    }
    number = server.call("reserve_function", **made)["id"]
    server.call("finalize_function", function_id=number, **made)
    server.call("finalize_file", file_id=ident, **file)


def project(root: Path, tasks: int) -> tuple[int, list[int]]:
    """A git repository with an AIMFP project of so many tasks, nothing committed: the flow, and the tasks' ids."""
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    (root / "src" / "shared").mkdir(parents=True)
    (root / "src" / "shared" / "limits.py").write_text(CLAMP)
    (root / ".mcp.json").write_text('{"mcpServers": {}}\n')
    with Aimfp(root) as server:
        server.raw("aimfp_init", project_root=str(root))
        server.call("create_project", name="Demo", purpose="a test", goals=["to be merged"])
        server.call("update_source_directory", new_source_dir="src")
        theme = server.call("add_theme", name="math")["id"]
        flow = server.call("add_flow", name="compute", theme_ids=[theme])["id"]
        path = server.call("add_completion_path", name="core", status="in_progress", theme_ids=[theme])["id"]
        milestone: dict[str, Any] = {"completion_path_id": path, "name": "functions", "status": "in_progress"}
        stone = server.call("add_milestone", flow_ids=[flow], **milestone)["id"]
        made = [
            server.call("add_task", milestone_id=stone, name=f"Add {n}", flow_ids=[flow])["id"] for n in range(tasks)
        ]
        track(server, flow, "src/shared/limits.py", "clamp", "keeps x in its limits")
    return flow, made


CLAMP = "def clamp(x, low, high):\n    return max(low, min(x, high))\n"


def work(tree: Path, worker: str, flow: int, task: int, *, shared: bool = False) -> tuple[str, str]:
    """What a worker does: begins, branches, writes, tracks, commits. Its branch and commit.

    `shared`: it also changes a line that others change.
    """
    with Aimfp(tree) as server:
        run = server.raw("aimfp_run", is_new_session=True)
        assert Path(run["data"]["project_root"]) == tree
        made = server.raw("create_user_branch", user=worker.replace("-", ""), purpose=f"task {task}")
        branch: str = made.get("branch_name") or made["data"]["branch_name"]
        if git(tree, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD":
            git(tree, "switch", "-q", branch)
        name = worker.replace("-", "_")
        (tree / "src" / name).mkdir()
        (tree / "src" / name / "it.py").write_text(f"def {name}(x):\n    return x\n")
        track(server, flow, f"src/{name}/it.py", name, f"the work of {worker}")
        if shared:
            (tree / "src" / "shared" / "limits.py").write_text(
                CLAMP.replace("    return", f"    # {worker}\n    return")
            )
        server.call("update_task", id=task, status="completed")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", f"task {task}")
    return branch, git(tree, "rev-parse", "HEAD")


if __name__ == "__main__":
    install()
