# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that take all they can of the daemon: open files, waiting calls, records. A second one
goes on as if it were alone. CTLFS_FLOOD_FILES: how many files are tried."""
import os
import resource
import select
import time
from collections import Counter

import agents
from harness import error_name, outcome, read, wait_for, write
from kernel_backend import KernelCase

TRIES = int(os.environ.get("CTLFS_FLOOD_FILES", "400"))
DESCRIPTORS = 1200  # of the daemon: 600 open files, of which 150 are for anybody
MOST = 150 + 600 // 4  # what a container of the second level can have
SAMPLES, WINDOWS = 50, 3
SLOWER = 5
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


class Floods(KernelCase):
    mount_before = ("prlimit", f"--nofile={DESCRIPTORS}")

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/init.scope", "a/x", "b")
        write(self.real_at("a/cgroup.subtree_control"), "+memory")
        self.a = self.agent("a/init.scope", pidns=True)
        self.b = self.agent("b", pidns=True)
        self.quiet_file = self.at("b/pids.max")

    def errors(self):
        return read(self.mount.path("ctl/errors"))

    def check_latency(self, quiet, what):
        attacked = self.b.call(p99, self.quiet_file)
        print(f"{what}: p99 {quiet * 1e6:.0f} us alone, {attacked * 1e6:.0f} us beside it",
              flush=True)
        self.assertLess(attacked, SLOWER * quiet, what)

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
        """Writes that take long, more than there are workers: the kernel sleeps while it turns a
        controller on and off."""
        quiet = self.b.call(p99, self.quiet_file)
        self.write("a/x/cgroup.subtree_control", "+memory")
        places = [f"a/x/{n}" for n in range(24)]
        self.mkdir(*places, *(place + "/y" for place in places))
        self.a.call(write_on, [self.at(place, "cgroup.subtree_control") for place in places],
                    (b"+memory", b"-memory"))
        wait_for(lambda: "are waiting for an answer" in self.errors(), "calls are refused")
        # Before 6.8 readers of /proc/PID/cgroup wait for such writes, too, from where we know who a
        # caller is.
        if KERNEL >= (6, 8):
            attacked = self.b.call(p99, self.quiet_file)
            print(f"waiting calls: p99 {quiet * 1e6:.0f} us alone, {attacked * 1e6:.0f} us beside",
                  flush=True)
        self.assertEqual("max\n", self.b.call(read, self.quiet_file))
        self.assertLess(self.mount.stats()["threads"], 64)

    def test_refusals(self):
        """Records of refusals, one after the other."""
        quiet = self.b.call(p99, self.quiet_file)
        outcome(self.b.call, write, self.at("b/x"), "mine")
        self.a.call(refuse_on, self.at("a/x/pids.max"))
        self.check_latency(quiet, "refusals")
        self.assertLessEqual(len(self.errors().splitlines()), 1025)
