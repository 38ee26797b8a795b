"""Owns the list of tools: one row each, in the order a model should meet them.

Names, argument names and defaults are InterComm's. Every description is sent to every client at
connect, so it says only what the arguments do not: the protocol has the rest.
"""

from __future__ import annotations

from intercom.core import contract
from intercom.core.limits import MOST_WORKERS, PERMISSION_MODES, WORKTREE_STATUSES
from intercom.core.message import STATUS_CODES
from intercom.server.arguments import choice, flag, text, whole
from intercom.server.tool import ANY, MASTER, WORKER, Tool
from intercom.server.tools import messages, tasks, workers

TYPE = "task, status, question, answer, announce, done, or a tag of the log such as warn"

TOOLS: tuple[Tool, ...] = (
    Tool(
        "intercomm_register",
        "Join the bus. Call it once, before anything else. Workers get the next free name (worker-1, worker-2 …); "
        "there is one master at a time.",
        {
            "role": choice("master", "worker", default="worker"),
            "name": text("a name of your own, or an agent's from the settings (claude-code, roo …)"),
        },
        who=ANY,
        handler=messages.register,
        always=True,
    ),
    Tool(
        "intercomm_read",
        "Read what is new for you; nothing comes twice. A long backlog comes in pages, most urgent first. With wait it "
        "blocks until something comes.",
        {
            "all": flag("history you may see, instead of what is new; marks nothing as read"),
            "thread": text(),
            "query": text("words to search for"),
            "from": text("only this sender"),
            "limit": whole(1),
            "wait": {"type": "number", "minimum": 0, "maximum": 3600, "default": 0, "description": "seconds"},
        },
        patient=messages.read,
        always=True,
    ),
    Tool(
        "intercomm_send",
        "Send a message to an instance, an agent, the user, or several (comma-separated). It is stored before this "
        "returns. Answers the message id.",
        {
            "to": text("a name, user or all"),
            "message": text(),
            "type": text(TYPE, default="status"),
            "priority": choice("normal", "urgent"),
            "reply_to": text("id of the message this answers"),
            "thread": text("a word that ties messages together"),
            "status": choice(*STATUS_CODES),
            "progress": whole(0, 100),
        },
        ("to", "message"),
        handler=messages.send,
        always=True,
    ),
    Tool(
        "intercomm_broadcast",
        "Send one message to everybody.",
        {"message": text(), "type": text(default="announce")},
        ("message",),
        handler=messages.broadcast,
    ),
    Tool(
        "intercomm_escalate",
        "Ask the master a question or for a decision. Answers persisted, woke and, if not woken, the reason.",
        {
            "message": text(),
            "kind": choice("question", "decision", default="question"),
            "needs_user": flag("only a person can answer"),
        },
        ("message",),
        who=WORKER,
        patient=tasks.escalate,
    ),
    Tool(
        "intercomm_assign",
        "Give a worker a task, as a task contract. target_type with target_id or target_slug points at an AIMFP "
        "entity; without AIMFP, role_instructions is the task.",
        {
            "worker": text(),
            "role": text(default="worker"),
            "role_instructions": text("what to do, how, and when it is done"),
            "target_type": choice(*contract.TARGET_TYPES),
            "target_id": {"type": "integer"},
            "target_slug": text(),
            "report_back": {
                "type": "array",
                "items": {"type": "string"},
                "default": list(contract.REPORT_BACK),
                "description": "what the done message must name",
            },
            "wake": flag(default=True),
        },
        ("worker", "role_instructions"),
        who=MASTER,
        patient=tasks.assign,
    ),
    Tool(
        "intercomm_status",
        "Who is here and alive, unread counts, latest reported states, warnings.",
        {
            "receipts": {
                "type": ["boolean", "string"],
                "default": False,
                "description": "true, or a message id: was what I sent shown and acted on?",
            }
        },
        who=ANY,
        handler=tasks.status,
    ),
    Tool("intercomm_signoff", "Leave the bus for good, when your work is over.", {}, handler=messages.signoff),
    Tool(
        "intercomm_clear",
        "Shorten the live log: all but the newest messages move to the archive. Nothing is deleted.",
        {"keep": whole(0, default=100)},
        who=MASTER,
        handler=tasks.clear,
    ),
    Tool(
        "intercomm_get_protocol",
        "The full protocol for your role: how to work with the others here.",
        {},
        who=ANY,
        patient=tasks.get_protocol,
    ),
    Tool(
        "intercomm_spawn",
        "Start workers (Claude Code in tmux) side by side. Each joins the bus under its own name. Answers for each "
        "whether it is ready, and why not.",
        {
            "count": whole(1, MOST_WORKERS),
            "prefix": text(default="worker"),
            "perm_mode": choice(*PERMISSION_MODES, default="acceptEdits"),
            "claude_cmd": text(default="claude"),
            "worktrees": flag("a git worktree of its own for each"),
            "worktree_base": text(default="main"),
            "bootstrap": text("shell line to run in each new worktree"),
            "ready_timeout": {"type": "number", "minimum": 1, "maximum": 600, "default": 20},
            "wake": flag("let each begin with the protocol", default=True),
        },
        ("count",),
        who=MASTER,
        patient=workers.spawn,
    ),
    Tool(
        "intercomm_scan",
        "What each worker does now, what it asks permission for, where its sources disagree.",
        {"prefix": text(default="worker")},
        who=MASTER,
        patient=workers.scan,
    ),
    Tool(
        "intercomm_wake",
        "Store a message for a worker (name or tmux target) and wake it. woke is true only where that is proven.",
        {"worker": text(), "message": text()},
        ("worker", "message"),
        who=MASTER,
        patient=workers.wake,
    ),
    Tool(
        "intercomm_approve",
        "Answer what a worker asks permission for. Without decision it says what that is.",
        {
            "worker": text(),
            "timeout": {"type": "number", "minimum": 0, "maximum": 60, "default": 5},
            "decision": choice("allow", "deny"),
            "expect": text("the command, path, call or request id that you read; anything else is left alone"),
        },
        ("worker",),
        who=MASTER,
        patient=workers.approve,
    ),
    Tool(
        "intercomm_teardown",
        "End workers that a spawn started, with all their processes. Unsaved work in a worktree is refused; force "
        "keeps it under a git ref.",
        {"prefix": text(default="worker"), "worktrees": flag("remove theirs too"), "force": flag()},
        who=MASTER,
        patient=workers.teardown,
    ),
    Tool(
        "intercomm_worktree_add",
        "Create a git worktree for a worker, detached at base.",
        {"worker_id": text(), "base": text(default="main"), "path": text()},
        ("worker_id",),
        who=MASTER,
        patient=workers.worktree_add,
    ),
    Tool("intercomm_worktree_list", "Worktrees: status, branch, unsaved work.", {}, patient=workers.worktree_list),
    Tool(
        "intercomm_worktree_set_status",
        "Note how far a worktree is. done is checked: branch, commit, clean.",
        {"worker_id": text(), "status": choice(*WORKTREE_STATUSES), "branch": text()},
        ("worker_id", "status"),
        who=MASTER,
        patient=workers.worktree_set_status,
    ),
    Tool(
        "intercomm_worktree_remove",
        "Remove a worktree; refused while work in it is unsaved, unless forced.",
        {"worker_id": text(), "force": flag()},
        ("worker_id",),
        who=MASTER,
        patient=workers.worktree_remove,
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}
