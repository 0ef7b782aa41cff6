# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes that do what a test tells them: members of cgroups, other users, other namespaces."""
import contextlib
import ctypes
import mmap
import os
import signal
import socket
import threading
import time
from multiprocessing.connection import Pipe

from harness import DEADLINE, outcome, write

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWPID = 0x20000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 16384, 1 << 18
MAPPED = 100000  # what root of an agent with ids of its own is outside


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def die_with_parent():
    checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def serve(conn):
    """Calls what comes in, and answers, until the test closes its end."""
    while True:
        try:
            function, args = conn.recv()
        except EOFError:
            return
        try:
            answer = True, function(*args)
        except Exception as error:  # the test's to judge
            answer = False, error
        conn.send(answer)


def child_main(conn, uid, pidns, mapped):
    die_with_parent()
    if pidns:
        checked(libc.unshare(CLONE_NEWPID | (CLONE_NEWUSER if mapped else 0)))
        if mapped:
            conn.send((True, None))
            conn.recv()
            become(0)
        pid = os.fork()
        if pid:
            conn.send(pid)
            conn.close()
            os.waitpid(pid, 0)
            return
        die_with_parent()
    if uid is not None:
        os.setgroups([])
        libc.setfsgid(uid)
        libc.setfsuid(uid)
        die_with_parent()  # a change of ids forgets it
    if not pidns:
        conn.send(os.getpid())
    serve(conn)


class Agent:
    """A child process. pid is its pid as the test sees it. With uid, root acts as that user on
    files (setfsuid); the process itself stays root's, so that a daemon without CAP_SYS_RESOURCE,
    as in many containers, may still move it on the emulator. mapped: in a user namespace too."""

    def __init__(self, uid=None, pidns=False, mapped=False):
        self.conn, theirs = Pipe()
        self.child = os.fork()
        if not self.child:
            status = 1
            with contextlib.suppress(BaseException):
                signal.alarm(0)
                self.conn.close()
                child_main(theirs, uid, pidns, mapped)
                status = 0
            os._exit(status)
        theirs.close()
        if mapped:
            self.answer()
            for kind in ("uid", "gid"):
                write(f"/proc/{self.child}/{kind}_map", f"0 {MAPPED} 65536")
            self.conn.send(None)
        self.pid = self.answer()

    def answer(self):
        if not self.conn.poll(DEADLINE):
            raise AssertionError("an agent does not answer")
        try:
            return self.conn.recv()
        except (EOFError, ConnectionResetError):
            raise AssertionError("an agent is dead") from None

    def start(self, function, *args):
        """Has it run function(*args), of a module, and does not wait."""
        self.conn.send((function, args))

    def call(self, function, *args):
        """What function(*args) returns, or raises, in the agent."""
        self.start(function, *args)
        fine, value = self.answer()
        if not fine:
            raise value
        return value

    def wait(self):
        """Its status once it has ended: an exit status, or -signal."""
        _, status = os.waitpid(self.child, 0)
        self.child = 0
        return os.waitstatus_to_exitcode(status)

    def ended(self):
        """Whether it has, without reaping it."""
        return os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self):
        self.conn.close()
        if not self.child:
            return
        for pid in {self.pid, self.child}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()


# --- what agents are asked to do -----------------------------------------------------------------

kept = []


def start_thread():
    """A thread that lives as long as the process: its tid."""
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    kept.append(thread)
    return thread.native_id


def spawn(how):
    """A descendant that waits for its death: its pid. how: fork, setsid, orphan, exec."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        if how == "setsid":
            os.setsid()
        if how == "orphan" and os.fork():
            os._exit(0)
        os.write(sink, b"%d" % os.getpid())
        if how == "exec":
            os.execv("/bin/sleep", ["sleep", "100000"])
        while True:
            time.sleep(1000)
    if how == "orphan":
        os.waitpid(pid, 0)
    number = int(os.read(source, 32))
    os.close(source)
    os.close(sink)
    return number


def keep_doing(step, *args):
    """A child that does it again and again, whatever errno it ends with."""
    if os.fork() == 0:
        die_with_parent()
        while True:
            outcome(step, *args)


def make_zombie():
    """A child that has ended and is not reaped: its pid."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    kept.append(pid)
    return pid


def hold_memory(size):
    """Touches anonymous memory and keeps it."""
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for offset in range(0, size, mmap.PAGESIZE):
        area[offset] = 1
    kept.append(area)


def drop_memory():
    for area in kept:
        if isinstance(area, mmap.mmap):
            area.close()
    kept.clear()


def burn(seconds):
    """Uses that much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def unshare_cgroups():
    checked(libc.unshare(CLONE_NEWCGROUP))


def own_mounts():
    """A mount namespace of which nobody else sees anything."""
    checked(libc.unshare(CLONE_NEWNS))
    checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))


def write_open(fd, text):
    os.write(fd, text.encode())


def listen(name):
    """For a descriptor that another agent sends."""
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0" + name)
    server.listen()
    kept.append(server)


def send_open(name, path, flags=os.O_WRONLY):
    """Opens path and passes the descriptor on."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name)
        fd = os.open(path, flags | os.O_CLOEXEC)
        socket.send_fds(client, [b"x"], [fd])
        os.close(fd)


def receive_open():
    """The descriptor that was passed to the listener."""
    conn, _ = kept.pop().accept()
    with conn:
        return socket.recv_fds(conn, 1, 1)[1][0]


def become(uid):
    """Another user for good."""
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    die_with_parent()
