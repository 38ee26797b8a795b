"""Names: one holder each, across real processes; who is alive; who may send to whom."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus, cli
from intercom.bus import names as registry
from intercom.bus.names import STALE_AFTER, liveness, master_of, masters, server_there
from intercom.bus.setup import init
from intercom.core.errors import FormatError, IntercomError, Refused, UnknownName, UsageError
from intercom.core.message import Instance, utc
from intercom.store.state.db import InstanceRow
from intercom.system.host import MARK
from intercom.system.liveness import started
from tests.processes import Peer, all_at_once


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """The bus of an empty project."""
    with Bus.open() as opened:
        yield opened


@pytest.fixture
def peer(project: Path) -> Iterator[Peer]:
    """Another process with a bus on the project."""
    with Peer(project) as started_:
        yield started_


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Peer]]:
    """Eight processes that stay for all rounds."""
    peers = [Peer(tmp_path_factory.mktemp("crowd")) for _ in range(8)]
    yield peers
    for one in peers:
        one.kill()


ROUNDS = int(os.environ.get("INTERCOM_TEST_ROUNDS", "15"))


def log_bytes(bus: Bus) -> dict[str, bytes]:
    """Everything that stands in files of messages."""
    return {str(path): path.read_bytes() for path in bus.config.folder.rglob("*.md")}


# -- who is the master ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({}, None),
        ({"a": "dead", "b": "stale"}, "b"),
        ({"a": "unknown", "b": "alive", "c": "stale"}, "b"),
        ({"a": "unknown", "b": "dead"}, "a"),
        ({"a": "dead", "b": "dead"}, "b"),
    ],
)
def test_the_master(there: dict[str, str], found: str | None) -> None:
    """One that lives goes before one of whom nobody knows, that before a dead one; of those the last to act."""
    known = [
        Instance(name, "master", state, 1, "t", f"2026-01-0{at}") for at, (name, state) in enumerate(there.items())
    ]
    known.append(Instance("w", "worker", "alive", 1, "t", "2026-02-01"))
    master = master_of(known)
    assert (master.name if master else None) == found
    assert masters(known) == set(there)


def test_whose_server_is_there() -> None:
    """A name that stands for the agent's own process, was given back, or whose process is gone has no server."""
    mine = InstanceRow("w", "worker", os.getpid(), started(os.getpid()), None, utc(), utc(), utc(), 0, None)
    assert server_there(mine, agent=1)
    assert not server_there(mine, agent=os.getpid())
    assert not server_there(None, agent=1)
    assert not server_there(mine._replace(gone=utc()), agent=1)
    assert not server_there(mine._replace(pid=None), agent=1)
    assert not server_there(mine._replace(started="another"), agent=1)


# -- taking names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(ROUNDS))
def test_eight_at_once(crowd: list[Peer], tmp_path: Path, number: int) -> None:
    """Eight processes register at the same time on a bus that does not exist yet: eight names."""
    all_at_once(crowd, "open", str(tmp_path))
    names = [one.name for one in all_at_once(crowd, "register")]
    assert sorted(names) == [f"worker-{n}" for n in range(1, 9)]


def test_eight_masters_at_once(crowd: list[Peer], tmp_path: Path) -> None:
    """Eight processes want to be the master: one is, seven are told who."""
    all_at_once(crowd, "open", str(tmp_path))
    for one in crowd:
        one.start("register", "master", f"boss-{one.pid}", pid=one.pid)
    won, lost = [], []
    for one in crowd:
        try:
            won.append(one.answer().name)
        except Refused as error:
            lost.append(str(error))
    assert len(won) == 1
    assert len(lost) == 7
    assert all(won[0] in text for text in lost)


@pytest.mark.parametrize("name", [None, "master", "boss"])
def test_a_second_master(bus: Bus, peer: Peer, name: str | None) -> None:
    """Refused while the first lives, naming it and the way to hand over; accepted once it is dead; workers stay."""
    peer.call("register", "master", "boss" if name == "boss" else None, pid=peer.pid)
    held = "boss" if name == "boss" else "master"
    worker = bus.register(pid=os.getpid())
    bus.send(worker.name, "kept", sender=held)
    with pytest.raises(Refused, match=rf"'{held}' is the master.*nothing was registered.*intercom signoff --id {held}"):
        bus.register("master", name, pid=os.getpid())
    with pytest.raises(Refused, match=rf"'{held}' is the master"):
        bus.register("master", "another", pid=os.getpid())
    peer.kill()
    assert {one.name: one.state for one in bus.instances()} == {held: "dead", worker.name: "alive"}
    assert bus.register("master", "another", pid=os.getpid()).name == "another"
    [still] = [one for one in bus.instances() if one.name == worker.name]
    assert still == worker._replace(last_active=still.last_active)
    assert [m.body for m in bus.read(worker.name)] == ["kept"]


def test_a_dead_masters_name(bus: Bus, peer: Peer) -> None:
    """The next master gets the dead one's name, and what was sent to it."""
    peer.call("register", "master", pid=peer.pid)
    worker = bus.register()
    bus.send("master", "question", sender=worker.name)
    peer.kill()
    assert bus.register("master", pid=os.getpid()).name == "master"
    assert [m.body for m in bus.read("master")] == ["question"]


def test_a_worker_called_master(bus: Bus) -> None:
    """Nobody gets the master's mail by taking the name as a worker."""
    with pytest.raises(Refused, match="the master's name; nothing was registered"):
        bus.register("worker", "Master")
    assert bus.instances() == []


def test_a_session_that_reconnects(bus: Bus, project: Path) -> None:
    """A session whose process was replaced has its name, its time of joining and its messages back."""
    with Peer(project) as first:
        one = first.call("register", pid=first.pid, session="s-1")
        bus.register(pid=os.getpid())
        bus.broadcast("to all", sender="worker-2")
        first.kill()
    with Peer(project) as second:
        again = second.call("register", pid=second.pid, session="s-1")
        assert (again.name, again.registered_at, again.state) == (one.name, one.registered_at, "alive")
        assert [m.body for m in second.call("read", one.name)] == ["to all"]
        assert second.call("register", pid=second.pid, session="s-2").name == "worker-3"
        assert second.call("register", "master", pid=second.pid, session="s-1").name == "master"


def test_a_worker_that_asks_for_its_own_name(bus: Bus, peer: Peer) -> None:
    """A name given at spawn is taken again by the process that follows a dead one, and by no other."""
    peer.call("register", "worker", "anna", pid=peer.pid)
    with pytest.raises(Refused, match=r"'anna' is taken.*nothing was registered.*intercom signoff --id anna"):
        bus.register("worker", "Anna", pid=os.getpid())
    peer.kill()
    assert bus.register("worker", "anna", pid=os.getpid()).name == "anna"


def test_a_worker_that_just_died(bus: Bus, peer: Peer) -> None:
    """Its number is kept for a while: its session may come back for it."""
    assert peer.call("register", pid=peer.pid).name == "worker-1"
    peer.kill()
    assert bus.register(pid=os.getpid()).name == "worker-2"
    bus._state.db.execute("UPDATE instances SET heartbeat = '2020-01-01T00:00:00.000Z' WHERE name = 'worker-1'")
    assert bus.register(pid=os.getpid()).name == "worker-1"


def test_names_are_free_after_signoff(bus: Bus) -> None:
    """The lowest free number is given; whoever signed off can send no more, and is not sent to."""
    assert [bus.register().name for _ in range(3)] == ["worker-1", "worker-2", "worker-3"]
    bus.signoff("worker-2")
    before = log_bytes(bus)
    with pytest.raises(UnknownName, match=r"'worker-2' signed off.*nothing was sent.*register again"):
        bus.send("worker-1", "x", sender="worker-2")
    with pytest.raises(UnknownName, match="signed off"):
        bus.send("worker-2", "x", sender="worker-1")
    with pytest.raises(UnknownName, match="signed off"):
        bus.read("worker-2")
    with pytest.raises(UnknownName, match="'worker-2' is not registered; nothing was changed"):
        bus.signoff("worker-2")
    assert log_bytes(bus) == before
    assert bus.register().name == "worker-2"
    assert bus.register().name == "worker-4"


def test_a_number_that_an_agent_has(bus: Bus) -> None:
    """Numbered names avoid the agents of the project."""
    bus.add_agents(["worker-1"])
    assert bus.register().name == "worker-2"


@pytest.mark.parametrize("name", ["all", "user", "system", "User", " *all* ", "`system`"])
def test_reserved_names(bus: Bus, name: str) -> None:
    """Nobody registers under them, in whatever spelling, nor makes an agent of them."""
    with pytest.raises(Refused, match="reserved; nothing was registered"):
        bus.register("worker", name)
    with pytest.raises(Refused, match="reserved; no agent was added"):
        bus.add_agents(["good", name])
    assert "good" not in bus.agents()


@pytest.mark.parametrize("name", ["", "../x", "a b/c", "a\x07b", "x" * 65, "-a", "é", "a\0b", "a, b", "]", "\udc80"])
def test_what_is_no_name(bus: Bus, name: str) -> None:
    """A name that the log or a file system could misread is refused."""
    with pytest.raises(FormatError, match="cannot be a name, and nothing was changed"):
        bus.register("worker", name)
    with pytest.raises(FormatError):
        bus.add_agents([name])


# -- who is alive ---------------------------------------------------------------------------------


def test_liveness(bus: Bus) -> None:
    """alive: process and heartbeat; stale: process without; dead: no such process, or a later one; else unknown."""
    now, long_ago = utc(), "2020-01-01T00:00:00.000Z"
    mark = started(os.getpid())
    row = InstanceRow("w", "worker", os.getpid(), mark, None, now, now, now, 0, None)
    assert liveness(row) == "alive"
    assert liveness(row._replace(heartbeat=long_ago)) == "stale"
    assert liveness(row._replace(started=f"{MARK}1")) == "dead"
    assert liveness(row._replace(pid=None)) == "unknown"
    assert liveness(row._replace(gone=now)) == "gone"
    assert STALE_AFTER == 30


def test_a_heartbeat(bus: Bus) -> None:
    """It makes a stale instance alive, and is no act; a heartbeat of nobody does nothing."""
    bus.register("worker", "w", pid=os.getpid())
    bus._state.db.execute("UPDATE instances SET heartbeat = '2020-01-01T00:00:00.000Z', active = '2020'")
    [before] = bus.instances()
    assert before.state == "stale"
    bus.heartbeat("W")
    bus.heartbeat("nobody")
    bus.heartbeat("\udc80")
    [after] = bus.instances()
    assert (after.state, after.last_active) == ("alive", before.last_active)
    bus.read("w")
    assert bus.instances()[0].last_active > before.last_active


# -- who is known ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "near"),
    [("ro", "roo"), ("claude-cod", "claude-code"), ("uesr", "user"), ("worker1", "worker-1"), ("al", "all")],
)
def test_a_typo(bus: Bus, to: str, near: str) -> None:
    """The nearest name is offered, and nothing is stored: the log is the same, byte for byte."""
    bus.register()
    bus.send("roo", "there is a log", sender="claude-code")
    before = log_bytes(bus)
    with pytest.raises(UnknownName, match=rf"'{to}' is not known, so nothing was sent. Did you mean '{near}'\?"):
        bus.send(to, "x", sender="roo")
    with pytest.raises(UnknownName, match="nothing was sent"):
        bus.send(f"roo, {to}", "x", sender="roo")
    assert log_bytes(bus) == before
    assert len(bus.history()) == 1


def test_a_name_like_no_other(bus: Bus) -> None:
    """Where nothing is near, those who are there are named, and how to become one."""
    with pytest.raises(UnknownName, match=r"'zzz' is not known, so nothing was sent. Known names: .*roo.*register"):
        bus.send("zzz", "x", sender="roo")
    with pytest.raises(UnknownName, match="'zzz' is not known, so nothing was sent"):
        bus.send("roo", "x", sender="zzz")
    with pytest.raises(UnknownName, match="so there is nothing to read"):
        bus.read("zzz")
    for name in ("\udc80", "é", "a\0b"):
        with pytest.raises(UnknownName):
            bus.send(name, "x", sender="roo")
        with pytest.raises(UnknownName):
            bus.signoff(name)
    assert bus.history() == []


def test_user_all_and_system(bus: Bus) -> None:
    """People send from the command line alone; nobody is `all` or `system`; everybody may write to `user`."""
    with pytest.raises(Refused, match=r"nobody can send as 'user' here; nothing was sent"):
        bus.send("roo", "x", sender="user")
    for name in ("all", "system"):
        for via in ("tool", "cli"):
            with pytest.raises(Refused, match="nothing was sent"):
                bus.send("roo", "x", sender=name, via=via)
        with pytest.raises(Refused, match="nothing was read"):
            bus.read(name)
    with pytest.raises(Refused, match="`system` takes no messages"):
        bus.send("system", "x", sender="roo")
    with pytest.raises(Refused):
        bus.send("roo, SYSTEM", "x", sender="roo")
    assert bus.history() == []
    assert bus.send("roo", "x", sender="user", via="cli").sender == "user"
    bus.send("user", "y", sender="roo")
    assert [m.body for m in bus.read("user")] == ["y"]


def test_several_recipients(bus: Bus) -> None:
    """Each of them gets it once; `all` among them is all, and then the sender does not get its own."""
    sent = bus.send("Roo; claude_code, roo", "both", sender="roo")
    assert sent.to == "roo, claude-code"
    assert [[m.id for m in bus.read(name)] for name in ("roo", "claude-code")] == [[sent.id], [sent.id]]
    wide = bus.send("all, claude-code", "wide", sender="roo")
    assert wide.to == "all"
    assert [m.id for m in bus.read("claude-code")] == [wide.id]
    assert bus.read("roo") == []
    with pytest.raises(UsageError, match="needs a recipient; nothing was sent"):
        bus.send(" , ", "x", sender="roo")


def test_a_hand_written_all_and_one(bus: Bus) -> None:
    """`all, roo` in the file: the sender gets it only if it is named itself."""
    bus.send("roo", "first", sender="claude-code")
    with open(bus.config.log, "a", encoding="utf-8") as file:
        file.write("\n## [2026-01-12 10:00:00] claude-code → all, roo [INFO]\n\nby hand\n")
    assert bus.read("claude-code") == []
    assert [m.body for m in bus.read("roo")] == ["first", "by hand"]


def test_default_agents(bus: Bus) -> None:
    """Without any setting, claude-code and roo can talk."""
    assert bus.agents() == ["claude-code", "roo"]
    bus.send("Claude Code", "hello", sender="roo")
    assert [m.sender for m in bus.read("claude_code")] == ["roo"]


def test_agents_from_settings(project: Path) -> None:
    """Those of intercom.toml replace the default ones, and join those that init was told."""
    (project / ".claude").mkdir()
    (project / ".claude" / "intercom.toml").write_text('agents = ["Cline Bot"]\n')
    with Bus.open() as bus:
        assert bus.agents() == ["cline-bot"]
        bus.send("cline_bot", "x", sender="cline-bot")
        with pytest.raises(UnknownName):
            bus.send("roo", "x", sender="cline-bot")
        bus.add_agents(["zoo"])
        assert sorted(bus.agents()) == ["cline-bot", "zoo"]


def test_agents_from_init(bus: Bus) -> None:
    """Those that init was told replace the default ones; a bus opened later knows them too."""
    init(bus.config, ["zoo"])
    bus.add_agents(["zoo"])
    with Bus.open() as other:
        assert other.agents() == ["zoo"]
        other.send("zoo", "x", sender="zoo")


def front_matter(bus: Bus, text: bytes) -> None:
    """Make a log that begins like this."""
    bus.config.folder.mkdir(parents=True, exist_ok=True)
    bus.config.log.write_bytes(text + b"\n# Log\n\n")


@pytest.mark.parametrize(
    "text",
    [
        b"---\nagents: [Zed Bot, roo]\n---\n",
        b"---\r\nagents:\r\n  - zed_bot\r\n---\r\n",
        b"\xef\xbb\xbf---\nprotocol: 1.2\nagents: [zed-bot, all, 'a, b', 5, null, \"x]\"]\n---\n",
    ],
)
def test_agents_from_front_matter(bus: Bus, text: bytes) -> None:
    """Names in the log's front matter are known like others: they are sent to, shown, and get broadcasts."""
    front_matter(bus, text)
    bus.send("zed-bot", "one", sender="roo")
    bus.broadcast("two", sender="roo")
    assert "zed-bot" in bus.status().agents
    assert bus.status().unread["zed-bot"] == 2
    assert "zed-bot" in [r.to for r in bus.receipts("roo", bus.history()[-1].id)]
    assert bus.register("worker", "zed-bot").name == "zed-bot"
    assert [m.body for m in bus.read("zed-bot")] == ["one", "two"]
    for name in ("a, b", "x]", "all"):
        assert name not in bus.status().agents


@pytest.mark.parametrize(
    "text",
    [
        b"---\nagents: [a\n---\n",
        b"---\ndate: 2026-99-99\nagents: [zed]\n---\n",
        b"---\nagents: zed\n---\n",
        b"---\nagents: " + b"[" * 5000 + b"\n---\n",
        b"---\nagents: [\xff\xfe]\n---\n",
        b"---\n- agents: x\nagents: zed\n---\n",
        b"---\nx: &a [*a]\nagents: [*a]\n---\n",
        b"---\nagents: {zed: 1}\n---\n",
        b"---\nx: !!python/object:os.system 1\nagents: [zed]\n---\n",
    ],
)
def test_front_matter_that_is_none(bus: Bus, text: bytes) -> None:
    """Whatever stands there, an unknown name is an ordinary refusal."""
    front_matter(bus, text)
    with pytest.raises(UnknownName, match="nothing was sent"):
        bus.send("zed", "x", sender="roo")
    assert bus.config.log.read_bytes() == text + b"\n# Log\n\n"


@pytest.mark.parametrize("said", ["another", "", None])
def test_another_machine_of_this_name(bus: Bus, monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    """Two machines that share a folder and a name: the second does nothing. Nor where the folder does not say whose."""
    monkeypatch.setattr(registry, "_machine_id", lambda: "this")  # containers have none
    bus.register()
    with bus._state.transaction() as db:
        db.execute("DELETE FROM meta WHERE key = 'machine-id'")
    if said is not None:
        bus._state.set_meta("machine-id", said)
    with Bus.open() as second:
        for act in (lambda: second.send("roo", "x", sender="roo"), lambda: second.read("roo"), second.register):
            with pytest.raises(Refused, match=r"another machine wrote .*, as 'testbox'.*init --machine testbox"):
                act()
    assert bus.history() == []


@pytest.mark.skipif(not hasattr(os, "uname"), reason="Windows says a sentence of its own")
@pytest.mark.parametrize("kernel", ["5.15.167.4-microsoft-standard-WSL2", "4.4.0-19041-Microsoft", "6.1.0-27-amd64"])
def test_the_other_system_of_this_machine(bus: Bus, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    """What WSL refuses says how to go on from there, too; elsewhere nothing is said of Windows."""
    monkeypatch.setattr(registry, "_machine_id", lambda: "this")
    bus.register()
    bus._state.set_meta("machine-id", "another")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "box", kernel, "", "x86_64")))
    with Bus.open() as second, pytest.raises(Refused, match="another machine wrote") as refused:
        second.send("roo", "x", sender="roo")
    assert ("If that is this machine's Windows, call its Intercom from here: `intercom.exe`" in str(refused.value)) is (
        "microsoft" in kernel.lower()
    )
    assert not str(refused.value).endswith(" ")


@pytest.mark.skipif(os.name != "nt", reason="what Windows says")
def test_wsl_from_windows(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Windows refuses says how to go on with WSL's Intercom."""
    monkeypatch.setattr(registry, "_machine_id", lambda: "this")
    bus.register()
    bus._state.set_meta("machine-id", "another")
    with Bus.open() as second, pytest.raises(Refused, match=r"another machine wrote.*`wsl intercom`"):
        second.send("roo", "x", sender="roo")


@pytest.mark.parametrize("name", ["testbox", "TestBox", "near"])
def test_a_private_folder_of_another_machine(bus: Bus, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its page's name says that the project moved here, and nothing is read twice; another name begins anew."""
    monkeypatch.setattr(registry, "_machine_id", lambda: "this")
    bus.register("master")
    bus.send("roo", "before", sender="master")
    assert [one.body for one in bus.read("roo")] == ["before"]
    bus.confirm("roo")
    bus._state.set_meta("machine-id", "another")
    bus.close()
    monkeypatch.delenv("INTERCOM_MACHINE")
    assert cli.main(["init", "--machine", name]) == 0
    moved = name != "near"
    folder = bus.config.folder
    assert bool(list(folder.glob("not-ours-*"))) is not moved
    with Bus.open() as again:
        assert again.config.machine == name
        assert [known.name for known in again.instances()] == ["master"] * moved
        again.send("roo", "after", sender="claude-code")
        assert [(one.body, one.sender) for one in again.read("roo")][-1:] == [("after", "claude-code")]
        senders = {one.body: one.sender for one in again.history()}
        assert senders["before"] == ("master" if moved else "master@testbox")
        assert again.read("roo") == []


def test_errors_are_one_line(bus: Bus) -> None:
    """A name with newlines in it does not break the line that refuses it."""
    for call in (
        lambda: bus.send("a\nb", "x", sender="roo"),
        lambda: bus.send("roo", "x", sender="a\r\nb"),
        lambda: bus.register("worker", "a\nb/"),
        lambda: bus.signoff("a\nb"),
        lambda: bus.receipts("roo", "a\nb"),
        lambda: bus.history(type="a\nb"),
        lambda: bus.history(since="a\nb"),
    ):
        with pytest.raises(IntercomError) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_exit_of_the_process(project: Path) -> None:
    """A process that ended, however it did, is dead at the next look; a zombie too."""
    code = "import os; from intercom import Bus; print(Bus.open().register('master', pid=os.getpid()).name)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    assert child.stdout is not None
    assert child.stdout.read().strip() == b"master"
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with Bus.open() as bus:
        assert [one.state for one in bus.instances()] == ["dead"]
    child.wait()
    child.stdout.close()
