# SPDX-License-Identifier: LGPL-2.1-or-later
"""--emulate: the files of other kernels; and the controllers that know the machine's devices."""
import os
from pathlib import Path

from harness import ROOT, Case, Mount, MountCase, read, run_in, write


def block_devices():
    """ "MAJ:MIN" of each, by number."""
    numbers = (p.read_text().strip() for p in Path("/sys/block").glob("*/dev"))
    return sorted(numbers, key=lambda n: [int(x) for x in n.split(":")])


def enable_all(mount):
    have = read(mount.cgroup("cgroup.controllers")).split()
    write(mount.cgroup("cgroup.subtree_control"), " ".join("+" + name for name in have))


class Versions(Case):
    def fresh(self, mount):
        enable_all(mount)
        os.mkdir(mount.cgroup("c"))
        return set(os.listdir(mount.cgroup("c")))

    def test_6_1(self):
        with Mount("--emulate", "6.1") as mount:
            files = self.fresh(mount)
            self.assertNotIn("cpu.stat.local", files)
            self.assertNotIn("memory.swap.peak", files)
            self.check("EINVAL" if ROOT else "EACCES", write, mount.cgroup("c/memory.peak"), "1")
            self.assertNotIn("nr_subsys", read(mount.cgroup("c/cgroup.stat")))
            os.rmdir(mount.cgroup("c"))

    def test_6_12(self):
        with Mount() as mount:
            files = self.fresh(mount)
            self.assertLessEqual({"cpu.stat.local", "memory.swap.peak", "misc.peak"}, files)
            self.assertNotIn("cgroup.stat.local", files)
            self.check("EINVAL", write, mount.cgroup("cgroup.subtree_control"), "+dmem")
            os.rmdir(mount.cgroup("c"))

    def test_6_18(self):
        with Mount("-o", "emulate=6.18") as mount:
            files = self.fresh(mount)
            self.assertLessEqual({"cgroup.stat.local", "dmem.max"}, files)
            self.assertEqual("dmem", read(mount.cgroup("cgroup.controllers")).split()[-1])
            self.assertEqual("9223372036854771712\n", read(mount.cgroup("c/hugetlb.2MB.max")))
            self.assertEqual("frozen_usec 0\n", read(mount.cgroup("c/cgroup.stat.local")))
            os.rmdir(mount.cgroup("c"))

    def test_run(self):
        done = run_in("--emulate", "6.1", "cat", "/sys/fs/cgroup/cgroup.stat")
        self.assertEqual("nr_descendants 1\nnr_dying_descendants 0\n", done.out, done)

    def test_unknown(self):
        done = run_in("--emulate", "6.2", "true")
        self.assertEqual(2, done.status, done)
        self.assertIn("--emulate: '6.2' is not 6.1, 6.12 or 6.18", done.err)


class Devices(MountCase):
    controllers = "+io +hugetlb"

    def setUp(self):
        super().setUp()
        self.devices = block_devices()
        if not self.devices:
            self.skipTest("no block devices in /sys")

    def test_root(self):
        """Every disk has a line, without any that its member caused."""
        self.assertEqual("".join(f"{d} \n" for d in reversed(self.devices)),
                         read(self.mount.cgroup("io.stat")))

    def test_io_max(self):
        device = self.devices[-1]
        self.write("io.max", f"{device} rbps=2048 wiops=9")
        self.assertEqual(f"{device} rbps=2048 wbps=max riops=max wiops=9\n",
                         self.read("io.max"))
        self.check("ENODEV", self.write, "io.max", "4095:1048575 rbps=2048")
        self.write("io.max", f"{device} rbps=max wiops=max")
        self.assertEqual("", self.read("io.max"))

    def test_run(self):
        device = self.devices[0]
        done = run_in("--set", f"io.max={device} wbps=4096", "--set", "hugetlb.2MB.max=5M", "--",
                      "sh", "-c", "cd /sys/fs/cgroup; cat io.max hugetlb.2MB.max")
        self.assertEqual(f"{device} rbps=max wbps=4096 riops=max wiops=max\n4194304\n",
                         done.out, done)
