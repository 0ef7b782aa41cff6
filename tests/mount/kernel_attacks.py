# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that try to get out of their cgroup through a mount: by names, by races, by numbers,
and the two holes that LXCFS had. CTLFS_RACE_ROUNDS: how often a cgroup is made anew in a race."""
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import agents
from agents import checked, libc
from harness import CTLFS, outcome, read, wait_for, write
from kernel_backend import MS_BIND, KernelCase, bind

ROUNDS = int(os.environ.get("CTLFS_RACE_ROUNDS", "1000"))
TURNS = 10  # of so many rounds at most, until whoever races has been quick and slow enough
FILE = "cgroup.max.depth"
SYS_CLONE3 = 435
MNT_DETACH = 2


class AttackCase(KernelCase):
    mount_args = ("-o", "allow_other")

    def container(self, name, **kwargs):
        self.mkdir(name)
        return self.agent(name, pidns=True, **kwargs)

    def refused(self, want, agent, steps):
        """Each step of the agent's ends with that errno."""
        for function, *args in steps:
            with self.subTest(function=function.__name__, args=args):
                self.assertEqual(want, outcome(agent.call, function, *args))

    def state(self, name):
        """What must not change of a cgroup that is attacked."""
        real = self.real_at(name)
        attr = os.stat(real)
        return (attr.st_ino, attr.st_mode, attr.st_uid, sorted(os.listdir(real)),
                os.listxattr(real), [read(os.path.join(real, file)) for file in
                                     (FILE, "memory.max", "cgroup.procs", "pids.max")])


# --- what agents do ------------------------------------------------------------------------------

def read_from(directory, path):
    """A path relative to a directory that one has gone to."""
    os.chdir(directory)
    return read(path)


def write_from(directory, path, text):
    os.chdir(directory)
    write(path, text)


def read_below(fd, name):
    """A file of a directory that is open."""
    below = os.open(name, os.O_RDONLY, dir_fd=fd)
    try:
        return os.read(below, 100)
    finally:
        os.close(below)


def write_below(fd, name, text):
    below = os.open(name, os.O_WRONLY, dir_fd=fd)
    try:
        os.write(below, text.encode())
    finally:
        os.close(below)


def mkdir_below(fd, name):
    os.mkdir(name, dir_fd=fd)


def spawn_numbered(number):
    """A child that has that number in its own pid namespace, and waits."""
    tids = (ctypes.c_int * 1)(number)
    args = (ctypes.c_uint64 * 11)()
    args[4] = signal.SIGCHLD
    args[8], args[9] = ctypes.addressof(tids), 1
    pid = checked(libc.syscall(SYS_CLONE3, args, ctypes.sizeof(args)))
    if pid == 0:
        while True:
            time.sleep(1000)
    return pid


# --- names ---------------------------------------------------------------------------------------

class Escapes(AttackCase):
    def setUp(self):
        super().setUp()
        self.a = self.container("a")
        self.mkdir("a/x", "b", "b/x")
        self.before = self.state("b")

    def steps(self, b):
        """Reads and writes of cgroup b, by that path."""
        return ((read, b + "/memory.max"), (os.listdir, b), (write, b + "/x/" + FILE, "5"),
                (write, b + "/cgroup.procs", "0"), (os.mkdir, b + "/y"), (os.rmdir, b + "/x"),
                (os.chmod, b, 0o777), (os.chown, b + "/" + FILE, 1, 1),
                (os.setxattr, b, "user.a", b"1"))

    def after(self):
        self.assertEqual(self.before, self.state("b"))

    def test_dot_dot(self):
        for path in (self.at("a/x/../../b"), self.at("a/../b"), self.at("a/./x/../..//b/.")):
            self.refused("EACCES", self.a, self.steps(path))
        self.refused("EACCES", self.a, (
            (read_from, self.at("a/x"), "../../b/memory.max"),
            (write_from, self.at("a"), "../b/x/" + FILE, "5"),
            (write_from, self.at("a"), "../cgroup.procs", "0"),
            (write_from, self.at("a"), "../../cgroup.procs", "0")))
        self.after()

    def test_symlink(self):
        """Of the container's own; there are none in the tree."""
        with tempfile.TemporaryDirectory() as own:
            os.symlink(self.at("b"), own + "/b")
            os.symlink(self.at("a/x/../../b/memory.max"), own + "/file")
            self.refused("EACCES", self.a, (*self.steps(own + "/b"), (read, own + "/file"),
                                            (write, own + "/file", "1G")))
        self.refused("EPERM", self.a, ((os.symlink, "../b", self.at("a/link")),
                                       (os.link, self.at("b/memory.max"), self.at("a/link"))))
        self.after()

    def test_bind_of_parent(self):
        """The mount's own directory above the container's, bound below it where he sees it."""
        with tempfile.TemporaryDirectory() as own:
            self.a.call(bind, [(self.top, own)])
            self.refused("EACCES", self.a, self.steps(own + "/b"))
            self.assertEqual("OK", outcome(self.a.call, write, own + "/a/x/" + FILE, "7"))
        self.after()

    def test_real_bind_of_parent(self):
        """Another cgroup, bound over one of the container's in the daemon's own mounts."""
        for source in (self.real_at("b"), self.real, "/sys/fs/cgroup"):
            checked(libc.mount(source.encode(), self.real_at("a/x").encode(), None, MS_BIND, None))
            try:
                for path in ("a/x/x/" + FILE, "a/x/b/x/" + FILE, "a/x/" + FILE, "a/x/cgroup.procs"):
                    self.assertIn(outcome(self.a.call, write, self.at(path), "0"),
                                  ("ENOENT", "ENODEV", "EACCES"), path)
            finally:
                checked(libc.umount2(self.real_at("a/x").encode(), MNT_DETACH))
        self.after()

    def test_passed_directory(self):
        """A directory that somebody else has opened leads nowhere."""
        host = self.agent()
        self.a.call(agents.listen, "ctlfs-directory")
        host.call(agents.send_open, "ctlfs-directory", self.at("b"), os.O_PATH | os.O_DIRECTORY)
        fd = self.a.call(agents.receive_open)
        self.refused("EACCES", self.a, ((read_below, fd, "memory.max"),
                                        (write_below, fd, "x/" + FILE, "5"),
                                        (mkdir_below, fd, "y")))
        self.after()


class OldHoles(AttackCase):
    """What could be done to LXCFS before 0.12."""

    def test_cve_2015_1342(self):
        """Cgroups beside one's own were read and changed: by `..`, and where one's own name was
        the beginning of theirs."""
        a = self.container("a")
        self.mkdir("a/x", "ab", "ab/x")
        before = self.state("ab")
        for path in ("a/../ab", "a/x/../../ab", "ab"):
            theirs = self.at(path)
            self.refused("EACCES", a, (
                (read, theirs + "/memory.max"), (read, theirs + "/cgroup.procs"),
                (os.listdir, theirs), (write, theirs + "/memory.max", "1G"),
                (write, theirs + "/x/" + FILE, "1"), (os.mkdir, theirs + "/y"),
                (os.rmdir, theirs + "/x"), (os.chown, theirs + "/x", 1, 1),
                (os.chmod, theirs + "/x", 0o777)))
        self.assertEqual(before, self.state("ab"))
        self.assertEqual("OK", outcome(a.call, write, self.at("a/x", FILE), "1"))

    def test_cve_2015_1344(self):
        """Any pid was moved to a cgroup whose tasks file one could write, also root's."""
        self.mkdir("d", "d/x", "e")
        for path in ("d", "d/x"):
            for name in ("", "cgroup.procs", "cgroup.threads"):
                os.chown(self.real_at(path, name), 1000, 1000)
        user, mapped = self.agent("d"), self.container("m", mapped=True)
        user.call(agents.become, 1000)
        own = self.agent("e")
        own.call(agents.become, 1000)
        os.chown(self.real_at("m"), agents.MAPPED, agents.MAPPED)
        self.assertEqual("OK", outcome(mapped.call, os.mkdir, self.at("m/x")))
        for victim in (self.agent("e").pid, own.pid, 1, self.mount.process.pid, os.getpid()):
            before = read(f"/proc/{victim}/cgroup")
            for file in ("d/x/cgroup.procs", "d/x/cgroup.threads"):
                self.assertEqual("EACCES", outcome(user.call, write, self.at(file), str(victim)))
            if victim != 1:
                self.refused("ESRCH", mapped, ((write, self.at("m/x/cgroup.procs"),
                                                str(victim)),))
            self.assertEqual(before, read(f"/proc/{victim}/cgroup"))
        self.assertEqual("OK", outcome(user.call, write, self.at("d/x/cgroup.procs"), "0"))
        self.assertEqual([user.pid], self.members("d/x"))


# --- races ---------------------------------------------------------------------------------------

RACE = str(Path(CTLFS).parent / "mount/race")


def race(*args, **kwargs):
    return subprocess.Popen([RACE, *map(str, args)], stdout=subprocess.PIPE, text=True, **kwargs)


def press(base, name, fifo):
    """Until nobody has the other end of the fifo open: what `race press` tells."""
    agents.unshare_cgroups()
    with open(fifo, "rb") as source, race("press", base, name, stdin=source) as process:
        return process.communicate()[0].splitlines()


class Races(AttackCase):
    """A cgroup v2 is never renamed (EPERM): another of the same name takes its place."""

    def race(self, a):
        """Counts by what was tried and how it ended."""
        fifo = os.path.join(tempfile.gettempdir(), "stop")
        os.mkfifo(fifo)
        a.start(press, self.at("a"), "x", fifo)
        sink = os.open(fifo, os.O_WRONLY)
        os.unlink(fifo)
        with race("recreate", self.real_at("a/x"), ROUNDS) as maker:
            strange, _ = maker.communicate()
        os.close(sink)
        fine, told = a.answer()
        self.assertEqual((0, "", True), (maker.returncode, strange, fine), told)
        self.assertEqual([], [line for line in told if line.startswith("strange")])
        return Counter({tuple(line.split()[:2]): int(line.split()[2]) for line in told})

    def test_recreated(self):
        self.mkdir("b", "b/x")
        before = self.state("b")
        a = self.container("a")
        self.mkdir("a/x")
        wanted = {("new", "OK"), ("old", "ENODEV"), ("mkdir", "OK"), ("move", "OK"),
                  ("move", "ENODEV")}
        ends = Counter()
        for _ in range(TURNS):
            ends += self.race(a)
            if wanted <= ends.keys():
                break
        self.assertLessEqual(wanted, ends.keys(), ends)
        self.assertLessEqual({end for _, end in ends}, {"OK", "ENOENT", "ENODEV", "EEXIST"}, ends)
        self.assertEqual(before, self.state("b"))

    def test_stale_directory(self):
        """A directory that is open does not become another of its name."""
        a = self.container("a")
        self.mkdir("a/x")
        fd = a.call(os.open, self.at("a/x"), os.O_RDONLY | os.O_DIRECTORY)
        self.assertEqual("OK", outcome(a.call, read_below, fd, FILE))
        os.rmdir(self.real_at("a/x"))
        os.mkdir(self.real_at("a/x"))
        for step in ((read_below, fd, FILE), (read_below, fd, "pids.max"),
                     (write_below, fd, FILE, "5"), (mkdir_below, fd, "y")):
            self.assertIn(outcome(a.call, *step), ("ENOENT", "ENODEV"), step)
        self.assertEqual("max\n", a.call(read, self.at("a/x", FILE)))

    def test_renamed(self):
        a = self.container("a")
        self.mkdir("a/x", "b")
        self.refused("EPERM", a, ((os.rename, self.at("a/x"), self.at("a/y")),
                                  (os.rename, self.at("a/x"), self.at("b/x")),
                                  (os.rename, self.at("b"), self.at("a/b"))))


class RacesByPath(Races):
    """The same where cgroups cannot be opened by number."""

    mount_before = ("setpriv", "--bounding-set", "-dac_read_search")


# --- callers -------------------------------------------------------------------------------------

def read_and_write(path, text):
    outcome(read, path)
    write(path, text)


def busy(paths, text):
    for path in paths:
        for _ in range(2):
            agents.keep_doing(read_and_write, path, text)


def fds_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Callers(AttackCase):
    def test_killed(self):
        """Callers that end while they are being answered leave nothing behind."""
        daemon = self.mount.process.pid
        self.mkdir("a", "a/x")
        paths = [self.at("a/x", name) for name in (FILE, "cgroup.procs", "memory.reclaim")]
        before = None
        for _ in range(12):
            agent = self.agent("a", pidns=True)
            agent.call(busy, paths, "0")
            reads = self.mount.stats()["reads"]
            wait_for(lambda since=reads: self.mount.stats()["reads"] > since + 20, "callers read")
            write(self.real_at("a/cgroup.kill"), "1")
            agent.wait()
            wait_for(lambda: "populated 0" in read(self.real_at("a/cgroup.events")), "all ended")
            if before is None:
                before = fds_of(daemon)
        wait_for(lambda: fds_of(daemon) <= before + 4, f"{fds_of(daemon)} fds, {before} before")
        self.assertEqual("OK", outcome(self.write, "a/x/" + FILE, "max"))

    def test_forged_number(self):
        """A process that has, in its own pid namespace, the number of one of the host."""
        a, host = self.container("a"), self.agent()
        self.mkdir("a/x")
        for victim in (host.pid, self.mount.process.pid):
            before = read(f"/proc/{victim}/cgroup")
            self.refused("ESRCH", a, ((write, self.at("a/x/cgroup.procs"), str(victim)),))
            self.assertEqual(victim, a.call(spawn_numbered, victim))
            self.assertEqual("OK", outcome(a.call, write, self.at("a/x/cgroup.procs"),
                                           str(victim)))
            self.assertEqual(before, read(f"/proc/{victim}/cgroup"))
            self.assertIn(str(victim), a.call(read, self.at("a/x/cgroup.procs")).split())
            self.assertNotIn(victim, self.members("a/x"))
