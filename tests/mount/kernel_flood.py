# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that take all they can of the daemon: open files, waiting calls, records. A second one
goes on as if it were alone. CTLFS_FLOOD_FILES: how many files are tried."""
import os
import resource
import select
import time
from collections import Counter

import agents
from harness import SLOW, error_name, keyed, outcome, read, wait_for, write
from kernel_backend import KernelCase

MANY = 640  # cgroups in one, whose list is kept in ten pages
LISTS = 1000  # that are tried: more pages than 32768 / 4 + 1024, that a container may have
GROWTH = (96 << 20) * SLOW  # bytes of the daemon, at most, when one has all the pages he may
TRIES = int(os.environ.get("CTLFS_FLOOD_FILES", "400"))
DESCRIPTORS = 1200  # of the daemon: 600 open files, of which 150 are for anybody
MOST = 150 + 600 // 4  # what a container of the second level can have
WRITERS = 24  # more than may be served at a time
SAMPLES, WINDOWS = 50, 8
SLOWER = 5
SLOWER_BY_LOCKS = 30  # where the kernel's own locks of kernfs are what all wait for
KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))

held = []


def hold_open(path, tries):
    """Opens a file so many times and keeps what it gets: how often it ended how."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (tries + 100, tries + 100))
    ends = Counter()
    directory = os.open(os.path.dirname(path), os.O_PATH)
    name = os.path.basename(path)
    for _ in range(tries):
        try:
            held.append(os.open(name, os.O_RDONLY, dir_fd=directory))
            end = "OK"
        except OSError as error:
            end = error_name(error.errno)
        ends[end] += 1
    return ends


def poll_all():
    """Waits on all of them in a child."""
    for fd in held:
        os.pread(fd, 10, 0)
    poller = select.poll()
    for fd in held:
        poller.register(fd, select.POLLPRI)
    agents.keep_doing(poller.poll)


def close_all():
    for fd in held:
        os.close(fd)
    held.clear()


def p99(path):
    """Of reading the file, in seconds: the best of several windows, since others use the machine,
    too."""
    best = []
    os.chdir(os.path.dirname(path))
    name = os.path.basename(path)
    for _ in range(WINDOWS):
        times = []
        for _ in range(SAMPLES):
            start = time.monotonic()
            read(name)
            times.append(time.monotonic() - start)
        best.append(sorted(times)[SAMPLES * 99 // 100])
    return min(best)


def write_all(fd, texts):
    for text in texts:
        outcome(os.write, fd, text)


def write_on(paths, texts):
    """Children that write all the time, a thing that takes long, each to a file of its own since
    one has one writer at a time; and others that read what these write to, for which they wait."""
    for path in paths:
        fd = os.open(path, os.O_RDWR)
        agents.keep_doing(write_all, fd, texts)
        agents.keep_doing(os.pread, fd, 100, 0)


def refuse_on(path):
    agents.keep_doing(write, path, "no number " * 20)


class Flood(KernelCase):
    """Two containers, of which a takes all it can and b reads a file."""

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/init.scope", "a/x", "b")
        write(self.real_at("a/cgroup.subtree_control"), "+memory")
        self.a = self.agent("a/init.scope", pidns=True)
        self.b = self.agent("b", pidns=True)
        self.quiet_file = self.at("b/pids.max")

    def errors(self):
        return read(self.mount.path("ctl/errors"))

    def check_latency(self, quiet, what, slower=SLOWER):
        attacked = self.b.call(p99, self.quiet_file)
        print(f"{what}: p99 {quiet * 1e6:.0f} us alone, {attacked * 1e6:.0f} us beside it",
              flush=True)
        self.assertLess(attacked, slower * quiet, what)


class Floods(Flood):
    mount_before = ("prlimit", f"--nofile={DESCRIPTORS}")

    def test_open_files(self):
        """And those who wait for them."""
        quiet = self.b.call(p99, self.quiet_file)
        ends = self.a.call(hold_open, self.at("a/cgroup.events"), TRIES)
        self.assertEqual({"OK", "EMFILE"}, set(ends))
        self.assertGreater(ends["OK"], MOST // 2)
        self.assertLessEqual(ends["OK"], MOST)
        self.assertIn("has as many files of this mount open as one may", self.errors())
        self.a.call(poll_all)
        self.check_latency(quiet, "open and polled files")
        self.assertEqual({"OK": 50}, self.b.call(hold_open, self.quiet_file, 50))
        # Descendants of the container get nothing more, and what is closed is there again.
        nested = self.agent("a/x", pidns=True).call(hold_open, self.at("a/x/cgroup.type"), TRIES)
        self.assertEqual({"OK", "EMFILE"}, set(nested))
        self.assertLessEqual(ends["OK"] + nested["OK"], MOST)
        self.a.call(close_all)
        write(self.real_at("a/cgroup.kill"), "1")
        again = self.agent("a/init.scope", pidns=True)
        wait_for(lambda: outcome(again.call, read, self.at("a/pids.max")) == "OK", "files are free")

    def test_waiting_calls(self):
        """Writes that take long, more than are served at a time: the kernel sleeps while it turns a
        controller on and off. Nobody is refused; who waits for a turn, test_turns has."""
        quiet = self.b.call(p99, self.quiet_file)
        self.write("a/x/cgroup.subtree_control", "+memory")
        places = [f"a/x/{n}" for n in range(WRITERS)]
        self.mkdir(*places, *(place + "/y" for place in places))
        self.a.call(write_on, [self.at(place, "cgroup.subtree_control") for place in places],
                    (b"+memory", b"-memory"))
        begun = self.mount.stats()["writes"]
        wait_for(lambda: self.mount.stats()["writes"] > begun + 100, "they are at it")
        # Before 6.8 readers of /proc/PID/cgroup wait for such writes, too, from where we know who a
        # caller is.
        if KERNEL >= (6, 8):
            self.check_latency(quiet, "waiting calls", SLOWER_BY_LOCKS)
        self.assertEqual("max\n", self.b.call(read, self.quiet_file))
        self.assertLess(self.mount.stats()["threads"], 64)
        self.assertNotIn("cgroup.subtree_control: E", self.errors())
        # Who is killed does not wait for his turn.
        write(self.real_at("a/cgroup.kill"), "1")
        wait_for(lambda: self.mount.stats()["waiting"] == 0, "nobody waits any more")

    def test_refusals(self):
        """Records of refusals, one after the other."""
        quiet = self.b.call(p99, self.quiet_file)
        outcome(self.b.call, write, self.at("b/x"), "mine")
        self.a.call(refuse_on, self.at("a/x/pids.max"))
        self.check_latency(quiet, "refusals")
        self.assertLessEqual(len(self.errors().splitlines()), 1025)


class Memory(Flood):
    """With so many descriptors that memory is what comes to its end."""
    mount_before = ("prlimit", "--nofile=8192")

    def resident(self):
        return keyed(read(f"/proc/{self.mount.process.pid}/status"))["VmRSS"] << 10

    def test_begun_to_read(self):
        """Lists of a large directory, that are kept until they are closed."""
        os.mkdir(self.real_at("a/many"))
        for number in range(MANY):
            os.mkdir(self.real_at("a/many", str(number)))
        quiet = self.b.call(p99, self.quiet_file)
        before = self.resident()
        ends = self.a.call(hold_open, self.at("a/many/."), LISTS)
        self.assertEqual({"OK", "ENOMEM"}, set(ends))
        self.assertGreater(ends["OK"], LISTS // 2)
        self.assertIn("holds as much as one may of what it has begun to read", self.errors())
        self.assertLess(self.resident() - before, GROWTH)
        self.check_latency(quiet, "begun to read")
        self.assertEqual({"OK": 50}, self.b.call(hold_open, self.at("b/."), 50))
        self.a.call(close_all)
        self.assertEqual({"OK": 50}, self.a.call(hold_open, self.at("a/many/."), 50))
