# SPDX-License-Identifier: LGPL-2.1-or-later
"""MNT/ctl/cgroup: where its reader is, in the form of /proc/self/cgroup."""
from agents import Agent
from harness import MountCase, read, write


class OwnCgroup(MountCase):
    def test_reader(self):
        self.mkdir("a", "a/b c")
        agent = Agent()
        self.addCleanup(agent.end)
        path = self.mount.path("ctl/cgroup")
        top = self.top[len(self.mount.cgroup()):]
        self.assertEqual("0::/\n", agent.call(read, path))
        for name in ("a", "a/b c"):
            write(self.at(name, "cgroup.procs"), str(agent.pid))
            self.assertEqual(f"0::{top.rstrip('/')}/{name}\n", agent.call(read, path))
        self.assertEqual("0::/\n", read(path))
