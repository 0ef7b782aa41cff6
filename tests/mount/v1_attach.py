# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs attach` and `ctlfs detach` on a host with cgroup v1: views, and no tree."""
from containers import Container, attach_cycle, attached, detach, views_of
from harness import run_ctlfs, write
from v1_views import CGROUPS, DIRS, V1Case, real


class AttachCase(V1Case):
    modes = ()

    def cycle(self, procs):
        """With the files to write its pid to, for 128M and one CPU."""
        container, views = Container(), views_of(self.mount)
        self.addCleanup(container.end)
        done = run_ctlfs("attach", "--mount", self.mount.point, container.pid)
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertIn("in the root cgroup", done.err)
        for path in procs:
            write(path, str(container.pid))
        attach_cycle(self, self.mount, container.pid,
                     {"/proc/meminfo": 128 * 1024, "/proc/cpuinfo": 1, "/proc/stat": 1}, rounds=2)
        done = run_ctlfs("attach", "--mount", self.mount.point, "--tree", "yes", container.pid)
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertIn("has no tree", done.err)
        self.assertEqual([], attached(container.pid))
        done = run_ctlfs("attach", "--mount", self.mount.point, container.pid)
        self.assertRegex(done.out, rf"^attached {len(views)} views to container \d+\n$")
        self.assertEqual(views, attached(container.pid))
        self.assertEqual(sorted(views), sorted(detach(self, container.pid)["detached"]))


class Attach(AttachCase):
    modes = ("v1",)

    def test_cycle(self):
        self.make("ctr")
        write(real("memory", "ctr/memory.limit_in_bytes"), "128M")
        write(real("cpu", "ctr/cpu.cfs_quota_us"), "100000")
        self.cycle([real(controller, "ctr/cgroup.procs") for controller in DIRS])


class AttachMixed(AttachCase):
    modes = ("mixed",)

    def test_cycle(self):
        self.make_mixed("ctr")
        write(CGROUPS + "/unified/ctr/memory.max", "128M")
        write(real("cpu", "ctr/cpu.cfs_quota_us"), "100000")
        self.cycle([CGROUPS + "/unified/ctr/cgroup.procs", real("cpu", "ctr/cgroup.procs")])
