# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the views show: the limits of a container, to programs and to plain reads, at once after a
change, and lines that agree with each other whatever happens at the same time."""
import os
import re
import select
import threading

import agents
from agents import Agent
from harness import (DEADLINE, Case, MountCase, keyed, opened, outcome, read, root_only, run_in,
                     tool, write)
from test_events import poll

MIB = 1 << 20
HOST_CPUS = len(os.sched_getaffinity(0))


def cpus_in_list(text):
    """How many CPUs "0-2,7" has."""
    count = 0
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def cpu_counts(base):
    """How many CPUs each file below base (with proc and sys) tells of."""
    cpu = os.path.join(base, "sys/devices/system/cpu")
    return {
        "cpuinfo": len(re.findall(r"^processor\s*:", read(base + "/proc/cpuinfo"), re.M)),
        "stat": len(re.findall(r"^cpu\d+ ", read(base + "/proc/stat"), re.M)),
        "online": cpus_in_list(read(cpu + "/online")),
        "present": cpus_in_list(read(cpu + "/present")),
        "listing": sum(bool(re.fullmatch(r"cpu\d+", name)) for name in os.listdir(cpu)),
    }


class Named(MountCase):
    """MNT/view/ID."""
    granted = "+cpu +memory +pids"

    def setUp(self):
        super().setUp()
        self.mkdir("x")

    def view_of(self, path, container="x"):
        return read(os.path.join(self.view(container), path))

    def meminfo(self, container="x"):
        return keyed(self.view_of("proc/meminfo", container))

    def member(self, path="x"):
        agent = Agent()
        self.addCleanup(agent.end)
        self.write(path + "/cgroup.procs", str(agent.pid))
        return agent

    def test_listing(self):
        base = self.view("x")
        self.assertEqual({"cgroup", "proc", "sys"}, set(os.listdir(base)))
        self.assertLessEqual({"cpuinfo", "loadavg", "meminfo", "stat", "swaps", "uptime"},
                             set(os.listdir(base + "/proc")))
        self.assertEqual(os.path.realpath(self.at("x")), os.path.realpath(base + "/cgroup"))
        ids = os.listdir(self.mount.path("view"))
        self.assertIn(str(os.stat(self.at("x")).st_ino), ids)
        self.assertIn("1", ids)
        for name in ("0", "x", "999999999", "1x", "18446744073709551617"):
            self.check("ENOENT", os.stat, self.mount.path("view", name))

    def test_memory_limit(self):
        """The smallest over all ancestors, seen at the next read, of an open file too."""
        host = keyed(read("/proc/meminfo"))["MemTotal"]
        path = self.view("x") + "/proc/meminfo"
        with opened(path) as fd:
            for file, text, want in (("x/memory.max", "256M", 256 * 1024),
                                     ("x/memory.max", "192M", 192 * 1024),
                                     ("memory.max", "128M", 128 * 1024),
                                     ("x/memory.max", "64M", 64 * 1024),
                                     ("x/memory.max", "max", 128 * 1024),
                                     ("memory.max", "max", host)):
                self.write(file, text)
                self.assertEqual(want, self.meminfo()["MemTotal"], f"{file} = {text}")
                held = keyed(os.pread(fd, 1 << 16, 0).decode())
                self.assertEqual(want, held["MemTotal"], "a file kept open")

    def test_memory_use(self):
        self.write("x/memory.max", "256M")
        agent = self.member()
        before = self.meminfo()
        agent.call(agents.hold_memory, 64 * MIB)
        after = self.meminfo()
        self.assertLessEqual(after["MemFree"], before["MemFree"] - 64 * 1024)
        self.assertLessEqual(after["MemAvailable"], before["MemAvailable"] - 64 * 1024)
        self.check_meminfo(after)

    def check_meminfo(self, info):
        self.assertLessEqual(info["MemFree"], info["MemTotal"])
        self.assertLessEqual(info["MemAvailable"], info["MemTotal"])
        self.assertLessEqual(info["SwapFree"], info["SwapTotal"])
        self.assertLessEqual(info["MemFree"] + info["Cached"] + info["Buffers"], info["MemTotal"])

    def test_cpus(self):
        """As many as the quota pays for, in every file."""
        for quota, want in (("max 100000", HOST_CPUS), ("100000 100000", 1), ("50000 100000", 1),
                            ("150000 100000", min(2, HOST_CPUS)), ("20000 10000",
                                                                   min(2, HOST_CPUS))):
            self.write("x/cpu.max", quota)
            counts = cpu_counts(self.view("x"))
            self.assertEqual({want}, set(counts.values()), f"{quota}: {counts}")
        self.write("x/cpu.max", "max")
        self.write("cpu.max", "100000")
        self.assertEqual({1}, set(cpu_counts(self.view("x")).values()), "the parent's quota")

    def test_stat(self):
        """Lines of CPUs add up, nothing falls, and use by a member is seen."""
        self.write("x/cpu.max", "max")
        agent = self.member()

        def fields():
            text = self.view_of("proc/stat")
            lines = {line.split()[0]: [int(n) for n in line.split()[1:]]
                     for line in text.splitlines() if line.startswith("cpu")}
            return lines, keyed(text)
        first, keys = fields()
        self.assertLessEqual({"btime", "ctxt", "processes", "procs_running"}, set(keys))
        agent.call(agents.burn, 0.5)
        second, _ = fields()
        for name, values in first.items():
            for before, after in zip(values, second[name]):
                self.assertLessEqual(before, after, name)
        ticks = os.sysconf("SC_CLK_TCK")
        self.assertGreaterEqual(sum(second["cpu"][:3]) - sum(first["cpu"][:3]), 0.3 * ticks)
        parts = [values for name, values in second.items() if name != "cpu"]
        for column in (0, 2, 3):
            total = sum(values[column] for values in parts)
            self.assertLessEqual(abs(second["cpu"][column] - total), len(parts), f"{column}")

    def test_small_files(self):
        up, idle = map(float, self.view_of("proc/uptime").split())
        host = float(read("/proc/uptime").split()[0])
        self.assertTrue(0 <= up <= host and idle >= 0, (up, idle, host))
        self.assertGreaterEqual(float(self.view_of("proc/uptime").split()[0]), up)
        self.assertRegex(self.view_of("proc/loadavg"),
                         r"^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/\d+ \d+\n$")
        lines = self.view_of("proc/swaps").splitlines()
        self.assertEqual(["Filename", "Type", "Size", "Used", "Priority"], lines[0].split())
        total = self.meminfo()["SwapTotal"]
        self.assertEqual(total, sum(int(line.split()[2]) for line in lines[1:]))

    def test_swap(self):
        """What memory.swap.max allows, and never more than the host has."""
        host = keyed(read("/proc/meminfo"))["SwapTotal"]
        self.assertEqual(host, self.meminfo()["SwapTotal"])
        self.write("x/memory.swap.max", "0")
        self.assertEqual(0, self.meminfo()["SwapTotal"])
        self.assertEqual(1, len(self.view_of("proc/swaps").splitlines()))
        self.write("x/memory.swap.max", "16M")
        self.assertEqual(min(host, 16 * 1024), self.meminfo()["SwapTotal"])

    def test_gone(self):
        """The views of a removed container are errors, not somebody else's numbers."""
        path = self.view("x") + "/proc/meminfo"
        with opened(path) as fd:
            os.read(fd, 10)
            os.rmdir(self.at("x"))
            self.check("ENODEV", os.pread, fd, 100, 0)
            self.assertIn(outcome(read, path), ("ENOENT", "ENODEV"))

    def test_many_readers(self):
        """While limits change, every text agrees with itself."""
        limits = [str(n * MIB) for n in (64, 96, 128, 192, 256)]
        totals = {int(n) // 1024 for n in limits}
        self.write("x/memory.max", limits[0])
        self.write("x/cpu.max", "100000")
        self.member().call(agents.hold_memory, 8 * MIB)
        base, broken, turns = self.view("x"), [], 60

        def read_all():
            try:
                for _ in range(turns):
                    info = keyed(read(base + "/proc/meminfo"))
                    self.assertIn(info["MemTotal"], totals)
                    self.check_meminfo(info)
                    stat = read(base + "/proc/stat")
                    cpus = len(re.findall(r"^cpu\d+ ", stat, re.M))
                    self.assertIn(cpus, {1, HOST_CPUS})
                    self.assertTrue(stat.endswith("\n"))
                    self.assertEqual(1, len(re.findall(r"^btime \d+$", stat, re.M)))
            except Exception as error:
                broken.append(error)
        readers = [threading.Thread(target=read_all) for _ in range(6)]
        for thread in readers:
            thread.start()
        turn = 0
        while any(thread.is_alive() for thread in readers):
            self.write("x/memory.max", limits[turn % len(limits)])
            self.write("x/cpu.max", ("max", "100000")[turn % 2])
            turn += 1
        self.assertEqual([], broken)
        self.assertGreater(turn, 1)


    def test_pressure(self):
        """The container's own interface file under another name: also for triggers and poll."""
        path = self.view("x") + "/proc/pressure/memory"
        fd = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.write(fd, b"some 150000 2000000")
        self.check("EINVAL", write, self.view("x") + "/proc/pressure/io", "some 0 1")
        name = os.path.relpath(self.at("x"), self.mount.cgroup())
        write(self.mount.path("ctl/inject"), f"pressure /{name} memory some=80% full=1%")
        self.assertEqual(select.POLLPRI, poll(fd, DEADLINE))
        write(self.mount.path("ctl/inject"), f"pressure /{name} memory some=0% full=0%")
        total = re.search(r"total=([1-9]\d*)", read(path))[1]
        self.assertIn(f"total={total}\n", self.read("x/memory.pressure"))
        self.check(outcome(write, "/proc/meminfo", "1"), write, self.view("x") + "/proc/meminfo",
                   "1")


class Callers(MountCase):
    """MNT/proc shows every caller his own container."""
    granted = "+cpu +memory"

    def member(self, limit, **kwargs):
        path = f"m{limit}"
        self.mkdir(path)
        self.write(path + "/memory.max", f"{limit}M")
        self.write(path + "/cpu.max", "100000")
        agent = Agent(**kwargs)
        self.addCleanup(agent.end)
        self.write(path + "/cgroup.procs", str(agent.pid))
        return agent

    def total(self, agent):
        return keyed(agent.call(read, self.mount.path("proc/meminfo")))["MemTotal"]

    @root_only
    def test_pid_namespace(self):
        """The container is that of the init of the caller's pid namespace."""
        inits = {limit: self.member(limit, pidns=True) for limit in (64, 96, 160)}
        for _ in range(3):
            for limit, agent in inits.items():
                self.assertEqual(limit * 1024, self.total(agent))
        agent = inits[64]
        self.assertEqual({1}, set(agent.call(cpu_counts, self.mount.path()).values()))
        self.write("m64/memory.max", "80M")
        self.assertEqual(80 * 1024, self.total(agent))

    def test_host(self):
        """A process of the machine's own pid namespace sees the machine."""
        host = keyed(read("/proc/meminfo"))["MemTotal"]
        self.assertEqual(host, keyed(read(self.mount.path("proc/meminfo")))["MemTotal"])
        counts = cpu_counts(self.mount.path())
        self.assertEqual({HOST_CPUS}, set(counts.values()), counts)


class Programs(Case):
    """The programs that people use, under `ctlfs run`."""

    def script(self, *lines, args=("--memory", "256M", "--cpus", "1", "--pids", "64")):
        """The output of each line of a shell script, in a list."""
        joined = "; echo =====; ".join(lines)
        done = run_in(*args, "--", "sh", "-c", joined)
        self.assertEqual(0, done.status, done)
        return done.out.split("=====\n")

    def test_memory(self):
        for name in ("free", "top", "vmstat"):
            tool(name)
        first, summary, statistics, follows, files = self.script(
            "free -k", "top -bn1", "vmstat -s",
            "echo 128M >/sys/fs/cgroup/memory.max; free -k; vmstat -s",
            "cat /sys/fs/cgroup/memory.max /proc/swaps")
        self.assertRegex(first, r"Mem: +262144 ")
        self.assertRegex(summary, r"MiB Mem : +256\.0 total")
        self.assertRegex(statistics, r"262144 K total memory")
        self.assertRegex(follows, r"Mem: +131072 ")
        self.assertRegex(follows, r"131072 K total memory")
        self.assertTrue(files.startswith("134217728\nFilename"), files)

    def test_cpus(self):
        tool("nproc")
        paths = "/proc/cpuinfo", "/proc/stat", "/sys/devices/system/cpu"
        one, listing, online, cpuinfo, stat = self.script(
            "nproc", f"ls {paths[2]}", f"cat {paths[2]}/online",
            f"grep -c ^processor {paths[0]}", f"grep -c '^cpu[0-9]' {paths[1]}")
        self.assertEqual("1", one.strip())
        self.assertEqual(["cpu0"], re.findall(r"^cpu\d+$", listing, re.M))
        self.assertEqual(("0", "1", "1"), (online.strip(), cpuinfo.strip(), stat.strip()))
        follows, = self.script("echo max >/sys/fs/cgroup/cpu.max; nproc; "
                               "grep -c ^processor /proc/cpuinfo")
        self.assertEqual([str(HOST_CPUS)] * 2, follows.split())

    def test_other_files(self):
        """Files of several sources agree, as their readers see them."""
        tool("lscpu")
        free, vmstat, node, cpus, irqs = self.script(
            "sed -n 's/MemFree: *//p' /proc/meminfo; "
            "awk '/nr_free_pages / {print $2 * '$(getconf PAGESIZE)' / 1024}' /proc/vmstat",
            "vmstat 1 2", "grep -h MemTotal /sys/devices/system/node/node0/meminfo /proc/meminfo",
            "lscpu -p=CPU,NODE", "head -n 1 /proc/softirqs /proc/interrupts")
        meminfo, pages = (int(line.split()[0]) for line in free.splitlines())
        self.assertLess(abs(meminfo - pages), 1024)
        self.assertEqual(4, len(vmstat.splitlines()), vmstat)
        if node:
            self.assertEqual({"262144"}, set(re.findall(r"MemTotal: +(\d+)", node)), node)
        self.assertEqual(["0,0" if node else "0,"], re.findall(r"^\d.*", cpus, re.M))
        self.assertEqual(["CPU0", "CPU0"], re.findall(r"CPU\d+", irqs))

    def test_same_as_named(self):
        """The files bound over /proc are the ones of the mount."""
        lines = ["cat $CTLFS_MOUNT/proc/meminfo /proc/meminfo | grep MemTotal",
                 "for f in cpuinfo loadavg meminfo stat swaps uptime; do "
                 "grep -c \" /proc/$f \" /proc/self/mountinfo; done"]
        totals, bound = self.script(*lines)
        self.assertEqual(["MemTotal: 262144 kB"] * 2,
                         [" ".join(line.split()) for line in totals.splitlines()])
        self.assertEqual(["1"] * 6, bound.split())

    def test_uptime(self):
        """The container's age, which programs take for the system's."""
        up, _ = map(float, self.script("cat /proc/uptime")[0].split())
        self.assertLess(up, float(read("/proc/uptime").split()[0]))
