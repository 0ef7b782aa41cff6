# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs attach` and `ctlfs detach` over the real cgroup v2 of a VM: containers in cgroups and
cgroup namespaces of their own."""
import os

import containers
from containers import TREE, VIEWS, Container, attach, attach_cycle, attached, detach, inside
from harness import outcome, read, run_ctlfs, write
from kernel_backend import KernelCase

MOUNT_MAX = "/proc/sys/fs/mount-max"
LIMITS = {"/proc/meminfo": 128 * 1024, "/proc/cpuinfo": 1, "/proc/stat": 1,
          "/sys/devices/system/cpu/online": "0\n"}
# Enters the cgroup $1 first, so that its namespace begins there. What is mounted may be locked, and
# cgroup2 does not mount on itself.
OWN_CGROUPS = '''echo 0 >"$1/cgroup.procs"; exec unshare -C sh -c '
    set -e; mount -t tmpfs tmpfs /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
    %s
    echo ready; exec sleep 100000\''''


class Attach(KernelCase):
    def setUp(self):
        super().setUp()
        self.mkdir("ctr")
        self.write("ctr/memory.max", "128M")
        self.write("ctr/cpu.max", "100000")

    def container(self, *options, setup=":", **kwargs):
        container = Container(*options, setup=OWN_CGROUPS % setup, argument=self.real_at("ctr"),
                              **kwargs)
        self.addCleanup(container.end)
        return container

    def test_cycle(self):
        """The tree comes and goes, too: a reader of memory.max sees the same file."""
        for options in ((), ("-U", "-r")):
            container = self.container(*options)
            want = {**LIMITS, TREE + "/memory.max": f"{128 << 20}\n", TREE + "/cgroup.type":
                    "domain\n"}
            attach_cycle(self, self.mount, container.pid, want, tree="yes", rounds=3)
            container.end()

    def test_shared_pid_namespace(self):
        container = self.container(pidns=False)
        attach_cycle(self, self.mount, container.pid, LIMITS, rounds=1)

    def test_tree_auto(self):
        """Over a read-only hierarchy, not over one that the container may write."""
        container = self.container()
        said = attach(self, "--mount", self.mount.point, container.pid)
        self.assertEqual([TREE], said["left_out"])
        container.end()
        container = self.container(setup="mount -o remount,bind,ro /sys/fs/cgroup")
        with inside(container.pid) as agent:
            self.assertEqual("EROFS", outcome(agent.call, os.mkdir, TREE + "/child"))
            said = attach(self, "--mount", self.mount.point, container.pid)
            self.assertIn(TREE, said["attached"])
            agent.call(os.mkdir, TREE + "/child")
            self.assertTrue(os.path.isdir(self.real_at("ctr/child")))
            agent.call(os.rmdir, TREE + "/child")
            detach(self, container.pid)
            self.assertEqual("EROFS", outcome(agent.call, os.mkdir, TREE + "/child"))

    def test_undone(self):
        """If one mount fails, those before it are taken back; no reader sees an error."""
        container = self.container()
        most = read(MOUNT_MAX)
        self.addCleanup(write, MOUNT_MAX, most)
        paths = containers.files_of(VIEWS)
        with inside(container.pid) as reader:
            reader.call(containers.start_loop, paths)
            named = []
            mounts = containers.listing(container.pid)
            for most_now in range(len(mounts), len(mounts) + 300):
                write(MOUNT_MAX, str(most_now))
                done = run_ctlfs("attach", "--mount", self.mount.point, "--tree", "yes",
                                 container.pid)
                write(MOUNT_MAX, most)
                if done.status == 0:
                    break
                self.assertEqual((1, ""), (done.status, done.out), done)
                self.assertRegex(done.err, r"^ctlfs: attach: \S+: move_mount: No space")
                self.assertEqual(mounts, containers.listing(container.pid))
                named.append(done.err.split(": ")[2])
            _, wrong = reader.call(containers.stop_loop)
        self.assertEqual([], wrong)
        self.assertEqual([TREE, *VIEWS], list(dict.fromkeys(named)))
        self.assertEqual(sorted([TREE, *VIEWS]), attached(container.pid))

    def test_cgroup_options(self):
        """The machine's own mount of cgroup2 is as before."""
        def options():
            return [line.split(" - ")[1] for line in read("/proc/self/mountinfo").splitlines()
                    if " - cgroup2 " in line]
        before = options()
        container = self.container()
        attach(self, "--mount", self.mount.point, "--tree", "yes", container.pid)
        detach(self, container.pid)
        self.assertEqual(before, options())
