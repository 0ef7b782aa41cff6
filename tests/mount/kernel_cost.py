# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon's reads of the kernel's files cost, in system calls; and that what it keeps open
for it is never read once it is another's."""
import os
import re
import signal
import subprocess
import tempfile

from harness import keyed, outcome, read, tool, wait_for, write
from kernel_backend import KernelCase

READS = 20
DEEP = 10
# System calls for one open, read to the end and close of a named container's file, with the eight
# on /dev/fuse: at most, at depth 1 and at depth 10.
MOST = {
    "proc/meminfo": (20, 30),  # without swap
    "proc/cpuinfo": (18, 38),
    "proc/diskstats": (16, 26),
    "proc/stat": (30, 45),  # with a count of the processes, where it is time for one
    "proc/swaps": (14, 23),
    "proc/uptime": (18, 38),
    "proc/vmstat": (28, 46),
    "sys/devices/system/cpu/online": (18, 36),
}
SWAP = (1 + 1, 1 + DEEP)  # more for meminfo and vmstat where there is swap


def traced(pid):
    return all(re.search(r"^TracerPid:\s+[1-9]", read(f"/proc/{pid}/task/{tid}/status"), re.M)
               for tid in os.listdir(f"/proc/{pid}/task"))


class Cost(KernelCase):
    mount_args = ("-o", "allow_other,spin=0")

    def view(self, path, file):
        return self.mount.path("view", os.stat(self.real_at(path)).st_ino, file)

    def calls(self, path):
        """Of one read, once everything is kept that will be."""
        pid = self.mount.process.pid
        read(path)
        with tempfile.NamedTemporaryFile("r") as summary:
            # How often one thread waits for another is chance.
            strace = subprocess.Popen([tool("strace"), "-f", "-c", "-e", "trace=!futex", "-o",
                                       summary.name, "-p", str(pid)], stderr=subprocess.DEVNULL)
            wait_for(lambda: traced(pid), "strace is attached")
            for _ in range(READS):
                read(path)
            strace.send_signal(signal.SIGINT)
            strace.wait()
            total = re.search(r"^ *100.00 +\S+ +\d+ +(\d+) .*total$", summary.read(), re.M)
        return int(total[1]) / READS

    def test_files(self):
        self.mkdir("x")
        write(self.real_at("x/memory.max"), "256M")
        write(self.real_at("x/cpu.max"), "50000 100000")
        deep = "x"
        for _ in range(DEEP - 1):
            write(self.real_at(deep, "cgroup.subtree_control"), "+memory +cpu")
            deep += "/d"
            os.mkdir(self.real_at(deep))
        self.agent(deep)
        swap = keyed(read("/proc/meminfo"))["SwapTotal"] > 0
        for file, most in MOST.items():
            if swap and file in ("proc/meminfo", "proc/vmstat"):
                most = [a + b for a, b in zip(most, SWAP)]
            found = [self.calls(self.view(path, file)) for path in ("x", deep)]
            print(f"{file}: {found[0]:.1f} calls at depth 1, {found[1]:.1f} at depth {DEEP}, "
                  f"at most {most[0]} and {most[1]}", flush=True)
            with self.subTest(file=file):
                self.assertLessEqual(found[0], most[0])
                self.assertLessEqual(found[1], most[1])

    def total(self, path):
        return keyed(read(self.view(path, "proc/meminfo")))["MemTotal"]

    def test_what_comes_and_goes(self):
        """A controller that is turned off and on, a cgroup that is made anew."""
        self.mkdir("x", "x/y")
        write(self.real_at("x/memory.max"), "256M")
        write(self.real_at("x/cgroup.subtree_control"), "+memory")
        write(self.real_at("x/y/memory.max"), "128M")
        for _ in range(2):
            self.assertEqual(128 << 10, self.total("x/y"))
        write(self.real_at("x/cgroup.subtree_control"), "-memory")
        self.assertEqual(256 << 10, self.total("x/y"))
        write(self.real_at("x/cgroup.subtree_control"), "+memory")
        self.assertEqual(256 << 10, self.total("x/y"))
        write(self.real_at("x/y/memory.max"), "64M")
        self.assertEqual(64 << 10, self.total("x/y"))
        # Also of what takes nothing from the cgroup.
        old = [self.view("x/y", file) for file in
               ("proc/meminfo", "proc/swaps", "sys/devices/system/cpu/isolated")]
        fds = [os.open(path, os.O_RDONLY) for path in old]
        os.rmdir(self.real_at("x/y"))
        for path, fd in zip(old, fds):
            self.assertIn(outcome(read, path), ("ENOENT", "ENODEV"))
            self.assertEqual("ENODEV", outcome(os.pread, fd, 100, 0))
            os.close(fd)
        os.mkdir(self.real_at("x/y"))
        self.assertEqual(256 << 10, self.total("x/y"))
