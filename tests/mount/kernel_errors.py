# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the real kernel refuses is kept for its container, and what it does comes to the audit."""
import os
import tempfile

from follower import Follower, entries, refusals
from harness import Mount, read, write
from kernel_backend import KernelCase


class Refusals(KernelCase):
    def seen(self, agent=None):
        return refusals(self.mount, "/" + os.path.basename(self.top), agent)

    def test_containers(self):
        """Each sees its own, with its own pids; the host sees all."""
        name = "/" + os.path.basename(self.top)
        self.mkdir("x", "y")
        x, y = self.agent("x", pidns=True), self.agent("y", pidns=True)
        follower = Follower(self.mount.point, "--json")
        self.addCleanup(follower.end)
        self.check("EINVAL", x.call, write, self.at("x/memory.oom.group"), "a\xff\n")
        self.check("EBUSY", y.call, write, self.at("y/cgroup.subtree_control"), "+memory")
        mine, = self.seen(x)
        self.assertEqual((name + "/x/memory.oom.group", name + "/x", 1, "EINVAL"),
                         tuple(mine[key] for key in ("file", "container", "pid", "errno")))
        mine, = self.seen(y)
        self.assertEqual(("EBUSY", name + "/y", 1),
                         tuple(mine[key] for key in ("errno", "container", "pid")))
        self.assertIn("internal processes", mine["reason"])
        self.assertEqual([x.pid, y.pid], [e["pid"] for e in self.seen()])
        while (entry := follower.entry()).get("container") != name + "/y":
            pass
        self.assertEqual(y.pid, entry["pid"])
        self.assertEqual((0, ""), follower.interrupt())

    def test_audit(self):
        name = "/" + os.path.basename(self.top)
        self.mkdir("x")
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "log")
            with Mount("-o", f"audit={path}", backend="kernel") as mount:
                at = mount.cgroup(name[1:], "x")
                member = self.agent("x", pidns=True)
                self.check("OK", member.call, write, at + "/memory.oom.group", "1\n")
                self.check("EINVAL", member.call, write, at + "/memory.oom.group", "junk")
                os.mkdir(at + "/c")
                os.chmod(at + "/c", 0o700)
                os.chown(at + "/c/cgroup.procs", 1000, 1000)
                os.setxattr(at + "/c", "user.n", b"1")
                os.rmdir(at + "/c")
            lines = entries(read(path))
        self.assertEqual([
            ("write", "/memory.oom.group", "1\n"), ("mkdir", "/c", None), ("chmod", "/c", "0700"),
            ("chown", "/c/cgroup.procs", "1000:1000"), ("setxattr", "/c", "user.n=1"),
            ("rmdir", "/c", None)],
            [(e["op"], e["file"].removeprefix(name + "/x"), e.get("text")) for e in lines])
        self.assertEqual((name + "/x", member.pid), (lines[0]["container"], lines[0]["pid"]))
        self.assertEqual("/", lines[1]["container"])
