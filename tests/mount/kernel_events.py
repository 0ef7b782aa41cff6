# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel's own notifications become on a mount of the kernel backend: poll() and inotify
on events, pressure triggers that live as long as a descriptor, peaks that each opener resets."""
import contextlib
import os
import select
import time
from pathlib import Path

import agents
import test_events
import test_poll
import test_xattrs
from harness import DEADLINE, KERNEL, opened, outcome, read, wait_for, write
from kernel_backend import KernelCase
from test_events import CHANGED, QUIET, poll
from test_poll import URGENT, Waiter


class Events(KernelCase):
    """The emulator's tests, with the kernel's events."""
    test_populated = test_events.Events.test_populated
    test_no_event = test_events.Events.test_no_event
    test_frozen = test_events.Events.test_frozen
    test_two_processes = test_events.Events.test_two_processes
    test_inotify_directories = test_events.Events.test_inotify_directories
    watch = test_events.Events.watch

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b")

    def test_inotify_modify(self):
        test_events.Events.test_inotify_modify(self)

    def test_fresh(self):
        """What the first read is to poll(), each descriptor for itself; a file without text has
        none."""
        for name in ("cgroup.events", "cgroup.procs", "memory.max", "memory.events", "pids.max"):
            got = []
            for base in (self.real_at("a"), self.at("a")):
                with opened(f"{base}/{name}") as one, opened(f"{base}/{name}") as two:
                    got.append([poll(one), os.read(one, 1000), poll(one), poll(two)])
            self.assertEqual(*got, name)
            self.assertEqual(CHANGED, got[0][-1])


class Polls(KernelCase):
    test_at_once = test_poll.Polls.test_at_once
    test_edge_triggered = test_poll.Polls.test_edge_triggered
    test_select = test_poll.Polls.test_select
    test_many = test_poll.Polls.test_many
    test_inotify_rmdir = test_poll.Polls.test_inotify_rmdir
    test_pressure_masks = test_poll.Polls.test_pressure_masks
    test_pressure_hidden = test_poll.Polls.test_pressure_hidden
    test_storm = test_poll.Polls.test_storm
    hold = test_poll.Polls.hold
    freeze = test_poll.Polls.freeze
    watch = test_poll.Polls.watch
    trigger = test_poll.Polls.trigger
    many = 64  # each costs the VM half a second where others use the machine

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b")

    def test_removed(self):
        """rmdir wakes who waits on a trigger."""
        fd = self.trigger("a/b/memory.pressure", "full 100000 2000000")
        waiter = Waiter(fd)
        os.rmdir(self.at("a/b"))
        self.assertEqual(URGENT, waiter.result())
        self.assertEqual(CHANGED, poll(fd))

    def test_order(self):
        test_poll.Polls.test_order(self)

    def test_inotify_of_a_parent(self):
        test_poll.Polls.test_inotify_of_a_parent(self)


class Removed(KernelCase):
    """A cgroup that is gone, through descriptors of before."""
    test_directory = test_xattrs.Removed.test_directory
    test_attributes_of_directory = test_xattrs.Removed.test_attributes_of_directory
    test_working_directory = test_xattrs.Removed.test_working_directory
    test_many = test_xattrs.Removed.test_many
    same = test_xattrs.Removed.same

    def setUp(self):
        super().setUp()
        self.mkdir("d")

    def test_files(self):
        for remove in (lambda: os.rmdir(self.at("d")), lambda: os.rmdir(self.real_at("d"))):
            with opened(self.at("d/memory.max"), os.O_RDWR) as fd:
                os.setxattr(fd, "user.a", b"1")
                before = os.fstat(fd)
                self.assertEqual((b"max\n", b""), (os.read(fd, 100), os.read(fd, 100)))
                remove()
                self.same(before, fd)
                self.check("ENODEV", os.read, fd, 1)  # also where nothing more would come
                os.lseek(fd, 0, os.SEEK_SET)
                self.check("ENODEV", os.read, fd, 1)
                self.check("ENODEV", os.write, fd, b"max")
                self.check("E2BIG", os.write, fd, b"x" * 4097)
                self.assertEqual(CHANGED, poll(fd))
                self.check("OK", os.fchmod, fd, 0o600)
                self.assertEqual(0o100600, os.fstat(fd).st_mode)
                self.assertEqual(b"1", os.getxattr(fd, "user.a"))
                self.mkdir("d")
                self.check("ENODEV", os.pread, fd, 1, 0)

    def test_behind_our_back(self):
        """A directory that was removed and made again without us is another one."""
        with opened(self.at("d"), os.O_RDONLY | os.O_DIRECTORY) as fd:
            os.stat("cgroup.procs", dir_fd=fd)
            os.rmdir(self.real_at("d"))
            os.mkdir(self.real_at("d"))
            self.check("ENOENT", os.stat, "cgroup.procs", dir_fd=fd)
            self.check("ENOENT", os.open, "cgroup.procs", os.O_RDONLY, dir_fd=fd)
            self.assertIn(outcome(os.mkdir, "x", dir_fd=fd), ("ENOENT", "ENODEV"))
            self.assertFalse(os.path.exists(self.real_at("d/x")))
        self.check("OK", os.stat, self.at("d/cgroup.procs"))


def monitors():
    """The kernel's threads that watch triggers of the privileged: one for a cgroup that has any."""
    found = 0
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            found += comm.read_text().strip().startswith("psimon")
    return found


class Triggers(KernelCase):
    trigger = test_poll.Polls.trigger
    hold = test_poll.Polls.hold
    TEXT = "some 20000 1000000"

    def setUp(self):
        super().setUp()
        self.mkdir("a")
        self.write("a/cpu.max", "10000 100000")

    def start_stall(self):
        """Two processes compete for the little CPU time that the cgroup has."""
        for _ in range(2):
            self.agent("a").start(agents.burn, DEADLINE)

    def test_fires(self):
        """For each opener by itself; what fires is told once; a trigger ends with its opener."""
        one, two = (self.trigger("a/cpu.pressure", self.TEXT) for _ in range(2))
        never = self.trigger("a/memory.pressure", self.TEXT)
        without = self.hold("a/cpu.pressure")
        self.assertEqual(CHANGED, poll(without))
        self.start_stall()
        for fd in (one, two):
            self.assertEqual(select.POLLPRI, poll(fd, DEADLINE))
        waiter = Waiter(two)
        with opened(self.at("a/cpu.pressure"), os.O_RDWR) as third:
            os.write(third, self.TEXT.encode())
            self.assertEqual(select.POLLPRI, poll(third, DEADLINE))
        self.assertEqual(select.POLLPRI, waiter.result())
        self.assertEqual(select.POLLPRI, poll(one, DEADLINE))
        self.write("a/cgroup.kill", "1")
        self.assertEqual(QUIET, poll(never))

    def test_once(self):
        """What fires while nobody waits is found by the next poll(), once."""
        fd = self.trigger("a/cpu.pressure", self.TEXT)
        self.start_stall()
        time.sleep(5)
        self.write("a/cgroup.kill", "1")
        wait_for(lambda: "populated 0" in self.read("a/cgroup.events"), "no process is left")
        time.sleep(3)
        self.assertEqual(QUIET | select.POLLPRI, poll(fd))
        self.assertEqual(QUIET, poll(fd))

    def test_lives_as_long_as_the_descriptor(self):
        self.assertEqual(0, monitors())
        path = self.at("a/io.pressure")
        one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
        for fd in (one, two):
            os.write(fd, self.TEXT.encode())
            self.check("EBUSY", os.write, fd, self.TEXT.encode())
        copy = os.dup(two)
        self.assertEqual(1, monitors())
        os.close(one)
        os.close(two)
        time.sleep(0.5)
        self.assertEqual(1, monitors())
        os.close(copy)
        wait_for(lambda: monitors() == 0, "no trigger is left")

    def test_users(self):
        """Who has no CAP_SYS_RESOURCE needs a window of whole 2 s, and a right."""
        os.chmod(self.at("a/cpu.pressure"), 0o666)
        user = self.agent()
        user.call(agents.become, 65534)
        for base in (self.real_at("a"), self.at("a")):
            self.check("EINVAL", user.call, write, base + "/cpu.pressure", self.TEXT)
            self.check("OK", user.call, write, base + "/cpu.pressure", "some 20000 2000000")
            self.check("EACCES", user.call, write, base + "/io.pressure", "some 20000 2000000")


class Peaks(KernelCase):
    """memory.peak: what was written to a descriptor resets it for that one (6.12)."""

    def test_openers(self):
        self.mkdir("a")
        path = self.at("a/memory.peak")
        if KERNEL < (6, 12):
            self.check("EINVAL", write, path, "reset")
            return
        member = self.agent("a")
        member.call(agents.hold_memory, 32 << 20)
        member.call(agents.drop_memory)

        def peak(fd):
            return int(os.pread(fd, 100, 0))
        with opened(path, os.O_RDWR) as one, opened(path, os.O_RDWR) as two:
            high = peak(one)
            self.assertGreater(high, 32 << 20)
            os.write(one, b"reset")
            self.assertLess(peak(one), high - (16 << 20))
            self.assertEqual(high, peak(two))
            self.assertEqual(high, int(read(path)))
            member.call(agents.hold_memory, 16 << 20)
            self.assertGreater(peak(one), 16 << 20)
            os.write(two, b"\n")
            self.assertEqual(high, int(read(self.real_at("a/memory.peak"))))
            self.assertLess(peak(two), high)


class Reads(KernelCase):
    """Parts of a text, from anywhere."""

    def test_parts(self):
        self.mkdir("a")
        for name in ("memory.stat", "cgroup.events", "memory.max", "cgroup.controllers"):
            texts = []
            for path in (self.real_at("a", name), self.at("a", name)):
                with opened(path) as fd:
                    whole = os.read(fd, 1 << 16)
                    self.assertEqual(b"", os.read(fd, 10))
                    parts = [os.pread(fd, size, at) for at, size in
                             ((0, 3), (3, 4), (2, 5), (len(whole) - 2, 10), (len(whole), 10),
                              (1 << 20, 10), (0, 1))]
                    os.lseek(fd, 4, os.SEEK_SET)
                    texts.append((whole, parts, os.read(fd, 6)))
            self.assertEqual(*texts, name)


class Removals(KernelCase):
    """cgroup.kill and cgroup.freeze through us are told by the kernel's events."""

    def test_kill_wakes(self):
        self.mkdir("x")
        members = [self.agent("x") for _ in range(3)]
        with opened(self.at("x/cgroup.events")) as fd:
            os.read(fd, 100)
            waiter = Waiter(fd)
            self.write("x/cgroup.kill", "1")
            self.assertEqual(URGENT, waiter.result())
        self.assertEqual([-9] * 3, [member.wait() for member in members])
