"""Where a bus lives: which rule decides the root, real git checkouts included; machine names; settings; links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.config import load, log_machine
from intercom.core.errors import IntercomError, Refused, UsageError

ENV = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(cwd: Path, *words: str) -> None:
    """Run git as a person would."""
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *words], cwd=cwd, env=ENV, check=True, capture_output=True
    )


def repository(path: Path) -> Path:
    """A repository with one commit."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    git(path, "commit", "-q", "--allow-empty", "-m", "first")
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of any project, where nothing names a root."""
    for name in ("INTERCOM_ROOT", "INTERCOMM_DB_ROOT", "INTERCOM_MACHINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


# -- the root -------------------------------------------------------------------------------------


def test_the_order_of_precedence(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, INTERCOM_ROOT, INTERCOMM_DB_ROOT, git, ancestor, working directory."""
    folders = {name: place / name for name in ("given", "ours", "theirs", "empty")}
    for folder in folders.values():
        folder.mkdir()
    inside = repository(place / "repo") / "deep" / "er"
    inside.mkdir(parents=True)
    (inside / ".claude" / "local").mkdir(parents=True)
    monkeypatch.chdir(inside)
    both = {"INTERCOM_ROOT": str(folders["ours"]), "INTERCOMM_DB_ROOT": str(folders["theirs"])}
    assert load(folders["given"], environ=both)[0::4] == (folders["given"], "argument")
    assert load(environ=both)[0::4] == (folders["ours"], "INTERCOM_ROOT")
    assert load(environ={**both, "INTERCOM_ROOT": ""})[0::4] == (folders["theirs"], "INTERCOMM_DB_ROOT")
    assert load(environ={})[0::4] == (place / "repo", "git")
    monkeypatch.chdir(folders["empty"])
    assert load(environ={})[0::4] == (folders["empty"], "directory")
    (place / ".claude" / "local").mkdir(parents=True)
    assert load(environ={})[0::4] == (place, "ancestor")
    monkeypatch.chdir(place)
    (place / ".claude" / "local").rmdir()
    project = {"CLAUDE_PROJECT_DIR": os.fspath(folders["empty"])}
    assert load(environ=project)[0::4] == (folders["empty"], "CLAUDE_PROJECT_DIR")
    assert load(environ={"CLAUDE_PROJECT_DIR": os.fspath(inside)}).root == place / "repo"
    assert load(environ={"CLAUDE_PROJECT_DIR": "/not/there"})[0::4] == (place, "directory")


@pytest.mark.parametrize("variable", ["HOME", "TMPDIR"])
def test_a_home_or_a_temporary_folder_is_no_project(
    place: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """No bus is made there unasked, and none that is there catches the projects below it."""
    env = {variable: os.fspath(place)}
    with pytest.raises(Refused, match=r"no bus is made there unasked, and nothing was opened\. .*--root DIR"):
        load(environ=env)
    git(place, "init", "-q")  # a person's settings, kept in git
    with pytest.raises(Refused):
        load(environ=env)
    with pytest.raises(Refused):
        load(environ={**env, "CLAUDE_PROJECT_DIR": os.fspath(place)})
    (place / ".claude" / "local" / "node_modules").mkdir(parents=True)  # an agent program's local installer
    with pytest.raises(Refused):
        load(environ=env)
    (place / "one").mkdir()
    monkeypatch.chdir(place / "one")
    assert load(environ=env)[0::4] == (place / "one", "directory")
    Bus.open(place).register()  # somebody asked for it
    assert load(environ=env)[0::4] == (place / "one", "directory")
    monkeypatch.chdir(place)
    assert load(environ=env).root == place
    assert load("/", environ=env).root == Path("/")
    monkeypatch.chdir("/")
    with pytest.raises(Refused, match="the root of the file system"):
        load(environ=env)


def test_another_root_is_said_aloud(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that may surprise is a warning; one that somebody named, or that anybody expects, is not."""
    repo = repository(place / "repo")
    monkeypatch.chdir(repo)
    assert load(environ={}).warnings == ()
    (repo / "sub").mkdir()
    monkeypatch.chdir(repo / "sub")
    assert load(environ={}).warnings == ()  # as everybody expects
    inner = repository(repo / "inner")
    monkeypatch.chdir(inner)
    assert load(environ={}).warnings == ()
    Bus.open(repo).register()
    said = f"the bus of this repository is at {inner}; {repo} has another, which is not this one"
    assert load(environ={}).warnings == (said,)
    (place / "plain" / "sub").mkdir(parents=True)
    Bus.open(place / "plain").register()
    monkeypatch.chdir(place / "plain" / "sub")
    said = f"the bus is at {place / 'plain'} (found by ancestor), not in {place / 'plain' / 'sub'}"
    assert load(environ={}).warnings == (said,)
    assert load(place / "plain").warnings == ()
    assert load(environ={"INTERCOM_ROOT": str(place / "plain")}).warnings == ()


def test_linked_worktrees_share_one_bus(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worktree of a repository is at the main one's bus, wherever it lies; also relative to it."""
    repo = repository(place / "repo")
    for number, name in enumerate(("beside", "repo/inside", "far/off")):
        git(repo, "worktree", "add", "-q", "--detach", str(place / name))
        monkeypatch.chdir(place / name)
        assert load(environ={}).root == repo, number
    git(repo, "-c", "worktree.useRelativePaths=true", "worktree", "repair")
    assert load(environ={}).root == repo


def test_worktrees_of_a_bare_repository(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share the folder in which the bare repository lies."""
    repository(place / "repo")
    git(place, "clone", "-q", "--bare", "repo", "home/.bare")
    for name in ("one", "two"):
        git(place / "home" / ".bare", "worktree", "add", "-q", "--detach", str(place / "home" / name))
        monkeypatch.chdir(place / "home" / name)
        assert load(environ={}).root == place / "home"
    monkeypatch.chdir(place / "home" / ".bare")
    assert load(environ={}).root == place / "home"


def test_bare_repositories_side_by_side(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a bus of its own, for its worktrees too; not one for the folder that holds both."""
    repository(place / "repo")
    for name in ("x.git", "y.git", ".z"):
        git(place, "clone", "-q", "--bare", "repo", f"all/{name}")
        git(place / "all" / name, "worktree", "add", "-q", "--detach", str(place / "all" / f"{name} tree"))
    for name in ("x.git", "y.git", ".z"):
        for where in (name, f"{name}/refs", f"{name} tree"):
            monkeypatch.chdir(place / "all" / where)
            assert load(environ={})[0::4] == (place / "all" / name, "git"), where


def test_a_submodule(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A submodule is a bus of its own, and so for its worktrees: never a folder inside the outer .git."""
    repository(place / "library")
    outer = repository(place / "outer")
    git(outer, "submodule", "add", "-q", str(place / "library"), "vendor/lib")
    monkeypatch.chdir(outer / "vendor" / "lib")
    assert load(environ={}).root == outer / "vendor" / "lib"
    git(outer / "vendor" / "lib", "worktree", "add", "-q", "--detach", str(place / "linked"))
    monkeypatch.chdir(place / "linked")
    assert load(environ={}).root == outer / "vendor" / "lib"


def test_a_worktree_of_a_git_directory_that_lies_apart(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git itself cannot tell from there where the main work tree is: that is said, and no folder is taken for it."""
    (place / "git").mkdir()
    for name in ("one", "two"):
        git(place, "init", "-q", "--separate-git-dir", str(place / "git" / name), name)
        git(place / name, "commit", "-q", "--allow-empty", "-m", "first")
        git(place / name, "worktree", "add", "-q", "--detach", str(place / f"{name} linked"))
    monkeypatch.chdir(place / "one")
    assert load(environ={})[0::4] == (place / "one", "git")
    monkeypatch.chdir(place / "one linked")
    with pytest.raises(UsageError, match=r"git/one does not say .* nothing was opened\. Set INTERCOM_ROOT"):
        load(environ={})
    assert load(environ={"INTERCOM_ROOT": str(place / "one")}).root == place / "one"
    git(place / "one", "config", "core.worktree", str(place / "one"))
    assert load(environ={})[0::4] == (place / "one", "git")


def test_a_nested_repository(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest repository is the project."""
    repository(place / "outer")
    inner = repository(place / "outer" / "inner")
    (inner / "src").mkdir()
    monkeypatch.chdir(inner / "src")
    assert load(environ={}).root == inner


def test_a_git_file_that_leads_nowhere(place: Path) -> None:
    """A worktree whose repository is gone, a separate git directory, rubbish: that folder, or no repository."""
    (place / ".git").write_text("gitdir: /nowhere/at/all\n")
    assert load(environ={})[0::4] == (place, "git")
    (place / ".git").write_bytes(b"\xff\xfe rubbish")
    assert load(environ={})[0::4] == (place, "directory")
    (place / ".git").unlink()
    git(place, "init", "-q", "--separate-git-dir", str(place / "apart"))
    assert load(environ={}).root == place


@pytest.mark.parametrize("root", ["missing", "file", "~nobody-of-this-name/x", "a\0b"])
def test_a_root_that_is_none(place: Path, root: str) -> None:
    """One line that says which setting is wrong."""
    (place / "file").touch()
    with pytest.raises(UsageError, match=r"root .* \(argument\) is not a directory; nothing was opened"):
        load(root)
    with pytest.raises(UsageError, match=r"root .* \(INTERCOMM_DB_ROOT\) is not a directory"):
        load(environ={"INTERCOMM_DB_ROOT": root})


@pytest.mark.parametrize("root", [5, b"x", ["x"], 1.5, Path])
def test_a_root_of_the_wrong_type(root: object) -> None:
    """A UsageError as for other arguments."""
    with pytest.raises(UsageError, match="root must be text, not"):
        Bus.open(root)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="machine must be text, not"):
        Bus.open(machine=root)  # type: ignore[arg-type]


def test_a_working_directory_that_is_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a line; with a root that somebody names, all is well."""
    code = (
        "import os, sys; from intercom import Bus; from intercom.core.errors import UsageError\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "try: Bus.open()\n"
        "except UsageError as error: print(error)\n"
        f"print(Bus.open({str(place)!r}).config.root)\n"
    )
    env = {**ENV, "PYTHONPATH": str(Path(__file__).parent.parent)}
    env = {key: value for key, value in env.items() if not key.startswith("INTERCOM")}
    done = subprocess.run([sys.executable, "-c", code], cwd=place, env=env, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("the working directory cannot be found")
    assert lines[1:] == [str(place)]


AWKWARD = ["it's; $(x)", "50% off#1", "é ☃"]
if os.name == "posix":  # Windows has none of these
    AWKWARD += ['it\'s; $(x) "y"', "a\nb", "50% off?#1", os.fsdecode(b"caf\xe9")]


@pytest.mark.parametrize("name", AWKWARD)
def test_roots_with_awkward_names(place: Path, name: str) -> None:
    """A root is data: a bus works in it whatever it is called."""
    root = place / name
    root.mkdir()
    with Bus.open(root) as bus:
        sent = bus.send("roo", "hello", sender="claude-code")
        assert [m.id for m in bus.read("roo")] == [sent.id]
        assert [m.id for m in bus.search("hello")] == [sent.id]
    assert sorted(path.name for path in place.iterdir()) == [name]


# -- the machine ----------------------------------------------------------------------------------


def test_the_machines_name(place: Path) -> None:
    """Argument, INTERCOM_MACHINE, what init was told, the settings, the host's name."""
    assert load(environ={}).machine == os.uname().nodename.split(".")[0]
    (place / ".claude").mkdir()
    (place / ".claude" / "intercom.toml").write_text('machine = "from-toml"\n')
    assert load(environ={}).machine == "from-toml"
    private = place / ".claude" / "local" / ".intercom"
    private.mkdir(parents=True)
    (private / "machine").write_text("from-init\n")
    assert load(environ={}).machine == "from-init"
    assert load(environ={"INTERCOM_MACHINE": "from-env"}).machine == "from-env"
    assert load(machine="given", environ={"INTERCOM_MACHINE": "x"}).log.name == "INTERCOM-given.md"


@pytest.mark.parametrize(
    "name", ["../x", "a/b", ".", "..", "a..b", "-a", "a\nb", "x" * 65, "é", "a\0", "a b", "\udc80"]
)
def test_a_machine_name_that_could_leave_the_folder(place: Path, name: str) -> None:
    """Refused, wherever it comes from, before anything is made."""
    with pytest.raises(Refused, match="cannot be a machine name; nothing was opened"):
        load(machine=name)
    with pytest.raises(Refused, match="cannot be a machine name"):
        load(environ={"INTERCOM_MACHINE": name})
    assert not (place / ".claude").exists()


def test_log_names_compare_without_case(place: Path) -> None:
    """An existing log that differs in case only is this machine's; the exact one comes first."""
    folder = place / ".claude" / "local"
    folder.mkdir(parents=True)
    (folder / "INTERCOM-MYIA-Web1.md").write_text("## [2026-01-12 10:00:00] roo → claude-code [ASK]\n\nold\n")
    with Bus.open(machine="myia-web1") as bus:
        assert bus.config.log.name == "INTERCOM-MYIA-Web1.md"
        bus.send("roo", "new", sender="claude-code")
        assert [m.body for m in bus.history()] == ["old", "new"]
        bus.compact(0)
        assert [(m.body, m.file) for m in bus.history()] == [
            ("old", "archive/INTERCOM-myia-web1-000001.md"),
            ("new", "archive/INTERCOM-myia-web1-000001.md"),
        ]
    assert [path.name for path in folder.glob("*.md")] == ["INTERCOM-MYIA-Web1.md"]
    (folder / "INTERCOM-myia-web1.md").touch()
    if len(list(folder.glob("*.md"))) > 1:  # else the file system tells no case apart
        assert load(machine="myia-web1").log.name == "INTERCOM-myia-web1.md"


def test_what_is_a_log() -> None:
    """A file's name says whose log it is."""
    assert log_machine("INTERCOM-web1.md") == "web1"
    assert log_machine("intercom-Web1.MD") == "Web1"
    for name in ("INTERCOM-.md", "INTERCOM-x.md~", "x.md", ".INTERCOM-x.md.swp", os.fsdecode(b"INTERCOM-\xff.md")):
        assert log_machine(name) is None


def test_a_log_whose_name_is_no_utf8(place: Path) -> None:
    """It is nobody's log, and keeps nobody from reading."""
    with Bus.open() as bus:
        bus.send("roo", "hello", sender="claude-code")
        (bus.config.folder / os.fsdecode(b"INTERCOM-caf\xe9.md")).write_text("## [2026-01-12 10:00] a → roo [ASK]\nx\n")
        assert [m.body for m in bus.read("roo")] == ["hello"]
        assert bus.rebuild() == 1


# -- settings and links ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"agents = [", "is not valid TOML"),
        (b"\xff", "cannot read"),
        (b"agents = 'roo'", "must be a list of names"),
        (b"agents = [1]", "must be a list of names"),
        (b"agents = ['a b/c']", "in .claude/intercom.toml: 'a b/c' cannot be a name"),
        (b"agents = ['user', 'roo']", "names 'user', which is reserved"),
        (b"machine = 5", "5 cannot be a machine name"),
        (b"machine = '../x'", "cannot be a machine name"),
        (b"compact = 5", "is 5; nothing was opened"),
        (b"[compact]\nmesages = 5", "can say messages, size"),
        (b"[compact]\nkeep = true", "`keep` of [compact]"),
        (b"[compact]\nsize = 0", "`size` of [compact]"),
        (b"[compact]\nmessages = 20", "keeps 50 of 20 messages"),
    ],
)
def test_settings_that_do_not_hold(place: Path, text: bytes, said: str) -> None:
    """One line names the file and what is wrong; nothing is opened."""
    (place / ".claude").mkdir()
    (place / ".claude" / "intercom.toml").write_bytes(text)
    with pytest.raises((UsageError, Refused)) as caught:
        load()
    assert said in str(caught.value)
    assert "intercom.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_are_a_folder(place: Path) -> None:
    """Said in one line, too."""
    (place / ".claude" / "intercom.toml").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"cannot read .*intercom.toml"):
        load()


@pytest.mark.parametrize(
    "link",
    [
        ".claude",
        ".claude/local",
        ".claude/local/INTERCOM-box.md",
        ".claude/local/archive",
        ".claude/local/.intercom",
        ".claude/local/.intercom/ledger",
        ".claude/local/.intercom/state.db",
        ".claude/local/.intercom/index2.db",
        ".claude/local/.intercom/lock",
    ],
)
def test_a_link_out_of_the_root(place: Path, link: str) -> None:
    """Refused, and what it leads to stays as it was."""
    root, outside = place / "root", place / "outside"
    (root / link).parent.mkdir(parents=True)
    outside.mkdir()
    (outside / "precious").write_text("mine")
    is_file = link.endswith((".md", ".db", "lock"))
    (root / link).symlink_to(outside / "precious" if is_file else outside)
    with pytest.raises(Refused, match=r"leads out of .* by a symbolic link; nothing was opened"):
        load(root, machine="box")
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("precious", "mine")]


def test_links_that_stay_inside(place: Path) -> None:
    """A root that is a link, and a link within the root, are as good as any folder."""
    root = place / "root"
    (root / "elsewhere").mkdir(parents=True)
    (root / ".claude").mkdir()
    (root / ".claude" / "local").symlink_to(root / "elsewhere")
    (place / "alias").symlink_to(root)
    with Bus.open(place / "alias") as bus:
        assert bus.config.root == root
        bus.send("roo", "x", sender="claude-code")
    assert list((root / "elsewhere").glob("INTERCOM-*.md"))


def test_opening_touches_nothing(place: Path) -> None:
    """A bus is opened without a trace, and a root of which nothing is known has no messages."""
    with Bus.open() as bus:
        assert list(place.iterdir()) == []
        with pytest.raises(IntercomError):
            bus.send("nobody", "x", sender="roo")
        assert not list(bus.config.folder.glob("*.md"))
