# SPDX-License-Identifier: LGPL-2.1-or-later
"""Members that have ended and are still there: zombies, and processes whose first thread is dead.
Results are those of Linux 6.12."""
import os
import signal
import threading
import time
from pathlib import Path

from agents import Agent, libc, make_zombie
from harness import MountCase, keyed, wait_for, write

SYS_EXIT = 60


def lose_first_thread():
    """A child of two threads of which the first ends: its pid and the other's number."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        def live():
            os.write(sink, b"%d" % threading.get_native_id())
            time.sleep(100000)
        threading.Thread(target=live, daemon=True).start()
        time.sleep(0.05)
        libc.syscall(SYS_EXIT, 0)
    tid = int(os.read(source, 32))
    os.close(source)
    os.close(sink)
    return pid, tid


def status(pid):
    return keyed(Path(f"/proc/{pid}/status").read_text())


class Dead(MountCase):
    granted = "+pids"
    kill_reaches_dead_leaders = True

    def setUp(self):
        super().setUp()
        self.mkdir("a", "b")

    def agent(self, path):
        agent = Agent()
        self.addCleanup(agent.end)
        write(self.at(path, "cgroup.procs"), str(agent.pid))
        return agent

    def dying(self):
        return keyed(self.read("cgroup.stat"))["nr_dying_descendants"]

    def test_zombie(self):
        self.write("a/cgroup.subtree_control", "+pids")
        self.mkdir("a/x")
        parent = self.agent("a/x")
        zombie = parent.call(make_zombie)
        self.assertEqual([parent.pid], self.members("a/x"))
        self.assertEqual("2\n", self.read("a/x/pids.current"))
        self.check("OK", write, self.at("b/cgroup.procs"), str(zombie))
        self.assertEqual([], self.members("b"))
        write(self.at("b/cgroup.procs"), str(parent.pid))
        self.wait_text("a/x/cgroup.events", "populated 0\nfrozen 0\n")
        self.assertEqual("1\n", self.read("a/x/pids.current"))
        self.check("OK", os.rmdir, self.at("a/x"))
        self.assertEqual("1\n", self.read("a/pids.current"))
        self.assertEqual(1, self.dying())
        parent.call(os.waitpid, zombie, 0)
        self.assertEqual("0\n", self.read("a/pids.current"))
        self.assertEqual(0, self.dying())

    def test_dead_first_thread(self):
        parent = self.agent("a")
        pid, tid = parent.call(lose_first_thread)
        wait_for(lambda: status(pid)["State"] == "Z", "the end of the first thread")
        write(self.at("b/cgroup.procs"), str(parent.pid))
        self.assertEqual([pid], self.members("a"))
        self.assertEqual(f"{tid}\n", self.read("a/cgroup.threads"))
        self.assertEqual("2\n", self.read("a/pids.current"))
        self.check("OK", write, self.at("b/cgroup.procs"), str(pid))
        self.assertEqual([pid], self.members("a"))
        self.assertEqual([parent.pid], self.members("b"))
        self.assertEqual({tid, parent.pid}, set(map(int, self.read("b/cgroup.threads").split())))
        self.assertEqual("populated 0\nfrozen 0\n", self.read("a/cgroup.events"))
        self.assertEqual(("1\n", "2\n"), (self.read("a/pids.current"), self.read("b/pids.current")))
        self.check("OK", os.rmdir, self.at("a"))
        self.assertEqual(1, self.dying())
        self.check("OK", write, self.at("b/cgroup.kill"), "1")
        wait_for(parent.ended, "the death of all")
        if not self.kill_reaches_dead_leaders:
            self.assertEqual("populated 1\nfrozen 0\n", self.read("b/cgroup.events"))
            os.kill(pid, signal.SIGKILL)
        self.wait_text("b/cgroup.events", "populated 0\nfrozen 0\n")
