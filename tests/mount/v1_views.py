# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs mount` on a host with cgroup v1, or a hybrid one, in a VM: views of the limits that
the kernel keeps there, and no tree."""
import os
import re

import agents
from agents import Agent
from harness import (CTLFS, DEADLINE, Case, Mount, keyed, outcome, read, remove_cgroup, run_ctlfs,
                     run_program, tool, wait_for, write)

CGROUPS = "/sys/fs/cgroup"
DIRS = {"memory": "memory", "cpu": "cpu,cpuacct", "cpuacct": "cpu,cpuacct", "cpuset": "cpuset",
        "blkio": "blkio", "pids": "pids", "systemd": "systemd"}
HYBRID = os.path.isdir(CGROUPS + "/unified")
PROCESSOR = re.compile(r"^processor\s*:", re.M)
MEBI = 1 << 20


def real(controller, *parts):
    return os.path.join(CGROUPS, DIRS[controller], *parts)


def nproc():
    return len(os.sched_getaffinity(0)), run_program(["nproc"]).out


def used(stat):
    """The ticks of users and of the kernel in a text of /proc/stat."""
    fields = stat.split("\n")[0].split()
    return int(fields[1]) + int(fields[3])


def meminfo_total(text):
    return keyed(text)["MemTotal"]


class V1Case(Case):
    """Tests that share a mount of the backend that auto chooses."""
    modes = ("v1",)

    @classmethod
    def setUpClass(cls):
        cls.mount = cls.enterClassContext(Mount(backend="auto"))

    def make(self, path, *controllers):
        """A cgroup in these hierarchies, or in all."""
        for controller in controllers or DIRS:
            at = real(controller)
            for name in path.split("/"):
                at = os.path.join(at, name)
                if os.path.isdir(at):
                    continue
                os.mkdir(at)
                self.addCleanup(remove_cgroup, at)
                if controller == "cpuset":
                    write(at + "/cpuset.cpus", read(real("cpuset", "cpuset.cpus")))
                    write(at + "/cpuset.mems", "0")

    def make_mixed(self, path):
        """A cgroup with cpu in v1, and memory and cpuset in v2."""
        self.make(path, "cpu")
        at = CGROUPS + "/unified"
        for name in path.split("/"):
            write(at + "/cgroup.subtree_control", "+memory +cpuset")
            at = os.path.join(at, name)
            os.mkdir(at)
            self.addCleanup(remove_cgroup, at)

    def agent(self, path, *controllers, **kwargs):
        agent = Agent(**kwargs)
        self.addCleanup(agent.end)
        self.move(agent, path, *controllers)
        return agent

    def move(self, agent, path, *controllers):
        for controller in controllers or DIRS:
            for pid in {agent.pid, agent.child}:
                write(real(controller, path, "cgroup.procs"), str(pid))

    def container(self, path):
        self.make(path)
        return self.agent(path, pidns=True)

    def seen(self, agent, path):
        return agent.call(read, self.mount.path(path))


class Start(V1Case):
    def test_said(self):
        said = self.mount.stderr()
        self.assertIn("backend v1: ", said)
        self.assertIn("there is no tree, views are served", said)
        self.assertIn("memory from /sys/fs/cgroup/memory", said)
        self.assertIn("cpu cpuacct from /sys/fs/cgroup/cpu,cpuacct", said)
        self.assertNotIn("not mounted", said)
        stats = self.mount.stats()
        self.assertEqual(("v1", "absent"), (stats["backend"], stats["tree"]))
        status = run_ctlfs("status", self.mount.point)
        self.assertRegex(status.out, r"backend +v1\n.*tree +absent\n")

    def test_no_tree(self):
        self.assertEqual(["ctl", "proc", "sys", "view"], sorted(os.listdir(self.mount.point)))
        self.assertEqual(["errors", "errors.json", "stats", "version"],
                         sorted(os.listdir(self.mount.path("ctl"))))
        self.check("ENOENT", os.stat, self.mount.path("cgroup"))
        self.check("ENOENT", os.stat, self.mount.path("ctl/cgroup"))
        self.check("ENOENT", os.lstat, self.mount.path("view/1/cgroup"))
        self.assertEqual(["proc", "sys"], sorted(os.listdir(self.mount.path("view/1"))))
        for change in (os.mkdir, os.rmdir):
            self.assertNotEqual("OK", outcome(change, self.mount.path("cgroup")))
        self.assertRegex(read(self.mount.path("ctl/errors")),
                         r"\A[^\n]* cgroup: EPERM: only the tree, [^\n]*\n\Z")

    def test_machine(self):
        self.assertEqual(meminfo_total(read("/proc/meminfo")),
                         meminfo_total(read(self.mount.path("proc/meminfo"))))

    def test_not_for_run(self):
        done = run_ctlfs("run", "--backend", "v1", "true")
        self.assertEqual(125, done.status, done)
        self.assertIn("no tree", done.err)
        done = run_ctlfs("run", "echo", "runs")
        self.assertEqual((0, "runs\n"), (done.status, done.out), done)
        self.assertRegex(done.err, "backend emulator: ")

    def test_missing(self):
        """What is not mounted is told; without any limits auto takes the emulator."""
        script = (f"umount {real('cpuset')} && mkdir -p /tmp/m && "
                  f"timeout {DEADLINE} {CTLFS} mount /tmp/m && umount /tmp/m; "
                  f"umount {real('memory')} {real('cpu')}; "
                  f"{CTLFS} mount --backend v1 /tmp/m; echo $?; "
                  f"timeout {DEADLINE} {CTLFS} mount /tmp/m && ls /tmp/m && umount /tmp/m")
        done = run_program(["unshare", "-m", "sh", "-c", script])
        self.assertIn("; no cpuset: it is not mounted", done.err, done)
        self.assertRegex(done.err, r"mount: v1: memory, .* are not mounted as cgroup v1")
        self.assertRegex(done.err, r"backend emulator: .*; memory, .* not mounted as cgroup v1")
        self.assertEqual(["1", "cgroup", "ctl", "proc", "sys", "view"], done.out.split())


class Views(V1Case):
    def test_memory(self):
        agent = self.container("ct/one")
        ident = os.stat(real("memory", "ct/one")).st_ino
        for limit in (256, 128, 192):
            write(real("memory", "ct/one/memory.limit_in_bytes"), str(limit * MEBI))
            for text in (self.seen(agent, "proc/meminfo"),
                         read(self.mount.path("view", ident, "proc/meminfo"))):
                self.assertEqual(limit * 1024, meminfo_total(text))
        self.assertEqual(meminfo_total(read("/proc/meminfo")),
                         meminfo_total(read(self.mount.path("proc/meminfo"))))
        # A limit above it, and none at all.
        write(real("memory", "ct/memory.limit_in_bytes"), str(100 * MEBI))
        self.assertEqual(100 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))

    def test_use(self):
        agent = self.container("ct/use")
        write(real("memory", "ct/use/memory.limit_in_bytes"), str(400 * MEBI))
        before = keyed(self.seen(agent, "proc/meminfo"))
        agent.call(agents.hold_memory, 96 << 20)
        after = keyed(self.seen(agent, "proc/meminfo"))
        self.assertLessEqual(after["MemFree"], before["MemFree"] - 90 * 1024)
        self.assertGreaterEqual(after["AnonPages"], before["AnonPages"] + 90 * 1024)

    def test_swap(self):
        agent = self.container("ct/swap")
        write(real("memory", "ct/swap/memory.limit_in_bytes"), str(64 * MEBI))
        write(real("memory", "ct/swap/memory.memsw.limit_in_bytes"), str(96 * MEBI))
        info = keyed(self.seen(agent, "proc/meminfo"))
        self.assertEqual(32 * 1024, info["SwapTotal"])
        self.assertRegex(self.seen(agent, "proc/swaps"), r"(?m)^none\s+virtual\s+32768\s")
        agent.call(agents.hold_memory, 80 << 20)
        info = keyed(self.seen(agent, "proc/meminfo"))
        self.assertLessEqual(info["SwapFree"], info["SwapTotal"] - 10 * 1024)

    def test_cpus(self):
        agent = self.container("ct/cpus")
        self.assertEqual(os.cpu_count(), len(PROCESSOR.findall(self.seen(agent, "proc/cpuinfo"))))
        write(real("cpu", "ct/cpus/cpu.cfs_quota_us"), "50000")
        self.one_cpu(agent)
        write(real("cpu", "ct/cpus/cpu.cfs_quota_us"), "-1")
        self.assertEqual(f"0-{os.cpu_count() - 1}\n",
                         self.seen(agent, "sys/devices/system/cpu/online"))
        write(real("cpuset", "ct/cpus/cpuset.cpus"), "1")
        self.one_cpu(agent)
        self.assertEqual((1, "1\n"), agent.call(nproc))

    def one_cpu(self, agent):
        self.assertEqual(1, len(PROCESSOR.findall(self.seen(agent, "proc/cpuinfo"))))
        self.assertEqual("0\n", self.seen(agent, "sys/devices/system/cpu/online"))
        self.assertEqual(["cpu0"], re.findall(r"^cpu\d+", self.seen(agent, "proc/stat"), re.M))

    def test_times(self):
        agent = self.container("ct/times")
        before = used(self.seen(agent, "proc/stat"))
        agent.call(agents.burn, 0.5)
        counted = keyed(read(real("cpuacct", "ct/times/cpuacct.stat")))
        after = used(self.seen(agent, "proc/stat"))
        self.assertGreaterEqual(after, before + 45)
        # The machine has used far more.
        self.assertLessEqual(after, counted["user"] + counted["system"] + 100)
        machine = read("/proc/stat").split("\n")[0].split()
        self.assertLess(after, sum(map(int, machine[1:4])))

    def test_processes(self):
        agent = self.container("ct/many")
        self.assertRegex(self.seen(agent, "proc/loadavg"), r" \d+/[23] \d+\n$")
        agent.call(agents.spawn, "fork")
        ident = os.stat(real("memory", "ct/many")).st_ino
        path = self.mount.path("view", ident, "proc/loadavg")
        wait_for(lambda: re.search(r" \d+/[34] \d+\n$", read(path)), "one more is counted")

    def test_programs(self):
        tool("free")
        agent = self.container("ct/free")
        write(real("memory", "ct/free/memory.limit_in_bytes"), str(256 * MEBI))
        ident = os.stat(real("memory", "ct/free")).st_ino
        script = (f"mount --bind {self.mount.path('view', ident, 'proc/meminfo')} /proc/meminfo && "
                  "free -m")
        done = agent.call(run_program, ["unshare", "-m", "sh", "-c", script])
        self.assertRegex(done.out, r"Mem: +256 ", done)


class Paths(V1Case):
    """A container's place in each hierarchy."""

    def test_only_memory(self):
        self.make("m/one", "memory")
        agent = self.agent("m/one", "memory", pidns=True)
        write(real("memory", "m/one/memory.limit_in_bytes"), str(128 * MEBI))
        self.assertEqual(128 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        self.assertEqual(os.cpu_count(), len(PROCESSOR.findall(self.seen(agent, "proc/cpuinfo"))))
        # Nobody counts its time.
        self.assertRegex(self.seen(agent, "proc/stat"), r"^cpu +0 0 0 ")

    def test_different(self):
        self.make("m/one", "memory")
        self.make("c/two", "cpu")
        self.make("c/two", "memory")
        write(real("memory", "c/two/memory.limit_in_bytes"), str(64 * MEBI))
        write(real("memory", "m/memory.limit_in_bytes"), str(128 * MEBI))
        write(real("cpu", "c/cpu.cfs_quota_us"), "100000")
        agent = self.agent("m/one", "memory", pidns=True)
        self.move(agent, "c/two", "cpu")
        self.assertEqual(128 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        self.assertEqual("0\n", self.seen(agent, "sys/devices/system/cpu/online"))
        self.assertRegex(self.seen(agent, "proc/loadavg"), r" \d+/[23] \d+\n$")
        agent.call(agents.burn, 0.3)
        self.assertGreaterEqual(used(self.seen(agent, "proc/stat")), 25)
        self.assertEqual("", self.seen(agent, "ctl/errors"))

    def test_moves(self):
        agent = self.container("ct/from")
        self.make("ct/to")
        write(real("memory", "ct/from/memory.limit_in_bytes"), str(64 * MEBI))
        write(real("memory", "ct/to/memory.limit_in_bytes"), str(96 * MEBI))
        self.assertEqual(64 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        self.move(agent, "ct/to")
        self.assertEqual(96 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        # Made anew under the same name.
        path = real("memory", "ct/from")
        ident = os.stat(path).st_ino
        remove_cgroup(path)
        os.mkdir(path)
        write(path + "/memory.limit_in_bytes", str(32 * MEBI))
        self.check("ENOENT", os.stat, self.mount.path("view", ident))
        self.move(agent, "ct/from")
        self.assertEqual(32 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))

    def test_renamed(self):
        """v1 can rename a cgroup: it is the same one, or an error, but never another."""
        agent = self.container("ct/old")
        write(real("memory", "ct/old/memory.limit_in_bytes"), str(64 * MEBI))
        self.assertEqual(64 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        for directory in set(DIRS.values()):
            os.rename(f"{CGROUPS}/{directory}/ct/old", f"{CGROUPS}/{directory}/ct/new")
            self.addCleanup(remove_cgroup, f"{CGROUPS}/{directory}/ct/new")
        self.addCleanup(agent.end)
        self.make("ct/old")
        write(real("memory", "ct/old/memory.limit_in_bytes"), str(96 * MEBI))
        write(real("cpu", "ct/old/cpu.cfs_quota_us"), "50000")
        self.assertEqual(64 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        self.assertEqual(f"0-{os.cpu_count() - 1}\n",
                         self.seen(agent, "sys/devices/system/cpu/online"))

    def test_systemd_below(self):
        """A systemd in the container has its own cgroup in its named hierarchy only."""
        agent = self.container("ct/systemd")
        self.make("ct/systemd/init.scope", "systemd")
        self.addCleanup(agent.end)
        self.move(agent, "ct/systemd/init.scope", "systemd")
        write(real("memory", "ct/systemd/memory.limit_in_bytes"), str(64 * MEBI))
        self.assertEqual(64 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))

    def test_unified(self):
        """Where a hybrid host's v2 has the process says nothing of limits."""
        agent = self.container("ct/unified")
        if HYBRID:
            at = CGROUPS + "/unified/elsewhere"
            os.mkdir(at)
            self.addCleanup(remove_cgroup, at)
            self.addCleanup(agent.end)
            write(at + "/cgroup.procs", str(agent.pid))
        write(real("memory", "ct/unified/memory.limit_in_bytes"), str(64 * MEBI))
        self.assertEqual(64 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))


class Mixed(V1Case):
    """cpu on v1, memory and cpuset on v2 beside it."""
    modes = ("mixed",)

    def test_both(self):
        self.assertIn("; memory cpuset from /sys/fs/cgroup/unified", self.mount.stderr())
        unified = CGROUPS + "/unified"
        self.make_mixed("ct/one")
        agent = self.agent("ct/one", "cpu", pidns=True)
        write(unified + "/ct/one/cgroup.procs", str(agent.pid))
        write(unified + "/ct/memory.max", "128M")
        self.assertEqual(128 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))
        ident = os.stat(unified + "/ct/one").st_ino
        self.assertEqual(128 * 1024, meminfo_total(
            read(self.mount.path("view", ident, "proc/meminfo"))))
        self.assertEqual(os.cpu_count(), len(PROCESSOR.findall(self.seen(agent, "proc/cpuinfo"))))
        write(real("cpu", "ct/one/cpu.cfs_quota_us"), "50000")
        self.assertEqual("0\n", self.seen(agent, "sys/devices/system/cpu/online"))
        write(real("cpu", "ct/one/cpu.cfs_quota_us"), "-1")
        write(unified + "/ct/one/cpuset.cpus", "1")
        self.assertEqual("0\n", self.seen(agent, "sys/devices/system/cpu/online"))
        agent.call(agents.burn, 0.3)
        self.assertGreaterEqual(used(self.seen(agent, "proc/stat")), 25)


class Namespaces(V1Case):
    def test_caller(self):
        """A caller in a cgroup namespace of its own."""
        agent = self.container("ct/ns")
        write(real("memory", "ct/ns/memory.limit_in_bytes"), str(64 * MEBI))
        agent.call(agents.unshare_cgroups)
        self.assertEqual("/", agent.call(read, "/proc/self/cgroup").split("memory:")[1][0])
        self.assertEqual(64 * 1024, meminfo_total(self.seen(agent, "proc/meminfo")))

    def inside(self, script):
        """Runs it in a cgroup, its namespace, and mounts of its own."""
        agent = self.container("ct/inside")
        write(real("memory", "ct/inside/memory.limit_in_bytes"), str(300 * MEBI))
        write(real("cpu", "ct/inside/cpu.cfs_quota_us"), "100000")
        return agent.call(run_program, ["unshare", "-C", "-m", "sh", "-ec",
                                        "mount -t proc proc /proc; mkdir -p /tmp/inside; "
                                        + script])

    def test_daemon_with_mounts_of_outside(self):
        """Where processes are cannot be told there: refused, and auto takes the emulator."""
        done = self.inside(f"{CTLFS} mount --backend v1 /tmp/inside || echo failed; "
                           f"{CTLFS} mount /tmp/inside; ls /tmp/inside; umount /tmp/inside")
        self.assertEqual(["failed", "cgroup", "ctl", "proc", "sys", "view"], done.out.split(), done)
        self.assertIn("mounted from outside of this cgroup namespace", done.err)
        self.assertRegex(done.err, "backend emulator: ")

    def test_daemon_with_its_own_mounts(self):
        """The root of its hierarchies is the container."""
        done = self.inside("mount -t tmpfs t /sys/fs/cgroup; cd /sys/fs/cgroup; "
                           "for c in memory cpu,cpuacct cpuset; do mkdir $c; "
                           "mount -t cgroup -o $c none $c; done; "
                           f"{CTLFS} mount /tmp/inside; cat /tmp/inside/proc/meminfo "
                           "/tmp/inside/view/1/proc/meminfo "
                           "/tmp/inside/sys/devices/system/cpu/online; umount /tmp/inside")
        self.assertEqual(2, done.out.count(f"MemTotal:         {300 * 1024} kB"), done)
        self.assertTrue(done.out.endswith("\n0\n"), done)
        self.assertIn("; no pids: ", done.err)
