# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs explain`: for every field the value that the process sees, and the texts that are read at
each level of the tree."""
import json
import os
import re

from agents import Agent
from harness import CTLFS, MountCase, keyed, read, run_ctlfs, run_in


class Explain(MountCase):
    granted = "+cpu +memory +pids"

    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b")
        self.write("cgroup.subtree_control", "+cpu +memory")
        self.write("a/cgroup.subtree_control", "+memory")
        self.write("memory.max", "512M")
        self.write("a/memory.max", "128M")
        self.write("a/cpu.max", "100000 100000")
        agent = Agent()
        self.addCleanup(agent.end)
        self.write("a/b/cgroup.procs", str(agent.pid))
        self.pid = agent.pid

    def explain(self, *args):
        return run_ctlfs("explain", "--mount", self.mount.point, *args)

    def fields(self, file, *name):
        done = self.explain("--json", self.pid, file, *name)
        self.assertEqual((0, ""), (done.status, done.err), done)
        said = json.loads(done.out)
        self.assertEqual((self.pid, "/" + os.path.relpath(self.at("a/b"), self.mount.cgroup())),
                         (said["pid"], said["cgroup"]))
        return {field["name"]: field for field in said["fields"]}

    def test_ancestors(self):
        """The limit of each level, and the host's."""
        total, = self.fields("/proc/meminfo", "MemTotal").values()
        self.assertEqual("131072 kB", total["value"])
        limits, host = total["inputs"]
        self.assertEqual(("smallest", "memory.max"), (limits["how"], limits["file"]))
        values = [level["value"] for level in limits["values"]]
        self.assertEqual(["max\n", 128 << 20, 512 << 20], [
            value + "\n" if value == "max" else value for value in values[:3]])
        self.assertEqual(read("/proc/meminfo").split("\n")[0].split(":")[1].strip(),
                         host["values"][0]["value"])

    def test_nearest(self):
        """A level without the controller is left out."""
        idle = self.fields("stat", "idle")["idle"]
        quota = next(each for each in idle["inputs"] if each["file"] == "cpu.max")
        self.assertEqual("100000 100000", quota["values"][0]["value"])
        self.assertTrue(quota["values"][0]["at"].endswith("/a"), quota)

    def test_every_field(self):
        """Each is what the file says, and none is missing."""
        info = keyed(read(self.view("a/b") + "/proc/meminfo"))
        fields = self.fields("meminfo")
        self.assertEqual(list(info), list(fields))
        still = [name for name, field in fields.items() if not field["inputs"]]
        self.assertLess(5, len(still))
        for name in [*still, "MemTotal", "SwapTotal", "Hugepagesize"]:
            self.assertEqual(info[name], int(str(fields[name]["value"]).split()[0]), name)

    def test_text(self):
        done = self.explain(self.pid, "meminfo", "MemTotal:")
        self.assertRegex(done.out, r"^/proc/meminfo for process \d+, whose container is /.*/a/b "
                                   r"\(view/\d+\)\n  MemTotal: 131072 kB\n    [^\n]+\n"
                                   r"    smallest memory\.max\n      /[^\n]*/a/b: max\n"
                                   r"      /[^\n]*/a: 134217728\n")
        self.assertRegex(self.explain(self.pid, "pressure/memory").out, r"\n  \*: some avg10=")
        self.assertIn("no cgroup has it", self.explain(self.pid, "diskstats").out)

    def test_wrong_arguments(self):
        for args, status, pattern in (
                ((self.pid, "meminfo", "Foo"), 1, "/proc/meminfo has no field Foo"),
                ((self.pid, "foo"), 2, "'foo' is no view"), ((self.pid, ""), 2, "is no view"),
                (("x", "meminfo"), 2, "'x' is no process"), (("0", "meminfo"), 2, "is no process"),
                ((1 << 22, "meminfo"), 1, "process 4194304 is in no cgroup"),
                ((self.pid,), 2, "expected a process and a file"),
                (("--list", self.pid), 2, "or --list alone")):
            done = self.explain(*args)
            self.assertEqual((status, ""), (done.status, done.out), done)
            self.assertRegex(done.err, pattern)
        done = run_ctlfs("explain", "--mount", "/", self.pid, "meminfo")
        self.assertEqual((1, ""), (done.status, done.out), done)

    def test_inside(self):
        """In a container the host's numbers are not to be had, and are not made up."""
        done = run_in("--memory", "256M", "--", "sh", "-c",
                      f'{CTLFS} explain $$ meminfo MemTotal')
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.out, r"MemTotal: 262144 kB\n(.*\n)*.*host /proc/meminfo MemTotal\n"
                                   r" +not seen from in here\n$")
        self.assertTrue(re.search(r"/run: 268435456", done.out), done.out)
