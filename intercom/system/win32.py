"""Owns the Windows calls that Python does not offer: files and sharing, processes, access lists, the registry.

`windows` says what they are for. All raise OSError with the Windows error number in `winerror`.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from contextlib import suppress
from ctypes import POINTER, byref, c_int64, c_size_t, c_uint32, c_void_p, c_wchar, c_wchar_p

assert sys.platform == "win32"

GENERIC_READ, GENERIC_WRITE = 0x8000_0000, 0x4000_0000
GENERIC_READ_WRITE = GENERIC_READ | GENERIC_WRITE
APPEND = 0x0010_0104  # FILE_APPEND_DATA, FILE_WRITE_ATTRIBUTES, SYNCHRONIZE
DELETE, READ_ATTRIBUTES = 0x0001_0000, 0x80
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 1, 2, 4
SHARE_ALL = SHARE_READ | SHARE_WRITE | SHARE_DELETE
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4
LOCK_AT_ONCE, LOCK_EXCLUSIVE = 1, 2
BASIC, END_OF_FILE, RENAME_EX = 0, 6, 22  # kinds of information about a file
ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION = 5, 32, 33
_REPLACE_POSIX, _REPLACE_READ_ONLY = 0x3, 0x40  # flags of RENAME_EX
HANDLE_EOF, INVALID_PARAMETER, IO_PENDING = 38, 87, 997
Path = str | os.PathLike[str]

MARK = "w"  #: prefix of start marks made by this system
_NOTHING = c_void_p(-1).value
_REMOTE = 4  # DRIVE_REMOTE
_LOOK = 0x0010_1000  # SYNCHRONIZE, PROCESS_QUERY_LIMITED_INFORMATION
_TERMINATE = 1
_COMMAND_LINE = 60  # ProcessCommandLineInformation
_YEAR_1970 = 116_444_736_000_000_000  #: in Windows' units, of 100 ns since 1601
_SNAPSHOT_AGE = 0.5  #: seconds for which a list of processes may be reused
_OURS = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"  #: the system, administrators, the owner
_OTHERS = (";;;WD)", ";;;BU)", ";;;AU)", ";;;AN)", ";;;BG)")  #: everyone, users, whoever logged on, anonymous, guests
_DACL = 4

kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_HANDLE_AND_HANDLE = {
    "CreateFileW": [c_wchar_p, c_uint32, c_uint32, c_void_p, c_uint32, c_uint32, c_void_p],
    "ReOpenFile": [c_void_p, c_uint32, c_uint32, c_uint32],
    "OpenProcess": [c_uint32, ctypes.c_int, c_uint32],
    "CreateToolhelp32Snapshot": [c_uint32, c_uint32],
}
for _name, _types in _HANDLE_AND_HANDLE.items():
    getattr(kernel, _name).argtypes, getattr(kernel, _name).restype = _types, c_void_p


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", c_size_t),
        ("internal_high", c_size_t),
        ("low", c_uint32),
        ("high", c_uint32),
        ("event", c_void_p),
    )


class _Entry(ctypes.Structure):  # PROCESSENTRY32W
    _fields_ = (
        ("size", c_uint32),
        ("usage", c_uint32),
        ("pid", c_uint32),
        ("heap", c_size_t),
        ("module", c_uint32),
        ("threads", c_uint32),
        ("parent", c_uint32),
        ("priority", ctypes.c_int32),
        ("flags", c_uint32),
        ("name", c_wchar * 260),
    )


class _Text(ctypes.Structure):  # UNICODE_STRING
    _fields_ = (("length", ctypes.c_uint16), ("room", ctypes.c_uint16), ("text", c_void_p))


kernel.ReadFile.argtypes = [c_void_p, c_void_p, c_uint32, POINTER(c_uint32), POINTER(_Overlapped)]
kernel.WriteFile.argtypes = [c_void_p, ctypes.c_char_p, c_uint32, POINTER(c_uint32), POINTER(_Overlapped)]
kernel.LockFileEx.argtypes = [c_void_p, c_uint32, c_uint32, c_uint32, c_uint32, POINTER(_Overlapped)]
kernel.UnlockFileEx.argtypes = [c_void_p, c_uint32, c_uint32, c_uint32, POINTER(_Overlapped)]
kernel.SetFileInformationByHandle.argtypes = [c_void_p, ctypes.c_int, c_void_p, c_uint32]
kernel.GetFileInformationByHandleEx.argtypes = [c_void_p, ctypes.c_int, c_void_p, c_uint32]
kernel.CloseHandle.argtypes = [c_void_p]
kernel.WaitForSingleObject.argtypes = [c_void_p, c_uint32]
kernel.TerminateProcess.argtypes = [c_void_p, c_uint32]
kernel.GetProcessTimes.argtypes = [c_void_p] + [POINTER(c_int64)] * 4
kernel.Process32FirstW.argtypes = kernel.Process32NextW.argtypes = [c_void_p, POINTER(_Entry)]
kernel.LocalFree.argtypes = [c_void_p]


def error(number: int | None = None) -> OSError:
    """The last Windows error of this thread, or this one; its text has no full stop, as with Python's own."""
    number = ctypes.get_last_error() if number is None else number
    return OSError(None, ctypes.FormatError(number).rstrip(". "), None, number)


def _handle(found: int | None) -> int:
    if found is None or found == _NOTHING:
        raise error()
    return found


# -- files --------------------------------------------------------------------------------------------


def create_file(path: str, access: int, share: int, how: int) -> int:
    """Open a file handle."""
    try:
        return _handle(kernel.CreateFileW(long(path), access, share, None, how, 0x80, None))
    except OSError as refused:
        refused.filename = path
        raise


def long(path: str) -> str:
    r"""An absolute path that Windows accepts at any length: `\\?\` is put before a long one."""
    if len(path) < 248 or path.startswith("\\\\?\\"):
        return path
    return f"\\\\?\\UNC\\{path[2:]}" if path.startswith("\\\\") else f"\\\\?\\{path}"


def short(path: str) -> str:
    """The short (8.3) name, which has no blanks; the same path if there is none."""
    room = ctypes.create_unicode_buffer(1024)
    return room.value if 0 < kernel.GetShortPathNameW(c_wchar_p(path), room, len(room)) < len(room) else path


def set_attributes(path: str, attributes: int) -> None:
    """Set what a file is besides its content: hidden, of the system."""
    if not kernel.SetFileAttributesW(c_wchar_p(long(path)), attributes):
        raise error()


def volume(path: str) -> str | None:
    """What holds a file: ntfs, fat32 …; 9p for WSL's files, smb for other machines'; None if unknown."""
    room = ctypes.create_unicode_buffer(1024)
    if not kernel.GetVolumePathNameW(c_wchar_p(path), room, len(room)):
        return None
    root, kind = room.value, ctypes.create_unicode_buffer(64)
    if kernel.GetDriveTypeW(c_wchar_p(root)) == _REMOTE:
        return "9p" if root.lower().startswith(("\\\\wsl$", "\\\\wsl.localhost")) else "smb"
    found = kernel.GetVolumeInformationW(c_wchar_p(root), None, 0, None, None, None, kind, len(kind))
    return kind.value.lower() or None if found else None


def reopen(handle: int, access: int, share: int) -> int:
    """Open a second handle of the same file, for another use."""
    return _handle(kernel.ReOpenFile(handle, access, share, 0))


def change_time(handle: int) -> int:
    """The last change of a file's content or attributes, in ns since 1970; 0 if its file system does not note it."""
    times = (c_int64 * 5)()  # FILE_BASIC_INFO: creation, access, write, change; attributes
    if not kernel.GetFileInformationByHandleEx(handle, BASIC, byref(times), ctypes.sizeof(times)):
        raise error()
    return (times[3] - _YEAR_1970) * 100 if times[3] else 0


def overlapped(offset: int) -> _Overlapped:
    """An OVERLAPPED structure for one call at this offset."""
    return _Overlapped(0, 0, offset & 0xFFFF_FFFF, offset >> 32, None)


def rename_open(source: str, target: str) -> bool:
    """POSIX-style rename: readers of the old target keep it. False if Windows does not support that."""
    name = long(target).encode("utf-16-le")
    pointer = ctypes.sizeof(c_void_p)
    rest = bytes(pointer) + len(name).to_bytes(4, "little") + name + bytes(2)
    held = create_file(source, DELETE, SHARE_ALL, OPEN_EXISTING)
    try:
        for flags in (_REPLACE_POSIX, _REPLACE_POSIX | _REPLACE_READ_ONLY):  # not all versions know the latter
            wanted = flags.to_bytes(pointer, "little") + rest
            if kernel.SetFileInformationByHandle(held, RENAME_EX, wanted, len(wanted)):
                return True
        return False
    finally:
        kernel.CloseHandle(held)


# -- processes ----------------------------------------------------------------------------------------


def started(pid: int) -> str | None:
    """The start of process `pid` as an opaque mark; "?" if we may not know, None if it is gone."""
    held = kernel.OpenProcess(_LOOK, 0, pid) if pid > 0 else None
    if held is None:
        return "?" if pid > 0 and ctypes.get_last_error() == ACCESS_DENIED else None
    try:
        if kernel.WaitForSingleObject(held, 0) == 0:
            return None  # it has ended, but somebody still has a handle
        times = [c_int64() for _ in range(4)]
        return f"{MARK}{times[0].value}" if kernel.GetProcessTimes(held, *map(byref, times)) else "?"
    finally:
        kernel.CloseHandle(held)


def lives(pid: int, mark: str) -> bool:
    """Whether `pid` is still the process that `started` gave this mark."""
    return started(pid) == mark


def wait_ended(pid: int) -> bool:
    """Block until a process has ended; False, at once, if we may not wait for it."""
    held = kernel.OpenProcess(_LOOK, 0, pid) if pid > 0 else None
    if held is None:
        return ctypes.get_last_error() != ACCESS_DENIED
    try:
        return bool(kernel.WaitForSingleObject(held, 0xFFFF_FFFF) == 0)
    finally:
        kernel.CloseHandle(held)


_seen: list[tuple[float, dict[int, tuple[int, str]]]] = []


def _processes() -> dict[int, tuple[int, str]]:
    """Parent and program of every process, at most half a second old."""
    if _seen and time.monotonic() - _seen[0][0] < _SNAPSHOT_AGE:
        return _seen[0][1]
    found: dict[int, tuple[int, str]] = {}
    entry = _Entry(size=ctypes.sizeof(_Entry))
    held = _handle(kernel.CreateToolhelp32Snapshot(2, 0))
    try:
        more = kernel.Process32FirstW(held, byref(entry))
        while more:
            found[entry.pid] = entry.parent, entry.name
            more = kernel.Process32NextW(held, byref(entry))
    finally:
        kernel.CloseHandle(held)
    _seen[:] = [(time.monotonic(), found)]
    return found


def parents() -> list[tuple[int, int]]:
    """(pid, parent) of every visible process."""
    _seen.clear()
    return [(pid, parent) for pid, (parent, _) in _processes().items()]


def process(pid: int) -> tuple[int, str, str, int] | None:
    """A process's parent, start and short name; None if it cannot be seen. The terminal is never known (0).

    A parent younger than its child is another process: Windows reuses pids, and children keep the old one. Launchers
    that only start another Python with the same arguments (a virtual environment's `python.exe`, pip's
    `intercom.exe`) are skipped.
    """
    entry, since = _processes().get(pid), started(pid)
    if entry is None or since is None:
        return None
    parent, name = entry
    words = command_line(pid)[1:]
    while parent in _processes() and _only_starts(parent, words):
        parent = _processes()[parent][0]
    began = started(parent)
    if began is not None and "?" not in began + since and int(began[1:]) > int(since[1:]):
        parent = 0
    return parent, since, name.lower().removesuffix(".exe"), 0


def _only_starts(pid: int, words: list[str]) -> bool:
    """Whether a process is only the launcher of its child, which has the same arguments."""
    mine = command_line(pid)[1:]
    return _processes()[pid][1].lower() == "intercom.exe" or (bool(words) and mine == words)


def command_line(pid: int) -> list[str]:
    """The arguments with which a process was started; empty if they cannot be seen."""
    held = kernel.OpenProcess(_LOOK, 0, pid) if pid > 0 else None
    if held is None:
        return []
    room, needed = ctypes.create_string_buffer(66_000), c_uint32()
    try:
        query = ctypes.WinDLL("ntdll").NtQueryInformationProcess
        query.argtypes = [c_void_p, ctypes.c_int, c_void_p, c_uint32, POINTER(c_uint32)]
        if query(held, _COMMAND_LINE, room, len(room), byref(needed)):
            return []
    finally:
        kernel.CloseHandle(held)
    said = _Text.from_buffer(room)
    text = ctypes.wstring_at(said.text, said.length // 2) if said.text else ""
    return split_words(text)


def split_words(line: str) -> list[str]:
    """Split a command line into words, by the rules of Windows programs."""
    if not line.strip():
        return []  # for an empty line, Windows would return this program's name
    parse = ctypes.WinDLL("shell32").CommandLineToArgvW
    parse.argtypes, parse.restype = [c_wchar_p, POINTER(ctypes.c_int)], POINTER(c_wchar_p)
    count = ctypes.c_int()
    found = parse(line, byref(count))
    if not found:
        return []
    words = [found[number] or "" for number in range(count.value)]
    kernel.LocalFree(found)
    return words


def kill(pid: int, *, hard: bool) -> None:
    """End a process, without asking it. ProcessLookupError if it is gone, PermissionError if it is another user's."""
    del hard
    held = kernel.OpenProcess(_TERMINATE | _LOOK, 0, pid)
    if held is None:
        if ctypes.get_last_error() == INVALID_PARAMETER:
            raise ProcessLookupError(pid)
        raise error()
    try:
        if not kernel.TerminateProcess(held, 15) and kernel.WaitForSingleObject(held, 0):
            raise error()
    finally:
        kernel.CloseHandle(held)


def kill_tree(pid: int) -> None:
    """End a process and everything it started."""
    queue, rows = [pid], parents()
    while queue:
        one = queue.pop()
        queue += [child for child, parent in rows if parent == one]
        with suppress(OSError):
            kill(one, hard=True)


# -- access and identity ------------------------------------------------------------------------------


def is_private(path: Path) -> bool:
    """Whether a folder's access list names none of the groups that every user is in. OSError."""
    access = ctypes.WinDLL("advapi32", use_last_error=True)
    name, size = os.fspath(path), c_uint32()
    access.GetFileSecurityW(c_wchar_p(name), _DACL, None, 0, byref(size))
    held = ctypes.create_string_buffer(max(size.value, 1))
    if not access.GetFileSecurityW(c_wchar_p(name), _DACL, held, size, byref(size)):
        raise error()
    text = c_wchar_p()
    tell = access.ConvertSecurityDescriptorToStringSecurityDescriptorW
    if not tell(held, 1, _DACL, byref(text), None):
        raise error()
    said = text.value or ""
    kernel.LocalFree(text)
    return not any(group in said for group in _OTHERS)


def make_private(path: Path) -> None:
    """Restrict a folder to its owner, the system and administrators. OSError."""
    access = ctypes.WinDLL("advapi32", use_last_error=True)
    made = c_void_p()
    if not access.ConvertStringSecurityDescriptorToSecurityDescriptorW(c_wchar_p(_OURS), 1, byref(made), None):
        raise error()
    try:
        if not access.SetFileSecurityW(c_wchar_p(os.fspath(path)), _DACL, made):
            raise error()
    finally:
        kernel.LocalFree(made)


def machine_id() -> str:
    """An id of this machine; "" if unknown."""
    return _of_the_machine_below("/etc/machine-id") or _registry(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")


def boot_id() -> str:
    """The number of this boot; "" if Windows does not count them."""
    return _of_the_machine_below("/proc/sys/kernel/random/boot_id") or _registry(
        r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters", "BootId"
    )


def _of_the_machine_below(path: str) -> str:
    """The content of a file of the Linux that runs this Windows in Wine (one machine for both); "" without one."""
    if not hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"):
        return ""
    try:
        with open(f"\\\\?\\unix{path}", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _registry(key: str, name: str) -> str:
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as found:
            return str(winreg.QueryValueEx(found, name)[0]).strip()
    except OSError:
        return ""
