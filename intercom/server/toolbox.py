"""Owns the list of tools: one row each, in the order in which a model should see them.

Names, argument names and defaults are InterComm's. Every description is sent to every client at
connect, so it says only what the arguments do not: the protocol has the rest.
"""

from __future__ import annotations

from intercom.fleet import verbs
from intercom.server.tool import AGENT, ANY, DESTROYS, LOOKS, MASTER, ON_CREW, ON_LOOP, WORKER, Tool
from intercom.server.tools import messages, tasks, workers

TOOLS: tuple[Tool, ...] = (
    Tool(
        "intercomm_register",
        "Join the bus of this project's agents and people. Call it once, before anything else; then "
        "intercomm_get_protocol, then intercomm_read. Read after each step and before you stop; to wait: "
        "intercomm_read(wait=50). Speak through these tools, never by editing the log. Workers get the next free name "
        "(worker-1 …); there is one master at a time.",
        messages.register,
        who=ANY,
        always=True,
        title="Join",
    ),
    Tool(
        "intercomm_read",
        "What is new for you; nothing comes twice. A long backlog comes in pages, urgent first. With wait it blocks "
        "until something comes.",
        messages.read,
        on=ON_LOOP,
        quick=True,
        always=True,
        title="Read",
    ),
    Tool(
        "intercomm_send",
        "Send a message to an instance, an agent, the user, or several (comma-separated). Stored before this "
        "returns; a done is checked.",
        messages.send,
        quick=True,
        always=True,
        title="Send",
        structured=True,
    ),
    Tool("intercomm_broadcast", "Send to everybody.", messages.broadcast, quick=True, title="Broadcast"),
    Tool(
        "intercomm_escalate",
        "Ask the master a question or for a decision. Says whether it woke, or why not.",
        tasks.escalate,
        on=ON_LOOP,
        who=WORKER,
        title="Escalate",
    ),
    Tool(
        "intercomm_assign",
        "Give a worker a task, as a task contract. target_type with target_id or target_slug points at an AIMFP "
        "entity; without AIMFP, role_instructions is the task.",
        verbs.assign,
        on=ON_CREW,
        who=MASTER,
        title="Assign",
    ),
    Tool(
        "intercomm_status",
        "Who is here, unread counts, latest states, warnings.",
        tasks.status,
        quick=True,
        who=ANY,
        title="Status",
        hint=LOOKS,
    ),
    Tool("intercomm_signoff", "Leave the bus for good.", messages.signoff, title="Sign off"),
    Tool(
        "intercomm_clear",
        "Shorten the live log: all but the newest messages move to the archive. Nothing is deleted.",
        tasks.clear,
        who=MASTER,
        title="Compact",
        structured=True,
    ),
    Tool(
        "intercomm_get_protocol",
        "How to work with the others.",
        tasks.get_protocol,
        on=ON_LOOP,
        who=ANY,
        title="Protocol",
        hint=LOOKS,
    ),
    Tool(
        "intercomm_spawn",
        "Start workers side by side (by default Claude Code in tmux). Each joins the bus under its own name. Answers "
        "for each whether it is ready, and why not.",
        verbs.spawn,
        on=ON_CREW,
        who=MASTER,
        show=workers.spawned,
        title="Spawn",
    ),
    Tool(
        "intercomm_scan",
        "What each worker does now, what it asks permission for, where its sources disagree.",
        verbs.scan,
        on=ON_CREW,
        who=MASTER,
        show=workers.scanned,
        title="Scan",
        hint=LOOKS,
    ),
    Tool(
        "intercomm_wake",
        "Store a message for a worker (name or tmux target) and wake it. woke is true only where that is proven.",
        verbs.wake,
        on=ON_CREW,
        who=MASTER,
        title="Wake",
    ),
    Tool(
        "intercomm_approve",
        "Answer what a worker asks permission for. Without decision it says what that is.",
        verbs.approve,
        on=ON_CREW,
        who=MASTER,
        show=workers.public,
        title="Approve",
        hint=DESTROYS,
    ),
    Tool(
        "intercomm_teardown",
        "End workers that a spawn started, with all their processes. Unsaved work in a worktree is refused; force "
        "keeps it under a git ref.",
        verbs.teardown,
        on=ON_CREW,
        who=MASTER,
        show=workers.torn,
        title="Tear down",
        hint=DESTROYS,
    ),
    Tool(
        "intercomm_worktree_add",
        "Create a git worktree for a worker, detached at base.",
        verbs.worktree_add,
        on=ON_CREW,
        who=MASTER,
        show=workers.public,
        title="Add worktree",
        structured=True,
    ),
    Tool(
        "intercomm_worktree_list",
        "Worktrees, the merge queue, predicted conflicts.",
        verbs.worktree_list,
        on=ON_CREW,
        show=workers.listed,
        title="Worktrees",
        hint=LOOKS,
    ),
    Tool(
        "intercomm_worktree_set_status",
        "Note how far a worktree is. done is checked: branch, commit, clean.",
        verbs.worktree_set_status,
        on=ON_CREW,
        who=MASTER,
        show=workers.public,
        title="Mark worktree",
        structured=True,
    ),
    Tool(
        "intercomm_worktree_remove",
        "Remove a worktree; refused while work in it is unsaved, unless forced.",
        verbs.worktree_remove,
        on=ON_CREW,
        who=MASTER,
        show=workers.removed,
        title="Remove worktree",
        hint=DESTROYS,
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}


def allowed(tool: Tool, role: str | None, *, listing: bool = False) -> bool:
    """Whether this role may use the tool; when `listing`, an agent, who may become master, sees the master's, too."""
    if role is None:
        return True
    if tool.who == MASTER:
        return role in (MASTER, AGENT) if listing else role == MASTER
    return tool.who != WORKER or role != MASTER


def visible(role: str | None) -> list[Tool]:
    """The tools that a session of this role sees."""
    return [tool for tool in TOOLS if allowed(tool, role, listing=True)]
