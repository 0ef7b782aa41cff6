# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs print in a container of known limits and known load is what its cgroup's own files
say at the same moment. On four CPUs, of which the container has less."""
import json
import os
import re
import unittest
from pathlib import Path

from harness import CTLFS, Case, read, run_program, tool
from kernel_backend import CGROUPS

MEMORY, SWAP, CPUS, QUOTA = 256 << 20, 64 << 20, 2, 150
HELD = 64 << 20
SCRIPT = Path(__file__).with_name("tools.sh")
SLACK = 24 << 20  # what a program takes itself
NEAR = 25  # of 200 %: intervals are not the same
NUMBER = r"(\d+(?:\.\d+)?)"


class Own:
    """What the cgroup's files said."""

    def __init__(self, line):
        _, memory, cache, used, now, load, age = line.split()
        self.memory, self.cache, self.used = int(memory), int(cache), int(used)
        self.now, self.load, self.age = float(now), float(load), float(age)


class Tried:
    """What a program printed, and what the files said before and after."""

    def __init__(self, text):
        lines = text.splitlines()
        own = [n for n, line in enumerate(lines) if line.startswith("@own ")]
        end = next(n for n, line in enumerate(lines) if line.startswith("@end "))
        self.name = lines[0]
        self.status = int(lines[end].split()[1])
        self.lines = [line for line in lines[own[0] + 1:end] if not line.startswith("@holds")]
        self.text = "\n".join(self.lines)
        self.before, self.after = Own(lines[own[0]]), Own(lines[own[-1]])

    def load(self):
        """Per cent of a CPU that the container used meanwhile."""
        return (self.after.used - self.before.used) / \
            (self.after.now - self.before.now) / 1e4


class Tools(Case):
    modes = ("kernel",)

    @classmethod
    def setUpClass(cls):
        if os.cpu_count() < 4:
            raise unittest.SkipTest("needs a VM with --cpus 4")
        # So that the scheduler's code is patched once, as in RuntimeCase.
        os.makedirs(CGROUPS + "/limited", exist_ok=True)
        write = Path(CGROUPS + "/cgroup.subtree_control").write_text
        write("+cpu +cpuset +io +memory")
        Path(CGROUPS + "/limited/cpu.max").write_text("100000 100000")
        limits = ["--memory", str(MEMORY), "--swap", str(SWAP), "--cpus", str(QUOTA / 100),
                  "--set", "cpuset.cpus=1-3"]
        done = run_program([CTLFS, "run", "--backend", "kernel", *limits, "--", "bash",
                            str(SCRIPT)], timeout=600)
        cls.tried = {tried.name: tried for tried in map(Tried, done.out.split("@try ")[1:])}
        cls.done = done

    def took(self, name, program=None):
        """What a program has printed; skipped where it is not installed."""
        tool(program or name.split("-")[0])
        self.assertIn(name, self.tried, self.done)
        tried = self.tried[name]
        self.assertEqual(0, tried.status, tried.text)
        return tried

    def find(self, tried, pattern):
        found = re.findall(pattern, tried.text, re.M)
        self.assertTrue(found, f"no {pattern} in:\n{tried.text}")
        return found[-1]

    def number(self, tried, pattern):
        return float(self.find(tried, pattern))

    def check_free(self, tried, free):
        """Bytes."""
        self.assertLessEqual(free, MEMORY - tried.before.memory + SLACK, tried.text)
        self.assertGreaterEqual(free, MEMORY - tried.after.memory - SLACK, tried.text)

    def check_load(self, tried, load):
        """Per cent of a CPU."""
        self.assertLess(abs(load - tried.load()), NEAR, f"{tried.load()}\n{tried.text}")
        self.assertLess(abs(load - QUOTA), NEAR, tried.text)

    def host(self, key):
        """A line of the machine's meminfo, in bytes."""
        return int(re.search(key + r": +(\d+)", read("/proc/meminfo"))[1]) << 10

    # --- memory ---

    def test_free(self):
        tried = self.took("free")
        total, used, free, _, _, cache, available = map(int, self.find(
            tried, r"^Mem:" + r" +(\d+)" * 7 + "$"))
        self.assertEqual(MEMORY >> 10, total)
        self.check_free(tried, free << 10)
        self.assertLess(abs((cache << 10) - tried.before.cache), SLACK)
        self.assertEqual(total, used + available)
        self.assertGreater(used << 10, HELD)
        self.assertLess(used << 10, HELD + 3 * SLACK)

    def test_vmstat(self):
        tried = self.took("vmstat-s")
        self.assertEqual(MEMORY >> 10, self.number(tried, r"(\d+) K total memory"))
        self.check_free(tried, self.number(tried, r"(\d+) K free memory") * 1024)
        tried = self.took("vmstat")
        fields = list(map(int, tried.lines[-1].split()))
        self.check_free(tried, fields[3] << 10)
        self.check_load(tried, (fields[12] + fields[13]) * CPUS)

    # --- load ---

    def test_top(self):
        """Two busy CPUs."""
        tried = self.took("top")
        cpus = re.findall(r"%Cpu(\d+) *: *" + NUMBER + " us, *" + NUMBER + " sy",
                          tried.text)[-CPUS:]
        self.assertEqual(["0", "1"], [number for number, _, _ in cpus], tried.text)
        busy = [float(user) + float(system) for _, user, system in cpus]
        self.assertGreater(min(busy), 20, tried.text)
        self.check_load(tried, sum(busy))
        self.assertEqual(f"{MEMORY >> 20}.0", self.find(tried, r"MiB Mem : +([\d.]+) total"))
        last = tried.text.rpartition("PID USER")[2]
        spinners = [float(line.split()[8]) for line in last.splitlines() if "bash" in line]
        self.assertLess(abs(sum(spinners) - QUOTA), NEAR, tried.text)

    def test_htop(self):
        tool("tmux")
        tried = self.took("htop")
        meters = re.findall(r"(?<![\w.])([0-3])\[[|# ]*" + NUMBER + "%", tried.text)
        self.assertEqual(["0", "1"], [number for number, _ in meters], tried.text)
        self.check_load(tried, sum(float(value) for _, value in meters))
        self.assertRegex(tried.text, r"Mem\[.*/256M\]")

    def test_mpstat(self):
        tried = self.took("mpstat")
        idle = dict(re.findall(r"^Average: +(all|\d+) .* " + NUMBER + "$", tried.text, re.M))
        self.assertEqual({"all", "0", "1"}, set(idle), tried.text)
        self.assertIn(f"({CPUS} CPU)", tried.text)
        self.check_load(tried, sum(100 - float(idle[cpu]) for cpu in "01"))
        self.check_load(tried, (100 - float(idle["all"])) * CPUS)

    def test_iostat(self):
        tried = self.took("iostat")
        fields = list(map(float, [line for line in tried.lines if line][-1].split()))
        self.check_load(tried, (fields[0] + fields[2]) * CPUS)

    def test_disks(self):
        """Those that io.stat names, with their sectors."""
        tried = self.took("vmstat-d")
        used = sorted(int(number) // 512 for number in re.findall(r"\brbytes=(\d+)", tried.text))
        shown = sorted(int(sectors) for sectors in
                       re.findall(r"^\w+ +\d+ +\d+ +(\d+) ", tried.text, re.M))
        self.assertEqual(used, shown, tried.text)
        self.assertEqual(os.path.exists("/dev/zram0"), bool(used), tried.text)
        read_kb = [int(line.split()[5]) for line in
                   self.took("iostat-d").text.rpartition("Device")[2].splitlines()[1:] if line]
        self.assertEqual([sectors // 2 for sectors in used], sorted(read_kb))

    def test_sar(self):
        tool("sar")
        tried = self.took("sar")
        idle = dict(re.findall(r"^Average: +(all|\d+)(?: +[\d.]+){5} +" + NUMBER + "$",
                               tried.text, re.M))
        self.assertEqual({"all", "0", "1"}, set(idle), tried.text)
        self.check_load(tried, (100 - float(idle["all"])) * CPUS)
        free, _, used = map(int, self.find(tried, r"kbmemfree.*\nAverage: +(\d+) +(\d+) +(\d+)"))
        self.check_free(tried, free << 10)
        self.assertLessEqual(free + used, MEMORY >> 10)
        threads = int(self.find(tried, r"plist-sz.*\nAverage: +\d+ +(\d+)"))
        self.assertTrue(4 <= threads <= 20, tried.text)

    def test_pidstat(self):
        tried = self.took("pidstat")
        spinners = re.findall(r"^Average: .* " + NUMBER + r" +- +bash$", tried.text, re.M)
        self.assertGreaterEqual(len(spinners), 2, tried.text)
        self.assertLess(abs(sum(map(float, spinners)) - QUOTA), NEAR, tried.text)

    def test_ps(self):
        """Right where uptime is not a view: it takes start times of the machine from it."""
        tool("ps")
        tried = self.took("ps")
        shares = [float(share) for share in
                  re.findall("^ *" + NUMBER + " bash -c while", tried.text, re.M)]
        self.assertEqual(2, len(shares), tried.text)
        for share in shares:
            self.assertLess(abs(share - QUOTA / 2), NEAR, tried.text)

    def test_uptime(self):
        for name in ("uptime", "w"):
            tried = self.took(name)
            load = self.number(tried, r"load average: ([\d.]+),")
            self.assertLessEqual(min(tried.before.load, tried.after.load), load)
            self.assertGreaterEqual(max(tried.before.load, tried.after.load), load)
            minutes = int(self.find(tried, r" up +(\d+) min,"))
            self.assertTrue(tried.before.age // 60 <= minutes <= tried.after.age // 60, tried.text)

    # --- CPUs ---

    def test_lscpu(self):
        tried = self.took("lscpu")
        self.assertEqual(CPUS, self.number(tried, r"^CPU\(s\): +(\d+)$"))
        self.assertEqual("0,1", self.find(tried, r"^On-line CPU\(s\) list: +(\S+)$"))
        self.assertEqual(CPUS, self.number(tried, r"^Core\(s\) per socket: +(\d+)$"))
        tried = self.took("lscpu-p")
        self.assertEqual(["0,0,0,0", "1,1,0,0"], re.findall(r"^\d.*", tried.text, re.M))

    def test_numbers(self):
        """By /sys, and by affinity, which `run` sets."""
        for name, program in (("getconf", "getconf"), ("getconf-conf", "getconf"),
                              ("nproc", "nproc"), ("busybox-nproc", "busybox")):
            self.assertEqual(str(CPUS), self.took(name, program).text, name)

    def test_numactl(self):
        tried = self.took("numactl")
        self.assertIn("available: 1 nodes (0)", tried.text)
        self.assertEqual("0 1", self.find(tried, r"^node 0 cpus: (.*)$").strip())
        self.assertEqual(MEMORY >> 20, self.number(tried, r"^node 0 size: (\d+) MB"))
        self.check_free(tried, self.number(tried, r"^node 0 free: (\d+) MB") * 2**20)

    # --- runtimes ---

    def test_python(self):
        if not Path("/usr/lib/python3/dist-packages/psutil").exists():
            self.skipTest("python3-psutil is not installed")
        tried = self.took("python", "python3")
        cpus, counted, total, free, swap = json.loads(tried.text)
        self.assertEqual((CPUS, CPUS, MEMORY), (cpus, counted, total))
        self.assertEqual(min(SWAP, self.host("SwapTotal")), swap)
        self.check_free(tried, free)

    def test_node(self):
        tried = self.took("node")
        cpus, total, age = json.loads(tried.text)
        self.assertEqual((CPUS, MEMORY), (cpus, total))
        self.assertTrue(tried.before.age - 1 <= age <= tried.after.age + 1, tried.text)

    def test_java(self):
        """What the JVM itself takes, and what its library shows."""
        tried = self.took("java")
        self.assertEqual("2", self.find(tried, r"CPUs: \d+ total, (\d+) available"))
        self.assertIn("Provider: cgroupv2", tried.text)
        self.assertEqual("2", self.find(tried, r"Effective CPU Count: (\d+)"))
        self.assertEqual("256.00M", self.find(tried, r"^ *Memory Limit: (\S+)"))
        self.assertEqual("150000us", self.find(tried, r"CPU Quota: (\S+)"))

    def test_system_calls(self):
        """Who asks sysinfo(2) gets the machine, as docs/views.md says."""
        host = self.host("MemTotal")
        tried = self.took("busybox-free", "busybox")
        self.assertEqual(host >> 10, self.number(tried, r"^Mem: +(\d+)"))
        pages = int(self.took("phys-pages", "getconf").text)
        self.assertEqual(host, pages * os.sysconf("SC_PAGESIZE"))
        self.assertEqual(host >> 20, self.number(self.took("java"), r"Memory: (\d+)M"))
