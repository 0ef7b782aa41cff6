# SPDX-License-Identifier: LGPL-2.1-or-later
"""What waits for files in ways of its own: select, epoll, many descriptors; pressure triggers; what
inotify tells of directories; how often and in which order files tell."""
import ctypes
import os
import resource
import select
import struct
import threading
import time

from agents import checked, libc
from harness import DEADLINE, MountCase, opened, root_only, wait_for, write
from test_events import CHANGED, IN_CREATE, IN_DELETE, IN_ISDIR, IN_MODIFY, QUIET, Watch, poll

URGENT = select.POLLERR | select.POLLPRI
IN_DELETE_SELF = 0x400
IN_IGNORED = 0x8000


def add_watch(watch, path):
    checked(libc.inotify_add_watch(watch.fd, os.fsencode(path), ctypes.c_uint32(IN_MODIFY)))


def descriptors(watch):
    """Of the watches that have told of something, in order; none of them with a name."""
    try:
        data = os.read(watch.fd, 1 << 16)
    except BlockingIOError:
        return []
    return [wd for wd, *_ in struct.iter_unpack("iIII", data)]


def switches(pid):
    """How often the threads of a process went to sleep."""
    tasks = f"/proc/{pid}/task"
    count = 0
    for tid in os.listdir(tasks):
        with open(f"{tasks}/{tid}/status", encoding="ascii") as status:
            count += sum(int(line.split()[1]) for line in status
                         if line.startswith("voluntary_ctxt_switches"))
    return count


class Waiter(threading.Thread):
    """Blocks in poll() until something urgent comes."""

    def __init__(self, fd, seconds=DEADLINE):
        super().__init__()
        self.fd, self.seconds, self.mask, self.took = fd, seconds, None, None
        self.start()
        time.sleep(0.2)  # it has to be waiting

    def run(self):
        started = time.monotonic()
        self.mask = poll(self.fd, self.seconds)
        self.took = time.monotonic() - started

    def result(self):
        self.join()
        return self.mask


class Polls(MountCase):
    granted = "+memory +pids"
    many = 512

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b")

    def hold(self, *parts, flags=os.O_RDONLY):
        context = opened(self.at(*parts), flags)
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def freeze(self, path, value):
        self.write(path + "/cgroup.freeze", str(int(value)))

    def watch(self, path, mask):
        watch = Watch(self.at(path), mask)
        self.addCleanup(watch.close)
        return watch

    def test_at_once(self):
        """The poll() after a change finds it, without waiting."""
        fd = self.hold("a/b/cgroup.events")
        for turn in range(20):
            os.pread(fd, 5, 0)
            self.assertEqual(QUIET, poll(fd))
            self.freeze("a", turn % 2 == 0)
            self.assertEqual(CHANGED, poll(fd))
            self.assertEqual(CHANGED, poll(fd))  # until it is read
            os.pread(fd, 5, 5)  # goes on in the old text, where the last one ended
            self.assertEqual(CHANGED, poll(fd))
            time.sleep(0.011)

    def test_merged(self):
        """A second change within 10 ms is told of when they are over."""
        fd = self.hold("a/b/cgroup.events")
        for _ in range(400):
            os.pread(fd, 100, 0)
            started = time.monotonic()
            self.freeze("a", True)
            self.assertEqual(CHANGED, poll(fd))
            os.pread(fd, 100, 0)
            self.freeze("a", False)
            mask = poll(fd)
            if time.monotonic() - started < 0.009:
                self.assertEqual(QUIET, mask)
                self.assertEqual(URGENT, poll(fd, DEADLINE))
                self.assertEqual(b"populated 0\nfrozen 0\n", os.pread(fd, 100, 0))
                return
            poll(fd, DEADLINE)
            time.sleep(0.02)
        self.skipTest("this machine is too busy for two writes within 9 ms")

    def test_edge_triggered(self):
        fd = self.hold("a/b/cgroup.events")
        os.read(fd, 100)
        with select.epoll() as epoll:
            epoll.register(fd, select.EPOLLPRI | select.EPOLLET)
            self.assertEqual([], epoll.poll(0))
            self.freeze("a", True)
            self.assertEqual([(fd, select.EPOLLPRI | select.EPOLLERR)], epoll.poll(DEADLINE))
            self.assertEqual([], epoll.poll(0.1))
            os.pread(fd, 100, 0)
            self.assertEqual([], epoll.poll(0.1))
            self.freeze("a", False)
            self.assertEqual([(fd, select.EPOLLPRI | select.EPOLLERR)], epoll.poll(DEADLINE))

    def test_select(self):
        fd = self.hold("a/b/cgroup.events")
        os.read(fd, 100)
        self.assertEqual(([fd], [], []), select.select([fd], [], [fd], 0))
        self.assertEqual(([], [], []), select.select([], [], [fd], 0.1))
        self.freeze("a", True)
        self.assertEqual(([], [], [fd]), select.select([], [], [fd], DEADLINE))

    def test_many(self):
        """512 descriptors on 512 files and 512 on one: all are woken, no other is."""
        many, need = self.many, 1200
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < need:
            self.skipTest("not enough file descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.mkdir("a/other", *(f"a/b/{i}" for i in range(many)))
        with select.epoll() as epoll:
            files = {self.hold(f"a/b/{i}/cgroup.events") for i in range(many)}
            files |= {self.hold("a/b/cgroup.events") for _ in range(many)}
            other = self.hold("a/other/cgroup.events")
            for fd in [*files, other]:
                os.read(fd, 100)
                epoll.register(fd, select.EPOLLPRI | select.EPOLLET)
            self.assertEqual([], epoll.poll(0))
            self.freeze("a/b", True)
            woken = set()
            wait_for(lambda: woken.update(fd for fd, _ in epoll.poll(0.1)) or woken >= files,
                     "everybody who polls")
            self.assertEqual(files, woken)
            self.assertEqual(QUIET, poll(other))
        for i in range(many):
            os.rmdir(self.at(f"a/b/{i}"))

    @root_only
    def test_order(self):
        """inotify tells of changes in the order in which they were, each once."""
        names = [f"a/b/{i}" for i in range(20)]
        self.mkdir(*names)
        queue = self.watch("a", IN_CREATE)
        for name in names:
            add_watch(queue, self.at(name, "cgroup.events"))
        found = []
        for name in names:
            self.freeze(name, True)
        wait_for(lambda: found.extend(descriptors(queue)) or len(found) >= len(names),
                 "all changes")
        self.assertEqual(sorted(set(found)), found)
        self.assertEqual([], queue.take())

    @root_only
    def test_inotify_of_a_parent(self):
        """A watch on the directory names the file."""
        watch = self.watch("a/b", IN_MODIFY)
        fd = self.hold("a/b/cgroup.events")
        os.read(fd, 100)
        self.freeze("a", True)
        self.assertEqual(URGENT, poll(fd, DEADLINE))
        wait_for(lambda: (IN_MODIFY, "cgroup.events") in watch.take(), "IN_MODIFY with a name")

    def test_inotify_rmdir(self):
        """The parent is told as by the kernel. Watches on what is removed end, other than there:
        a file system of this kind cannot keep them."""
        parent = self.watch("a", IN_CREATE | IN_DELETE | IN_DELETE_SELF)
        own = self.watch("a/b", IN_CREATE | IN_DELETE | IN_DELETE_SELF)
        os.rmdir(self.at("a/b"))
        self.assertEqual([(IN_DELETE | IN_ISDIR, "b")], parent.take())
        self.assertEqual([IN_DELETE_SELF, IN_IGNORED],
                         [mask & (IN_DELETE_SELF | IN_IGNORED) for mask, _ in own.take()])
        self.mkdir("a/b")
        self.assertEqual([(IN_CREATE | IN_ISDIR, "b")], parent.take())

    # --- pressure ---

    def trigger(self, path, text):
        fd = self.hold(path, flags=os.O_RDWR)
        os.write(fd, text.encode())
        return fd

    def test_pressure_masks(self):
        for name in ("cpu.pressure", "io.pressure", "memory.pressure"):
            with self.subTest(name=name):
                fd = self.hold("a/b", name, flags=os.O_RDWR)
                self.assertEqual(CHANGED, poll(fd))
                os.read(fd, 1000)
                self.assertEqual(CHANGED, poll(fd))  # whatever was read: there is no trigger
                os.write(fd, b"some 100000 2000000")
                self.assertEqual(QUIET, poll(fd))
                self.check("EBUSY", os.write, fd, b"some 100000 2000000")
                with opened(self.at("a/b", name)) as other:
                    self.assertEqual(CHANGED, poll(other))

    def test_pressure_hidden(self):
        """Who waits on a trigger is woken when its file goes, and the descriptor stays dead."""
        fd = self.trigger("a/b/cpu.pressure", "some 100000 2000000")
        waiter = Waiter(fd)
        self.write("a/b/cgroup.pressure", "0")
        self.assertEqual(URGENT, waiter.result())
        self.check("ENOENT", os.stat, self.at("a/b/cpu.pressure"))
        self.write("a/b/cgroup.pressure", "1")
        self.assertEqual(CHANGED, poll(fd))
        self.check("ENODEV", os.pread, fd, 100, 0)
        self.check("ENODEV", os.write, fd, b"some 100000 2000000")
        self.assertEqual(QUIET, poll(self.trigger("a/b/cpu.pressure", "some 100000 2000000")))

    def test_removed(self):
        """rmdir wakes who waits on a trigger. Others are not woken, as in kernfs, but find it."""
        fd = self.trigger("a/b/memory.pressure", "full 100000 2000000")
        events = self.hold("a/b/cgroup.events")
        os.read(events, 100)
        waiters = Waiter(fd), Waiter(events, seconds=1)
        os.rmdir(self.at("a/b"))
        self.assertEqual(URGENT, waiters[0].result())
        self.assertLess(waiters[0].took, 0.9)
        self.assertEqual(URGENT, waiters[1].result())
        self.assertGreater(waiters[1].took, 0.9)

    @root_only  # others' triggers are looked at every 2 s at most
    def test_sleeps(self):
        """A trigger on what does not stall keeps nobody awake: it would be looked at 250 times a
        second. (A sanitizer has a thread that wakes up ten times a second.)"""
        self.trigger("a/b/cpu.pressure", "some 1 1")
        pid = self.mount.process.pid
        time.sleep(0.3)
        before = switches(pid)
        time.sleep(2)
        self.assertLess(switches(pid) - before, 50)

    def test_storm(self):
        """Files are opened, polled, closed and removed while they change. Nobody waits for ever."""
        ends, failures = time.monotonic() + 5, []
        self.mkdir(*(f"a/b/{i}" for i in range(8)))

        def worker(number):
            path = f"a/b/{number}"
            turns = 0
            while time.monotonic() < ends:
                with opened(self.at(path, "cgroup.events")) as mine, \
                        opened(self.at("a/b/cgroup.events")) as shared:
                    os.read(mine, 100)
                    os.read(shared, 100)
                    turns += 1
                    self.freeze(path, turns % 2)
                    if poll(mine, DEADLINE) != URGENT:
                        failures.append((path, turns))
                    poll(shared)
                    if turns % 4 == 0:
                        os.rmdir(self.at(path))
                        os.mkdir(self.at(path))

        workers = [threading.Thread(target=worker, args=(i,)) for i in range(8)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        self.assertEqual([], failures)

    def stall(self, path, rates):
        name = os.path.relpath(self.at(path), self.mount.cgroup())
        write(self.mount.path("ctl/inject"), f"pressure /{name} memory {rates}")

    @root_only  # others' windows are whole 2 s
    def test_trigger(self):
        """Fires while the cgroup stalls, once in a window, for its descriptor alone."""
        fd = self.trigger("a/b/memory.pressure", "some 50000 500000")
        above = self.trigger("a/memory.pressure", "some 50000 500000")
        full = self.trigger("a/b/memory.pressure", "full 50000 500000")
        self.stall("a/b", "some=80% full=1%")
        for each in (fd, above):
            self.assertEqual(select.POLLPRI, poll(each, DEADLINE))
        fired, ends = 0, time.monotonic() + 3.2
        with select.epoll() as epoll:
            epoll.register(fd, select.EPOLLPRI | select.EPOLLET)
            while time.monotonic() < ends:
                found = epoll.poll(ends - time.monotonic())
                self.assertIn(found, ([], [(fd, select.EPOLLPRI)]))
                fired += len(found)
        self.assertLessEqual(fired, 7)
        self.assertGreaterEqual(fired, 3)
        self.assertEqual(QUIET, poll(full))
        some = self.read("a/b/memory.pressure").splitlines()[0]
        self.assertNotIn("avg10=0.00", some)
        self.stall("a/b", "some=0% full=0%")
        totals = [line.split("=")[-1] for line in self.read("a/b/memory.pressure").splitlines()]
        time.sleep(0.6)
        poll(fd)
        self.assertEqual(0, poll(fd, 1.2))
        self.assertEqual(totals, [line.split("=")[-1] for line in
                                  self.read("a/b/memory.pressure").splitlines()])
