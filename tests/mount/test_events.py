# SPDX-License-Identifier: LGPL-2.1-or-later
"""poll() and inotify on files that notify, as kernfs does it. Nothing here asks how many events
come, since the kernel merges them too: only that one comes, and that none is there before."""
import ctypes
import os
import select
import struct

from agents import Agent, checked, libc
from harness import DEADLINE, MountCase, opened, root_only, wait_for

QUIET = select.POLLIN | select.POLLOUT
CHANGED = QUIET | select.POLLERR | select.POLLPRI
IN_MODIFY = 0x2
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_ISDIR = 0x40000000


def poll(fd, timeout=0):
    """The events of fd now, or once some beyond mere readability come."""
    poller = select.poll()
    poller.register(fd, CHANGED if not timeout else select.POLLERR | select.POLLPRI)
    return dict(poller.poll(timeout * 1000)).get(fd, 0)


held = []  # in an agent: what it polls


def hold(path):
    """Opens a file and reads it; what changes from now on is seen by the poll below."""
    held.append(os.open(path, os.O_RDONLY))
    return os.read(held[-1], 1000).decode()


def poll_held():
    return poll(held[-1], DEADLINE), os.pread(held[-1], 1000, 0).decode()


class Watch:
    """inotify on one path."""

    def __init__(self, path, mask):
        self.fd = checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        checked(libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask)))

    def take(self):
        """Pairs of mask and name that have come."""
        found = []
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return found
        while data:
            _, mask, _, length = struct.unpack_from("iIII", data)
            found.append((mask, os.fsdecode(data[16:16 + length].rstrip(b"\0"))))
            data = data[16 + length:]
        return found

    def close(self):
        os.close(self.fd)


class Events(MountCase):
    granted = "+memory +pids"

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b")

    def agent(self, path=None):
        agent = Agent()
        self.addCleanup(agent.end)
        if path:
            self.write(path + "/cgroup.procs", str(agent.pid))
        return agent

    def watch(self, path, mask):
        watch = Watch(self.at(path), mask)
        self.addCleanup(watch.close)
        return watch

    def test_fresh(self):
        """Until its first read a file counts as changed, each descriptor for itself."""
        for name in ("cgroup.events", "cgroup.procs", "memory.max", "memory.events", "pids.events"):
            with self.subTest(name=name), opened(self.at("a", name)) as one, \
                    opened(self.at("a", name)) as two:
                self.assertEqual(CHANGED, poll(one))
                os.read(one, 1000)
                self.assertEqual(QUIET, poll(one))
                self.assertEqual(CHANGED, poll(two))

    def test_populated(self):
        """Wakes at the first member and at the exit of the last, and every read arms it again."""
        with opened(self.at("a/cgroup.events")) as fd, opened(self.at("cgroup.events")) as above:
            os.read(fd, 1000)
            os.read(above, 1000)
            first = self.agent("a/b")
            for each in (fd, above):
                self.assertEqual(select.POLLERR | select.POLLPRI, poll(each, DEADLINE))
                self.assertEqual(b"populated 1\nfrozen 0\n", os.pread(each, 1000, 0))
                self.assertEqual(QUIET, poll(each))
            first.end()
            for each in (fd, above):
                self.assertEqual(select.POLLERR | select.POLLPRI, poll(each, DEADLINE))
                self.assertEqual(b"populated 0\nfrozen 0\n", os.pread(each, 1000, 0))

    def test_no_event(self):
        """A second process, a move between a cgroup and its child, the same value again: nothing
        for the ancestor. What comes after them shows that they were seen."""
        with opened(self.at("a/cgroup.events")) as fd:
            os.read(fd, 1000)
            first = self.agent("a")
            self.assertEqual(select.POLLERR | select.POLLPRI, poll(fd, DEADLINE))
            os.pread(fd, 1000, 0)
            second = self.agent("a")
            self.write("a/b/cgroup.procs", str(second.pid))
            self.write("a/cgroup.procs", str(second.pid))
            self.write("a/cgroup.freeze", "0")
            first.end()
            self.assertEqual([second.pid], self.members("a"))
            self.assertEqual(QUIET, poll(fd))
            second.end()
            self.assertEqual(select.POLLERR | select.POLLPRI, poll(fd, DEADLINE))

    def test_frozen(self):
        self.agent("a")
        with opened(self.at("a/cgroup.events")) as fd:
            os.read(fd, 1000)
            for value in ("1", "0"):
                self.write("a/cgroup.freeze", value)
                self.assertEqual(select.POLLERR | select.POLLPRI, poll(fd, DEADLINE))
                wait_for(lambda: os.pread(fd, 1000, 0).endswith(f"frozen {value}\n".encode()),
                         "frozen " + value)

    def test_two_processes(self):
        """Everybody who polls is woken."""
        waiters = [self.agent() for _ in range(3)]
        for waiter in waiters:
            self.assertEqual("populated 0\nfrozen 0\n",
                             waiter.call(hold, self.at("a/cgroup.events")))
            waiter.conn.send((poll_held, ()))
        self.agent("a")
        for waiter in waiters:
            self.assertEqual((True, (select.POLLERR | select.POLLPRI, "populated 1\nfrozen 0\n")),
                             waiter.answer())

    @root_only  # an ordinary user's daemon may not write to a file of mode 0444
    def test_inotify_modify(self):
        with_events, without = self.watch("a/cgroup.events", IN_MODIFY), \
            self.watch("a/memory.max", IN_MODIFY)
        self.assertEqual([], with_events.take())
        agent = self.agent("a")
        wait_for(with_events.take, "IN_MODIFY when a cgroup gets its first member")
        agent.end()
        wait_for(with_events.take, "IN_MODIFY at the last exit")
        self.assertEqual([], without.take())

    def test_inotify_directories(self):
        """mkdir and rmdir."""
        watch = self.watch("a", IN_CREATE | IN_DELETE)
        self.mkdir("a/new")
        self.assertEqual([(IN_CREATE | IN_ISDIR, "new")], watch.take())
        os.rmdir(self.at("a/new"))
        self.assertEqual([(IN_DELETE | IN_ISDIR, "new")], watch.take())

    def test_removed(self):
        """Who polls a file of a cgroup that is gone is told so."""
        with opened(self.at("a/b/cgroup.events")) as fd:
            os.read(fd, 1000)
            self.assertEqual(QUIET, poll(fd))
            os.rmdir(self.at("a/b"))
            self.assertEqual(select.POLLERR | select.POLLPRI, poll(fd, DEADLINE))
            self.check("ENODEV", os.pread, fd, 10, 0)
