# SPDX-License-Identifier: LGPL-2.1-or-later
"""ctlfs export and mount --import: what a mount had, another one has."""
import os
import tempfile
from pathlib import Path

from agents import Agent
from harness import Case, Mount, read, run_ctlfs, write

SETTINGS = (
    ("cgroup.subtree_control", "+cpu +memory +pids"),
    ("a/cgroup.subtree_control", "+cpu +memory +pids"),
    ("a/memory.max", "256M"), ("a/cpu.max", "50000 100000"), ("a/b/pids.max", "7"),
    ("a/b/cpu.weight", "33"), ("t/cgroup.subtree_control", "+pids"),
    ("t/x/cgroup.type", "threaded"), ("t/x/pids.max", "3"),
)


def texts(directory):
    """All files below, without what tells of owners, times, or members."""
    moving = ("cpu.stat", "memory.stat", ".pressure", "memory.current", "memory.peak")
    return {str(path.relative_to(directory)): path.read_text(encoding="utf-8")
            for path in Path(directory).rglob("*")
            if path.is_file() and not path.name.endswith(moving)}


class Export(Case):
    def setUp(self):
        self.work = self.enterContext(tempfile.TemporaryDirectory(prefix="export."))

    def path(self, name):
        return os.path.join(self.work, name)

    def export(self, mount, name):
        result = run_ctlfs("export", "--from", mount.point, self.path(name))
        self.assertEqual(0, result.status, result)
        return texts(self.path(name))

    def test_round_trip(self):
        with Mount() as first:
            for name in ("a", "a/b", "t", "t/x"):
                os.mkdir(first.cgroup(name))
            for name, text in SETTINGS:
                write(first.cgroup(name), text)
            os.chmod(first.cgroup("a/b"), 0o711)
            before = self.export(first, "one")
        with Mount("--import", self.path("one")) as second:
            self.assertEqual("268435456\n", read(second.cgroup("a/memory.max")))
            self.assertEqual("threaded\n", read(second.cgroup("t/x/cgroup.type")))
            self.assertEqual(0o711, os.stat(second.cgroup("a/b")).st_mode & 0o777)
            self.assertEqual(before, self.export(second, "two"))
            self.assertIn("5 cgroups; left out: the processes of 0", second.stderr())

    def test_from_a_mount(self):
        """Without a snapshot in between, from a directory of the tree."""
        agent = Agent()
        self.addCleanup(agent.end)
        with Mount() as first:
            os.mkdir(first.cgroup("a"))
            write(first.cgroup("a/cgroup.procs"), str(agent.pid))
            with Mount("--import", first.cgroup()) as second:
                self.assertEqual("", read(second.cgroup("a/cgroup.procs")))
                self.assertIn("left out: the processes of ", second.stderr())

    def test_refusals(self):
        result = run_ctlfs("export", "--from", self.work, self.path("one"))
        self.assertEqual(1, result.status)
        self.assertIn("not a directory of a cgroup v2 tree", result.err)
        os.mkdir(self.path("in"))
        os.symlink("/etc", self.path("in/job"))
        os.mkdir(self.path("mnt"))
        result = run_ctlfs("mount", "--import", self.path("in"), self.path("mnt"))
        self.assertEqual(1, result.status)
        self.assertIn("job: neither a directory nor a file", result.err)
        result = run_ctlfs("mount", "--backend", "kernel", "--import", self.path("in"),
                           self.path("mnt"))
        self.assertEqual(2, result.status)
