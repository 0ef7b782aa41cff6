# SPDX-License-Identifier: LGPL-2.1-or-later
"""What counts of who opened a file: cgroup namespaces of the kernel over an emulated tree, and
supplementary groups. Results are those of Linux 6.12 with nsdelegate."""
import os

from agents import Agent, die_with_parent, libc, unshare_cgroups, write_open
from harness import MountCase, opened, read, write

UID, GROUP = 65534, 4242


def join_group(gid):
    """A user with one supplementary group, for files only."""
    os.setgroups([gid])
    libc.setfsgid(UID)
    libc.setfsuid(UID)
    die_with_parent()


class Namespaces(MountCase):
    modes = ("root",)
    granted = "+memory"

    def setUp(self):
        super().setUp()
        self.mkdir("a", "b", "b/c")

    def inside(self, path):
        """A process in a cgroup, and in a cgroup namespace made there."""
        agent = Agent()
        self.addCleanup(agent.end)
        write(self.at(path, "cgroup.procs"), str(agent.pid))
        try:
            agent.call(unshare_cgroups)
        except PermissionError:
            self.skipTest("no cgroup namespaces here")
        return agent

    def test_opener_counts(self):
        """As an attacker who gets a file from inside and has a set-uid program write to it."""
        agent = self.inside("b")
        fd = agent.call(os.open, self.at("b/cgroup.procs"), os.O_RDWR)
        with opened(f"/proc/{agent.pid}/fd/{fd}", os.O_RDWR) as ours:
            write(self.at("a/cgroup.procs"), str(os.getpid()))
            self.addCleanup(write, self.mount.cgroup("cgroup.procs"), str(os.getpid()))
            self.check("OK", write_open, ours, "0")  # opened anew, by us
        write(self.at("a/cgroup.procs"), str(agent.pid))
        self.check("ENOENT", agent.call, write_open, fd, "0")
        self.check("ENOENT", agent.call, write, self.at("b/cgroup.procs"), str(os.getppid()))

    def test_border(self):
        agent = self.inside("b")
        other = Agent()
        self.addCleanup(other.end)
        write(self.at("b/cgroup.procs"), str(other.pid))
        self.check("OK", agent.call, write, self.at("b/c/cgroup.procs"), str(other.pid))
        self.check("ENOENT", agent.call, write, self.at("a/cgroup.procs"), str(other.pid))
        self.assertEqual([other.pid], self.members("b/c"))

    def test_root_files(self):
        agent = self.inside("b")
        for name, text, want in (("cgroup.max.depth", "9", "EPERM"), ("memory.max", "1G", "EPERM"),
                                 ("cgroup.freeze", "0", "EPERM"), ("cgroup.type", "x", "EPERM"),
                                 ("cgroup.kill", "x", "EPERM"),
                                 ("memory.oom.group", "1", "OK"), ("cgroup.procs", "0", "OK"),
                                 ("cgroup.threads", "0", "OK"),
                                 ("cgroup.subtree_control", "", "OK")):
            with self.subTest(name=name):
                self.check(want, agent.call, write, self.at("b", name), text)
        self.check("OK", agent.call, write, self.at("b/c/cgroup.max.depth"), "9")
        self.check("OK", agent.call, read, self.at("b/memory.max"))
        self.check("OK", write, self.at("b/memory.max"), "1G")

    def test_stranger(self):
        """Who is no member sees the whole tree from every namespace."""
        agent = Agent()
        self.addCleanup(agent.end)
        agent.call(unshare_cgroups)
        self.check("OK", agent.call, write, self.at("a/cgroup.max.depth"), "9")
        self.check("OK", agent.call, write, self.at("b/cgroup.procs"), "0")
        self.check("OK", agent.call, write, self.at("b/cgroup.max.depth"), "9")


class Groups(MountCase):
    modes = ("root",)

    def test_delegated_to_a_group(self):
        self.mkdir("d", "d/x", "d/y")
        for path in ("d", "d/x", "d/y"):
            os.chown(self.at(path, "cgroup.procs"), -1, GROUP)
            os.chmod(self.at(path, "cgroup.procs"), 0o664)
        member, stranger = Agent(), Agent()
        for agent, gid in ((member, GROUP), (stranger, GROUP + 1)):
            self.addCleanup(agent.end)
            write(self.at("d/x/cgroup.procs"), str(agent.pid))
            agent.call(join_group, gid)
        self.check("OK", member.call, write, self.at("d/y/cgroup.procs"), "0")
        self.assertEqual([member.pid], self.members("d/y"))
        self.check("EACCES", stranger.call, write, self.at("d/y/cgroup.procs"), "0")
        os.chmod(self.at("d/cgroup.procs"), 0o644)
        self.check("EACCES", member.call, write, self.at("d/x/cgroup.procs"), "0")
