# SPDX-License-Identifier: LGPL-2.1-or-later
"""ctlfs in the place of LXCFS: what LXC runs for that binds our views instead."""
import os
import tempfile
import unittest

from harness import MountCase, run_program, tool

HOOK = "/usr/share/lxcfs/lxc.mount.hook"
# In the container's cgroup, as process 1 of a container whose root directory is $3.
JOIN = 'echo 0 >"$1/cgroup.procs"; shift; exec unshare -m -p -f --propagation private sh -ec "$@"'
MAKE = """mount --bind "$1" /var/lib/lxcfs
mount -t tmpfs rootfs "$3"
mkdir "$3/proc" "$3/sys"
mount -t proc proc "$3/proc"
mount --bind /sys "$3/sys"
LXC_ROOTFS_MOUNT=$3 LXC_CGNS_AWARE=1 sh -e "$2"
cd "$3"
grep MemTotal proc/meminfo
grep -c ^processor proc/cpuinfo
grep -c ^cpu0 proc/stat
cat sys/devices/system/cpu/online"""


class Hook(MountCase):
    modes = ("root",)
    granted = "+cpu +memory"

    def test_hook(self):
        tool("unshare")
        if not os.path.exists(HOOK):
            raise unittest.SkipTest("lxcfs is not installed")
        self.mkdir("x")
        self.write("x/memory.max", "256M")
        self.write("x/cpu.max", "50000 100000")
        root = tempfile.mkdtemp(prefix="rootfs.")
        self.addCleanup(os.rmdir, root)
        done = run_program(["sh", "-ec", JOIN, "sh", self.at("x"), MAKE, "sh", self.mount.point,
                            HOOK, root])
        self.assertEqual(0, done.status, done)
        self.assertEqual(["MemTotal: 262144 kB", "1", "1", "0"],
                         [" ".join(line.split()) for line in done.out.splitlines()], done)
