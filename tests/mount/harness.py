# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every mount test needs: the program, mounts of it, files on them, and deadlines.

The tests of a class run in a process of their own, which the runner (__main__.py) watches: what
blocks for ever on a mount ends with that process.
"""
import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
CTLFS = str(REPO / os.environ.get("CTLFS_BUILD", "build") / "ctlfs")
SLOW = float(os.environ.get("CTLFS_TEST_SLOW", "1"))
DEADLINE = 30 * SLOW
ROOT = os.geteuid() == 0
KERNEL = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
# Every process of a test carries it in its environment: nothing that is ours is lost.
MARK = "CTLFS_TEST_MARK"


def wait_for(predicate, what, deadline=DEADLINE):
    """What predicate returns once it is true."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:.0f} s in vain: {what}")
        time.sleep(0.005)


def tool(name):
    """The path of a program of the system, or the test is skipped."""
    path = shutil.which(name)
    if not path:
        raise unittest.SkipTest(f"{name} is not installed")
    return path


# --- files -------------------------------------------------------------------------------------

def error_name(number):
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number, str(number))


def outcome(function, *args, **kwargs):
    """"OK" or the name of the errno."""
    try:
        function(*args, **kwargs)
    except OSError as error:
        return error_name(error.errno)
    return "OK"


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def read(path):
    """The text of a file; bytes that are no UTF-8 survive."""
    with opened(path) as fd:
        parts = []
        while part := os.read(fd, 1 << 16):
            parts.append(part)
    return os.fsdecode(b"".join(parts))


def write(path, text):
    """One write of the whole text."""
    data = os.fsencode(text) if isinstance(text, str) else text
    with opened(path, os.O_WRONLY) as fd:
        done = os.write(fd, data)
    if done != len(data):
        raise AssertionError(f"{path}: {done} of {len(data)} bytes written")


def keyed(text):
    """Lines "KEY VALUE ..." as a dictionary; values that are numbers as numbers."""
    fields = (line.split() for line in text.splitlines() if line.strip())
    return {f[0].rstrip(":"): int(f[1]) if f[1].isdigit() else f[1] for f in fields if len(f) > 1}


def remove_cgroup(path):
    """A cgroup and all below it, once its members are gone."""
    if not os.path.isdir(path):
        return
    for name in os.listdir(path):
        below = os.path.join(path, name)
        if os.path.isdir(below) and not os.path.islink(below):
            remove_cgroup(below)

    def gone():
        return outcome(os.rmdir, path) in ("OK", "ENOENT")
    wait_for(gone, f"rmdir {path}: {outcome(os.rmdir, path)}")


# --- processes ---------------------------------------------------------------------------------

def marked(mark=None):
    """Pids of the live processes, but this one, that carry a mark (default: this test's)."""
    wanted = f"{MARK}={mark or os.environ[MARK]}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            environ = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is another user's
        if any(part.startswith(wanted) for part in environ.split(b"\0")):
            found.append(int(name))
    return sorted(found)


def describe(pid):
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        return f"{pid} ({os.fsdecode(line).strip()})"
    return str(pid)


@contextlib.contextmanager
def extra_mark(suffix):
    """Processes started inside carry a longer mark, by which marked() tells them from others."""
    before = os.environ[MARK]
    os.environ[MARK] = f"{before}-{suffix}"
    try:
        yield os.environ[MARK]
    finally:
        os.environ[MARK] = before


def kill_pids(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


class Result:
    """What a program did: status, out, err."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\n-- stdout\n{self.out}\n-- stderr\n{self.err}"


def environment(**more):
    """For programs: a sanitizer's search for leaks does not work in a pid namespace."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return {**os.environ, "ASAN_OPTIONS": f"{options}:detect_leaks=0".lstrip(":"), **more}


def run_program(argv, stdin="", timeout=DEADLINE, env=None, **kwargs):
    """Runs argv to its end. What it leaves in the background does not hold us up, since its output
    goes to files."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=err,
                                   env=env or environment(), **kwargs)
        try:
            process.communicate(stdin.encode(), timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            kill_pids(marked())
            process.kill()
            process.wait()
            status = "timed out"
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(os.fsdecode(file.read()))
    return Result(status, *texts)


def run_ctlfs(*args, **kwargs):
    return run_program([CTLFS, *map(str, args)], **kwargs)


def run_in(*args, **kwargs):
    """`ctlfs run` on the emulator."""
    return run_ctlfs("run", "--backend", "emulator", *args, **kwargs)


# --- mounts ------------------------------------------------------------------------------------

def mounts():
    """Mount points, from the innermost on, with their file system's type."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = fields[4].encode().decode("unicode_escape")
        points.append((point, fields[fields.index("-") + 1]))
    return points[::-1]


def is_mounted(path):
    return any(point == str(path) for point, _ in mounts())


def unmount(path):
    """From outside, even if it is busy or its daemon is dead."""
    argv = ["umount", "-l", "--", path] if ROOT else ["fusermount3", "-uz", "--", path]
    subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def unmount_below(directory):
    left = [p for p, _ in mounts() if p == directory or p.startswith(directory + "/")]
    for point in left:
        unmount(point)
    return left


class Mount:
    """`ctlfs mount -f` on a directory of its own, or at a given place, for the time of a with
    statement."""

    def __init__(self, *args, backend="emulator", env=None, point=None, before=()):
        """before: a program that runs ctlfs, and its arguments."""
        self.env, self.point, self.before = env, point, before
        self.args = ["mount", "--backend", backend, *map(str, args), "-f"]
        self.process = None

    def __enter__(self):
        if self.point:
            os.mkdir(self.point)
        else:
            self.point = tempfile.mkdtemp(prefix="mnt.")
        os.chmod(self.point, 0o755)
        self.log = tempfile.NamedTemporaryFile(prefix="log.", mode="w+")
        logs.append(self.log.name)
        self.process = subprocess.Popen([*self.before, CTLFS, *self.args, self.point],
                                        env=self.env, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        try:
            wait_for(self.serves, "the mount serves")
        except BaseException:
            self.end()
            raise
        return self

    def serves(self):
        status = self.process.poll()
        if status is not None:
            raise AssertionError(f"ctlfs {' '.join(self.args)}: status {status}\n{self.stderr()}")
        return is_mounted(self.point)

    def __exit__(self, kind, *_):
        said = []
        status = self.end(said)
        if status != 0 and kind is None:
            raise AssertionError(f"the daemon ended with {status}\n{''.join(said)}")

    def end(self, said=None):
        """Ends the daemon as a service manager does: its exit status, and what it said."""
        try:
            self.process.terminate()
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "timed out"
        finally:
            if said is not None:
                said.append(self.stderr())
            unmount_below(self.point)
            os.rmdir(self.point)
            logs.remove(self.log.name)
            self.log.close()

    def stderr(self):
        return Path(self.log.name).read_text(errors="replace")

    def path(self, *parts):
        return os.path.join(self.point, *map(str, parts))

    def cgroup(self, *parts):
        return self.path("cgroup", *parts)

    def stats(self):
        return keyed(read(self.path("ctl/stats")))


logs = []  # of the daemons that run now, shown with a failure


# --- test cases --------------------------------------------------------------------------------

def root_only(test):
    """Marks a test that only the suite of root has."""
    test.modes = ("root",)
    return test


class Case(unittest.TestCase):
    """A class of tests. modes: which suites it belongs to."""
    modes = ("root", "user")
    maxDiff = None

    def check(self, want, function, *args, **kwargs):
        got = outcome(function, *args, **kwargs)
        self.assertEqual(want, got, f"{getattr(function, '__name__', function)}{args}")


class MountCase(Case):
    """Tests that share a mount; each has a cgroup of its own, self.top."""
    mount_args = ("-o", "allow_other") if ROOT else ()
    mount_point = None
    mount_before = ()  # a program that runs the daemon
    backend = "emulator"
    controllers = "+cpu +memory +pids"
    granted = ""  # what self.top grants to its children

    @classmethod
    def setUpClass(cls):
        before = [tool(name) for name in cls.mount_before[:1]]
        cls.mount = cls.enterClassContext(Mount(
            *cls.mount_args, backend=cls.backend, point=cls.mount_point,
            before=[*before, *cls.mount_before[1:]]))
        if cls.controllers:
            write(cls.mount.cgroup("cgroup.subtree_control"), cls.controllers)

    def setUp(self):
        self.top = self.mount.cgroup("t-" + self._testMethodName)
        os.mkdir(self.top)
        self.addCleanup(self.clear)
        if self.granted:
            self.write("cgroup.subtree_control", self.granted)

    def clear(self):
        outcome(write, self.at("cgroup.kill"), "1")
        remove_cgroup(self.top)

    def at(self, *parts):
        return os.path.join(self.top, *parts)

    def read(self, *parts):
        return read(self.at(*parts))

    def write(self, path, text):
        write(self.at(path), text)

    def mkdir(self, *paths):
        for path in paths:
            os.mkdir(self.at(path))

    def view(self, path=""):
        """The directory of the views of a cgroup."""
        return self.mount.path("view", os.stat(self.at(path)).st_ino)

    def members(self, path=""):
        return sorted(map(int, self.read(path, "cgroup.procs").split()))

    def wait_text(self, path, want):
        """Until a file reads want."""
        got = [None]

        def reads():
            got[0] = self.read(path)
            return got[0] == want
        try:
            wait_for(reads, path)
        except AssertionError:
            self.fail(f"{path} reads {got[0]!r}, not {want!r}")
