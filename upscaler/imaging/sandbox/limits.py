"""What a process gives up before it reads a stranger's file. None of it needs root.

In Linux on x86-64 and ARM64, seccomp filters refuse what no decoder needs: for server and children the network and
other programs, for a child that reads a picture also every file that is not open yet, new processes and signals to
others. Elsewhere the resource limits and the empty environment remain.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 22, 38
SECCOMP_MODE_FILTER = 2
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Where seccomp's data has them; of a 64-bit argument, the lower half comes first."""
X32 = 0x40000000
EPERM, EACCES, ENOSYS = 1, 13, 38
CLONE_THREAD = 0x10000
CAPABILITIES_VERSION = 0x20080522

Calls = tuple[int, int | None]

# System calls by their numbers on x86-64 and ARM64; None where one is not there.
NETWORK_AND_PROGRAMS: dict[str, Calls] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "bpf": (321, 280), "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282), "perf_event_open": (298, 241), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268),
    "pidfd_getfd": (438, 438), "open_by_handle_at": (304, 265), "open_tree": (428, 428), "move_mount": (429, 429),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
}  # fmt: skip
FILES: dict[str, Calls] = {
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None), "truncate": (76, 45),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None), "unlinkat": (263, 35),
    "rmdir": (84, None), "mkdir": (83, None), "mkdirat": (258, 34), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36), "chmod": (90, None), "fchmodat": (268, 53), "chown": (92, None),
    "lchown": (94, None), "fchownat": (260, 54), "mknod": (133, None), "mknodat": (259, 33), "readlink": (89, None),
    "readlinkat": (267, 78), "chroot": (161, 51), "setxattr": (188, 5), "utimensat": (280, 88),
}  # fmt: skip
PROCESSES: dict[str, Calls] = {
    "fork": (57, None), "vfork": (58, None), "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
}  # fmt: skip
CLONE, CLONE3, TGKILL, PRLIMIT = (56, 220), (435, 435), (234, 131), (302, 261)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


@dataclass(frozen=True)
class Limits:
    """What reading one picture may take."""

    cpu_seconds: int
    wall_seconds: int
    memory: int
    """Bytes of the process's own memory."""
    file_size: int = 0
    """Bytes that it may write to a file; with 0, it can't open any."""


@dataclass(frozen=True)
class _Instruction:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack("HBBI", self.code, self.if_true, self.if_false, self.value)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def confine_server() -> None:
    """For good, and for all children: no new rights, no network, no other program, no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Root without its rights could else raise its own limits.
    libc.capset(struct.pack("<Ii", CAPABILITIES_VERSION, 0), bytes(24))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        _refuse(NETWORK_AND_PROGRAMS, [])


def confine_child(limits: Limits) -> None:
    """For the one picture that the process reads from now on."""
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds)
    _limit(resource.RLIMIT_FSIZE, limits.file_size)
    _limit(resource.RLIMIT_NOFILE, 64)
    if sys.platform != "linux":
        return
    _limit(resource.RLIMIT_DATA, limits.memory)
    if not limits.file_size:
        _refuse(FILES | PROCESSES, _own_threads_only())


def _limit(kind: int, value: int) -> None:
    most = resource.getrlimit(kind)[1]
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def _own_threads_only() -> list[_Instruction]:
    """A thread of its own may be started, the process itself may be ended, and its own limits be read."""
    column = _column()
    if column is None:
        return []
    rules = [
        # clone3 hides what is asked for; without it the C library takes clone.
        [_Instruction(JUMP_EQUAL, CLONE3[column], 0, 1), _Instruction(RETURN, REFUSE | ENOSYS)],
    ]
    for number, test, wanted in (
        (CLONE[column], JUMP_ANY_BIT, CLONE_THREAD),
        (TGKILL[column], JUMP_EQUAL, os.getpid()),
        (PRLIMIT[column], JUMP_EQUAL, 0),
    ):
        rules.append(
            [
                _Instruction(JUMP_EQUAL, number, 0, 4),
                _Instruction(LOAD, FIRST_ARGUMENT),
                _Instruction(test, wanted, 1, 0),
                _Instruction(RETURN, REFUSE | EPERM),
                _Instruction(RETURN, ALLOW),
            ]
        )
    return [instruction for rule in rules for instruction in rule]


def _column() -> int | None:
    known = ARCHITECTURES.get(platform.machine())
    return known[0] if known and sys.platform == "linux" and struct.calcsize("P") == 8 else None


def _refuse(calls: Mapping[str, Calls], further: Iterable[_Instruction]) -> bool:
    """Whether the kernel took the filter."""
    column = _column()
    if column is None:
        return False
    program = [
        _Instruction(LOAD, ARCHITECTURE),
        _Instruction(JUMP_EQUAL, ARCHITECTURES[platform.machine()][1], 1, 0),
        _Instruction(RETURN, KILL),
        _Instruction(LOAD, NUMBER),
        _Instruction(JUMP_AT_LEAST, X32, 0, 1),
        _Instruction(RETURN, REFUSE | EPERM),
        *further,
    ]
    for numbers in calls.values():
        number = numbers[column]
        if number is not None:
            program += [_Instruction(JUMP_EQUAL, number, 0, 1), _Instruction(RETURN, REFUSE | EACCES)]
    program.append(_Instruction(RETURN, ALLOW))
    content = b"".join(instruction.packed() for instruction in program)
    prepared = _Program(len(program), content)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(prepared), 0, 0) == 0)
