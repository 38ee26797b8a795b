"""Owns what is tested under Windows' Python: the choice that `make windows` runs, and what never is, and why."""

from __future__ import annotations

import inspect
import re
import shutil

import pytest

_FLEET = "workers, tmux and worktrees run on Linux, macOS and WSL"
_POSIX = "is about what only POSIX has: "
_TOOLS = "is about the checkout or runs tools that are not there: "

#: The test files, without `.py`, that `make windows` runs: format, repair, log, index, bus, commands, server, set-up.
#: They take about half an hour there; all that are not left out, with INTERCOM_SOAK=1, about two hours.
CHOICE = {
    *("test_format_cases", "test_format_properties", "test_dialects", "test_globs", "test_machine_names", "test_utf16"),
    *("test_repair", "test_copies", "test_half_written", "test_torn_page", "test_unread", "test_undo"),
    *("test_log", "test_in_place", "test_segments", "test_compact", "test_freshness", "test_spare", "test_index"),
    *("test_bus", "test_delivery", "test_contract", "test_bus_names", "test_state", "test_query"),
    *("test_cli", "test_cli_edit", "test_cli_init", "test_cli_mend", "test_config", "test_consent", "test_demo"),
    *("test_doctor", "test_front", "test_server_names", "test_server_stdio", "test_server_wire"),
    *("test_clients_edit", "test_clients_setup", "test_hooks_rules", "test_homes", "test_ui_answers"),
}

#: Test files that are left out.
FILES = {
    **dict.fromkeys(
        [
            "test_approve",
            "test_fleet",
            "test_fleet_hostile",
            "test_fleet_people",
            "test_observe",
            "test_screen",
            "test_tmux",
        ],
        _FLEET,
    ),
    **dict.fromkeys(
        ["test_wake", "test_worktree", "test_server_fleet", "test_programs", "test_drafts", "test_codex_start"], _FLEET
    ),
    "test_codex_start": _FLEET,
    "test_accepted": _POSIX + "flock(2) that fails",
    "test_liveness": _POSIX + "zombies and fork",
    "test_owners": _POSIX + "owners, groups and modes",
    "test_private": _POSIX + "owners and modes",
    "test_proc": _POSIX + "sh, signals and process groups",
    "test_storage_errors": _POSIX + "limits of a process, /dev/full",
    "test_large": "measures times and sizes that Wine's calls exceed; run on Linux",
    "test_strange_files": _POSIX + "named pipes, devices, names that are not UTF-8",
    "test_links": _POSIX + "symbolic links, which need a privilege there",
    "test_watch": _POSIX + "inotify and signals",
    "test_replace": _POSIX + "programs that go on writing to a file that was replaced: there it cannot be replaced",
    "test_speaker": _POSIX + "terminals, sh and process trees under it",
    "test_powercut": _POSIX + "the recorder of system calls",
    "test_powercut_model": _POSIX + "the recorder of system calls",
    "test_people": _POSIX + "editors of POSIX",
    "test_foreign_edits": _POSIX + "editors and tools of POSIX",
    "test_chaos": _POSIX + "databases that are deleted and replaced while they are open",
    "test_cli_wheel": _TOOLS + "pip and venv",
    "test_macos": _POSIX + "the calls of macOS",
    "test_make": _TOOLS + "make",
    "test_layers": _TOOLS + "the source's own shape",
    "test_platforms": _TOOLS + "the source's own shape",
    "test_docs": _TOOLS + "the documents",
}

_OPEN = "deletes or replaces a file that a process has open, which Windows refuses by itself"
_MODES = "reads the modes of files, which Windows has not; access lists are those of the folder"
_KILL = "kills itself by a signal that only POSIX has"
_GIT = "needs git, of which no package for Windows can be had here; run where there is one"
_SIGNAL = "sends a signal that only POSIX has; Ctrl-C is in tests/windows"
_TERMINAL = "needs a pseudo-terminal, or bash"
_NAMES = "has names or arguments of bytes that are not UTF-8; there they are UTF-16"
_LINK = "makes symbolic links, which need a privilege there"
_SLOW = "measures times that Wine's start alone exceeds"
_FAULT = "makes a call fail that only POSIX has"
_PROGRAMS = "runs programs of POSIX, or a shell script in place of one"

#: Single tests, as `file::test`, with one parameter or all; which need git or links is seen in their source, too.
TESTS = {
    "test_hooks_plugin::test_without_the_program_the_hooks_are_silent": _TERMINAL,
    "test_hooks_plugin::test_the_server_is_started_by_what_is_there": _TERMINAL,
    "test_hooks_rules::test_what_a_rule_covers[Edit(//tmp/x/**)-ask12]": "whole paths begin with a drive: //c/tmp",
    "test_hooks_rules::test_a_link_is_judged_by_both_ends": _LINK,
    "test_hooks_rules::test_a_link_is_followed_before_the_dots_behind_it": _LINK,
    "test_index::test_what_is_read_while_the_file_changes_does_not_count": _OPEN,
    "test_ledger_hands::test_without_the_private_folder_the_chain_counts": _OPEN,
    "test_ledger_hands::test_without_the_index_the_page_is_taken_in": _OPEN,
    "test_locale::test_what_is_typed_arrives": _NAMES,
    "test_log::test_a_failed_sync_leaves_nothing": _FAULT,
    "test_log::test_deleted_private_files_change_no_id": _OPEN,
    "test_aimfp_marker::test_made_only_where_aimfp_is_used": _LINK,
    "test_clients_setup::test_a_link_is_followed_inside_the_project_alone": _LINK,
    "test_cli::test_standard_input_is_the_message_exactly[not-utf8]": "other bytes than UTF-8 are the console's there",
    "test_cli::test_interrupted_is_130": _SIGNAL,
    "test_cli::test_interrupted_at_any_moment": _SIGNAL,
    "test_cli::test_colour_is_for_terminals_only": _TERMINAL,
    "test_cli::test_raw_bytes_do_nothing_to_a_terminal": _TERMINAL,
    "test_cli_init::test_makes_a_private_bus": _MODES,
    "test_cli_init::test_commands_warn_of_a_tracked_log": _GIT,
    "test_cli_lead::test_a_log_is_a_screenful_and_more_of_it_is_paged": _TERMINAL,
    "test_cli_lead::test_completion_in_bash": _TERMINAL,
    "test_cli_looking::test_looking_makes_nothing": _FLEET,
    "test_cli_init::test_is_safe_to_repeat": _GIT,
    "test_cli_init::test_an_entry_for_a_bus_inside_a_repository_names_its_root": _GIT,
    "test_cli_init::test_tracked_reads_every_index_format": _GIT,
    "test_cli_init::test_tracked_never_raises": _GIT,
    "test_cli_init::test_the_entry_of_a_worktree_whose_repository_lies_apart": _GIT,
    "test_cli_init::test_a_log_that_a_message_begins_is_kept_out_of_git": _GIT,
    "test_config::test_a_working_directory_that_is_gone": _OPEN,
    "test_config::test_the_machines_name": "takes the name from uname(2), which only POSIX has",
    "test_config::test_what_is_a_log": _NAMES,
    "test_config::test_a_log_whose_name_is_no_utf8": _NAMES,
    "test_consent::test_the_record_is_nobody_elses": _MODES,
    "test_doctor::test_what_workers_need": _FLEET,
    "test_doctor_clients::test_entries_are_started_and_spoken_to": _SLOW,
    "test_doctor_clients::test_what_is_broken_is_named_and_mended": _SLOW,
    "test_examples::test_wait_for_people": _SIGNAL,
    "test_front::test_the_sdk_is_not_waited_for": _SLOW,
    "test_moved::test_a_project_that_was_moved[cp]": _PROGRAMS,
    "test_moved::test_a_project_that_was_moved[tar]": _PROGRAMS,
    "test_moved::test_a_project_that_was_moved[move]": _OPEN,
    "test_bus_names::test_exit_of_the_process": "looks at a zombie, which only POSIX has",
    "test_root_gone::test_a_root_that_was_renamed": _OPEN,
    "test_server_together::test_a_server_starts_while_another_compacts": "has a named pipe",
    "test_server_together::test_a_server_is_killed_while_it_compacts": "has a named pipe",
    "test_server_together::test_the_folder_goes_while_a_server_runs": _OPEN,
    "test_server_together::test_a_heartbeat_keeps_an_instance_alive": _SIGNAL,
    "test_server_stdio::test_signals_end_it_cleanly": _SIGNAL,
    "test_spending::test_what_opencode_tells": "has whole paths of POSIX",
    **dict.fromkeys(
        [
            *(f"test_takeover::test_a_send_may_come_first[{how}-names_both]" for how in ("in-place", "copied")),
            *(
                f"test_takeover::test_all_is_as_it_was_and_stays_so[{how}-{sign}-names_both]"
                for how in ("in-place", "copied")
                for sign in ("1", "-1")
            ),
        ],
        "has a file whose name ends with a dot, which Windows cannot have",
    ),
    "test_unheard::test_a_message_has_one_time_for_ever": _OPEN,
    "test_history::test_a_secret_goes_from_what_an_editor_had": _PROGRAMS,
    "test_wake_commands::test_a_command_of_the_settings_wakes_an_agent": _SLOW,
    "test_wake_commands::test_a_worker_that_never_called_a_tool_is_told": _PROGRAMS,
    "test_state::test_its_folders_are_private": _MODES,
    "test_state::test_private": _MODES,
    "test_state::test_killed_in_a_transaction": _KILL,
}


#: Fixtures that make a git repository, or a shell script in place of a program; and what stands in the source of a
#: test that makes a repository, or links, itself.
_WITH_GIT = {"repository", "golden", "well"}
_WITH_SCRIPTS = {"desk"}
_CALLS_GIT = re.compile(r"\bgit\(|\brepository\(|\[\"git\"")
_MAKES_LINKS = re.compile(r"\bsymlink(_to)?\(|\bhardlink_to\(")


def left_out(item: pytest.Item) -> bool:
    """Whether a test is not for this machine: it is in the list, or needs git where there is none."""
    name = f"{item.path.stem}::{item.name}"
    reason = TESTS.get(name) or TESTS.get(name.partition("[")[0], "")
    source = inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""
    if reason == _GIT or _WITH_GIT & set(getattr(item, "fixturenames", ())) or _CALLS_GIT.search(source):
        return shutil.which("git") is None
    scripted = bool(_WITH_SCRIPTS & set(getattr(item, "fixturenames", ())))
    return bool(reason or scripted or _MAKES_LINKS.search(source))
