# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pids and tids in the numbers of whoever reads and writes, in pid namespaces inside each other."""
import os
import queue
import threading

import agents
from agents import CLONE_NEWPID, Agent, checked, libc
from harness import DEADLINE, outcome, read, write
from kernel_backend import CGROUPS, KernelCase

inner = []  # in an agent: one that it has started


def start_inner():
    """An agent that is process 1 of a pid namespace inside the agent's: its pid as that sees it."""
    checked(libc.unshare(CLONE_NEWPID))
    inner.append(Agent())
    return inner[0].child


def inner_call(function, *args):
    return inner[0].call(function, *args)


def move_thread(path):
    """A new thread writes "0": its tid here, the errno, and what it reads then."""
    found, end = queue.Queue(), threading.Event()

    def run():
        found.put((threading.get_native_id(), outcome(write, path, "0"), read(path)))
        end.wait()
    threading.Thread(target=run, daemon=True).start()
    return found.get(timeout=DEADLINE)


class Nested(KernelCase):
    def setUp(self):
        super().setUp()
        self.mkdir("x", "x/y")
        self.procs, self.other = self.at("x/cgroup.procs"), self.at("x/y/cgroup.procs")

    def outer(self):
        return self.agent("x", pidns=True)

    def test_two_levels(self):
        """A process is known by another number on each level, and 0 where it is not seen."""
        outer = self.outer()
        pid = outer.call(start_inner)
        seen = outer.call(inner_call, read, self.procs)
        self.assertEqual([0, 1], sorted(map(int, seen.split())))  # itself, its parent outside
        self.assertEqual(sorted([1, pid]), sorted(map(int, outer.call(read, self.procs).split())))
        self.assertEqual(sorted(map(int, read(self.real_at("x/cgroup.procs")).split())),
                         self.members("x"))
        self.assertEqual("ESRCH", outcome(outer.call, inner_call, write, self.other, "2"))
        self.assertEqual("OK", outcome(outer.call, inner_call, write, self.other, "1"))
        self.assertEqual([str(pid)], outer.call(read, self.other).split())
        self.assertEqual([str(outer.pid)], read(self.real_at("x/cgroup.procs")).split())
        # Where the first process of its namespace is ends what it can reach.
        self.assertEqual("EACCES", outcome(outer.call, inner_call, write, self.procs, "0"))
        self.assertEqual("OK", outcome(outer.call, write, self.procs, str(pid)))
        self.assertEqual("", self.read("x/y/cgroup.procs"))
        self.assertEqual("OK", outcome(outer.call, write, self.other, str(pid)))
        self.assertEqual([str(pid)], outer.call(read, self.other).split())

    def test_outside(self):
        """Numbers of other namespaces' processes mean nothing, however real they are."""
        outer, stranger = self.outer(), self.agent("x")
        for word in (str(stranger.pid), str(outer.pid), str(os.getpid()), str(self.mount_pid())):
            self.assertEqual("ESRCH", outcome(outer.call, write, self.other, word), word)
        self.assertEqual("", self.read("x/y/cgroup.procs"))

    def mount_pid(self):
        return self.mount.process.pid

    def test_words(self):
        """As the kernel parses them, on both trees."""
        agent = Agent(pidns=True)
        self.addCleanup(agent.end)
        for word in ("", "\n", "abc", "-1", " 1 ", "1\n", "1x", "0x1", "01", "+1", "1 2", "1\0z",
                     "99999999999", "4194305", "2147483648", "-0", "0\n", " "):
            got = [outcome(agent.call, write, base, word)
                   for base in (self.real_at("x/cgroup.procs"), self.procs)]
            self.assertEqual(*got, repr(word))
            write(CGROUPS + "/cgroup.procs", str(agent.pid))

    def test_threads(self):
        """A thread that moves itself, and its number on both levels."""
        for name in ("t", "t/u"):
            self.mkdir(name)
        self.write("t/u/cgroup.type", "threaded")
        agent = self.agent("t", pidns=True)
        tid, error, text = agent.call(move_thread, self.at("t/u/cgroup.threads"))
        self.assertEqual(("OK", f"{tid}\n"), (error, text))
        real, = map(int, read(self.real_at("t/u/cgroup.threads")).split())
        self.assertIn(str(real), os.listdir(f"/proc/{agent.pid}/task"))
        self.assertNotEqual(tid, real)
        self.assertEqual("EOPNOTSUPP", outcome(agent.call, read, self.at("t/u/cgroup.procs")))
        self.assertEqual("OK", outcome(agent.call, write, self.at("t/cgroup.threads"), str(tid)))
        self.assertEqual("", self.read("t/u/cgroup.threads"))

    def test_without_the_ioctls(self):
        """The same answers from NSpid, which is all that kernels before 6.12 have."""
        outer = self.outer()
        pids = [outer.call(agents.spawn, "fork") for _ in range(40)]
        self.assertEqual(sorted([1, *pids]), sorted(map(int, outer.call(read, self.procs).split())))
        for pid in pids:
            outer.call(write, self.other, str(pid))
        self.assertEqual(sorted(pids), sorted(map(int, outer.call(read, self.other).split())))
        self.assertEqual([outer.pid], self.members("x"))
