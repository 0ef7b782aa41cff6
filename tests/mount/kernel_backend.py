# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs mount --backend kernel` over the real cgroup v2 of a VM: the same numbers, errnos and
events as without us."""
import os
import re
import select

import agents
from agents import Agent, checked, libc
from harness import (DEADLINE, MountCase, keyed, opened, outcome, read, remove_cgroup, run_program,
                     tool, wait_for, write)

CGROUPS = "/sys/fs/cgroup"
MS_BIND = 4096


def bind(pairs):
    """In a mount namespace of the calling agent's own, binds each source over its target."""
    agents.own_mounts()
    for source, target in pairs:
        checked(libc.mount(source.encode(), target.encode(), None, MS_BIND, None))


def run_tool(*argv):
    return run_program(argv).out


class KernelCase(MountCase):
    """self.top is a cgroup seen through a mount, self.real the same one without."""
    modes = ("kernel",)
    backend = "kernel"
    controllers = ""
    granted = "+cpu +memory +pids"

    @classmethod
    def setUpClass(cls):
        have = read(CGROUPS + "/cgroup.controllers").split()
        write(CGROUPS + "/cgroup.subtree_control",
              " ".join(f"+{name}" for name in have if name != "perf_event"))
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.real = os.path.join(CGROUPS, os.path.basename(self.top))

    def clear(self):
        real = os.path.join(CGROUPS, os.path.basename(self.top))
        write(real + "/cgroup.kill", "1")
        remove_cgroup(real)

    def real_at(self, *parts):
        return os.path.join(self.real, *parts)

    def agent(self, path=None, **kwargs):
        agent = Agent(**kwargs)
        self.addCleanup(agent.end)
        if path:
            write(self.real_at(path, "cgroup.procs"), str(agent.pid))
        return agent

    def outcomes(self, agent, steps):
        """Rows of what it is told, for which function, on which file of self.top's, with what."""
        for want, function, path, *rest in steps:
            with self.subTest(function=function.__name__, path=path, rest=rest):
                self.assertEqual(want, outcome(agent.call, function, self.at(path), *rest))


class Views(KernelCase):
    def setUp(self):
        super().setUp()
        self.mkdir("x")
        write(self.real_at("x/memory.max"), "256M")
        write(self.real_at("x/cpu.max"), "50000 100000")

    def total(self, text):
        return keyed(text)["MemTotal"]

    def test_bound(self):
        """A container that binds the views: plain reads and programs, and a change of the real
        file is seen at the next read."""
        tool("free")
        view = self.view("x")
        container = self.agent("x", pidns=True)
        container.call(bind, [
            (view + "/proc/meminfo", "/proc/meminfo"), (view + "/proc/stat", "/proc/stat"),
            (self.mount.path("proc/cpuinfo"), "/proc/cpuinfo"),
            (view + "/sys/devices/system/cpu", "/sys/devices/system/cpu")])
        for limit in (256, 128, 192):
            write(self.real_at("x/memory.max"), f"{limit}M")
            self.assertEqual(limit * 1024, self.total(container.call(read, "/proc/meminfo")))
            self.assertEqual(limit * 1024, self.total(read(view + "/proc/meminfo")))
        self.assertRegex(container.call(run_tool, "free", "-k"), r"Mem: +196608 ")
        count = r"(?m)^processor\s*:"
        self.assertEqual(1, len(re.findall(count, container.call(read, "/proc/cpuinfo"))))
        self.assertEqual("0\n", container.call(read, "/sys/devices/system/cpu/online"))
        stat = container.call(read, "/proc/stat")
        self.assertEqual(["cpu0"], re.findall(r"^cpu\d+", stat, re.M))
        write(self.real_at("x/cpu.max"), "max")
        self.assertEqual(os.cpu_count(),
                         len(re.findall(count, container.call(read, "/proc/cpuinfo"))))

    def test_callers(self):
        """MNT/proc tells two containers apart, and the machine from both."""
        self.mkdir("y")
        write(self.real_at("y/memory.max"), "64M")
        x, y = self.agent("x", pidns=True), self.agent("y", pidns=True)
        path = self.mount.path("proc/meminfo")
        self.assertEqual(256 * 1024, self.total(x.call(read, path)))
        self.assertEqual(64 * 1024, self.total(y.call(read, path)))
        self.assertEqual(self.total(read("/proc/meminfo")), self.total(read(path)))

    def test_use(self):
        """Free memory follows what the kernel charges."""
        member = self.agent("x")
        path = self.view("x") + "/proc/meminfo"
        before = keyed(read(path))
        member.call(agents.hold_memory, 96 << 20)
        after = keyed(read(path))
        self.assertLessEqual(after["MemFree"], before["MemFree"] - 90 * 1024)
        for info in (before, after):
            self.assertLessEqual(info["MemFree"] + info["Cached"] + info["Buffers"],
                                 info["MemTotal"])


class Writes(KernelCase):
    """The tree is the kernel's own, through us."""

    ROWS = (
        ("memory.max", "256M"), ("memory.max", "1KB"), ("memory.max", "-1"), ("memory.max", ""),
        ("memory.max", " 8192\n"), ("memory.max", "max"), ("memory.high", "1e"),
        ("memory.high", "2^3"), ("memory.oom.group", "2"), ("memory.oom.group", "1\n"),
        ("memory.swap.max", "0"), ("memory.current", "1"), ("memory.stat", "1"),
        ("cpu.max", "50000"), ("cpu.max", "50000abc"), ("cpu.max", "999 100000"),
        ("cpu.max", "max 2000000"), ("cpu.max", "max 50000"), ("cpu.weight", "0"),
        ("cpu.weight", "10001"), ("cpu.weight", " 5"), ("cpu.weight", "200\n"),
        ("cpu.weight.nice", "-21"), ("cpu.idle", "2"), ("pids.max", "-1"), ("pids.max", "0x20"),
        ("pids.max", "99999999999999999999"), ("pids.max", "4194305"), ("pids.max", "max\n"),
        ("cgroup.procs", "abc"), ("cgroup.procs", "-1"), ("cgroup.procs", "4194304"),
        ("cgroup.threads", "99999999999"), ("cgroup.type", "domain"), ("cgroup.type", "x"),
        ("cgroup.freeze", "2"), ("cgroup.freeze", "1"), ("cgroup.freeze", "0"),
        ("cgroup.max.depth", "-1"), ("cgroup.max.depth", "3"), ("cgroup.max.descendants", "x"),
        ("cgroup.kill", "0"), ("cgroup.kill", "1"), ("cgroup.events", "1"),
        ("cgroup.subtree_control", "+bogus"), ("cgroup.subtree_control", "+memory\t-pids"),
        ("cgroup.subtree_control", "+memory +pids"), ("cgroup.subtree_control", "-memory"),
        ("cgroup.subtree_control", "+perf_event"), ("cgroup.nothing", "1"),
        ("memory.max", " " * 4097), ("memory.max", "1\0junk"),
        ("memory.pressure", "some 1 2"), ("memory.pressure", "none"),
    )

    def test_errnos(self):
        """The same writes to a cgroup directly and to its neighbour through the mount."""
        os.mkdir(self.real_at("direct"))
        self.mkdir("through")
        for file, text in self.ROWS:
            with self.subTest(file=file, text=text[:30]):
                got = []
                for base in (self.real_at("direct"), self.at("through")):
                    path = os.path.join(base, file)
                    content = []
                    got.append((outcome(write, path, text),
                                outcome(lambda p=path, c=content: c.append(read(p)))))
                    got[-1] += (content if "current" not in file and "stat" not in file else [],)
                self.assertEqual(got[0], got[1])

    def test_operations(self):
        """The same for directories and what a cgroup file system refuses."""
        def rename_over(base):
            os.mkdir(base + "/r1")
            os.rename(base + "/r1", base + "/r2")

        operations = (
            lambda base: os.mkdir(base + "/a"),
            lambda base: os.mkdir(base + "/a"),
            lambda base: os.mkdir(base + "/a/b"),
            lambda base: os.rmdir(base + "/a"),
            lambda base: os.rmdir(base + "/a/b"),
            lambda base: os.rmdir(base + "/a/cgroup.procs"),
            lambda base: os.mkdir(base + "/new\nline"),
            lambda base: os.mkdir(base + "/" + "n" * 256),
            lambda base: os.mkdir(base + "/cgroup.procs"),
            lambda base: os.mkdir(base + "/missing/x"),
            lambda base: os.unlink(base + "/cgroup.procs"),
            lambda base: os.unlink(base + "/a"),
            lambda base: os.symlink("x", base + "/link"),
            lambda base: os.link(base + "/cgroup.procs", base + "/link"),
            lambda base: os.mkfifo(base + "/fifo"),
            lambda base: os.mknod(base + "/file"),
            lambda base: os.open(base + "/file", os.O_CREAT | os.O_WRONLY),
            rename_over,
            lambda base: os.chmod(base + "/memory.max", 0o600),
            lambda base: os.chown(base + "/memory.max", 65534, 65534),
            lambda base: os.truncate(base + "/memory.max", 0),
            lambda base: os.listdir(base + "/memory.max"),
        )
        os.mkdir(self.real_at("direct"))
        self.mkdir("through")
        for number, operation in enumerate(operations):
            with self.subTest(number=number):
                self.assertEqual(outcome(operation, self.real_at("direct")),
                                 outcome(operation, self.at("through")))
        direct, through = os.stat(self.real_at("direct/memory.max")), \
            os.stat(self.at("through/memory.max"))
        for key in ("st_mode", "st_uid", "st_gid", "st_nlink", "st_size", "st_blksize"):
            self.assertEqual(getattr(direct, key), getattr(through, key), key)

    def test_same_node(self):
        """Listing, numbers, attributes and texts are those of the real directory."""
        self.mkdir("x")
        names = sorted(os.listdir(self.real_at("x")))
        self.assertEqual(names, sorted(os.listdir(self.at("x"))))
        self.assertEqual(os.stat(self.real_at("x")).st_ino, os.stat(self.at("x")).st_ino)
        for name in names:
            real, ours = self.real_at("x", name), self.at("x", name)
            for key in ("st_mode", "st_ino", "st_uid", "st_gid", "st_nlink"):
                self.assertEqual(getattr(os.stat(real), key), getattr(os.stat(ours), key), name)
            if name not in ("cpu.stat", "memory.reclaim", "cgroup.kill"):
                self.assertEqual(read(real), read(ours), name)

    def test_writes_arrive(self):
        self.mkdir("x")
        self.write("x/memory.max", "100M")
        self.assertEqual(f"{100 << 20}\n", read(self.real_at("x/memory.max")))
        self.write("x/cpu.max", "30000 60000")
        self.assertEqual("30000 60000\n", read(self.real_at("x/cpu.max")))
        write(self.real_at("x/pids.max"), "7")
        self.assertEqual("7\n", self.read("x/pids.max"))
        os.rmdir(self.real_at("x"))
        self.check("ENOENT", os.stat, self.at("x"))
        os.mkdir(self.real_at("x"))
        self.assertEqual("max\n", self.read("x/memory.max"))

    def test_other_user(self):
        """The caller's own rights count, not the daemon's."""
        self.mkdir("d", "e")
        for name in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
            os.chown(self.real_at("d", name), 65534, 65534)
        user, stranger = self.agent("d"), self.agent("e")
        user.call(agents.become, 65534)
        steps = (
            ("OK", os.mkdir, "d/x"), ("OK", write, "d/x/cgroup.procs", "0"),
            ("OK", write, "d/x/cgroup.max.depth", "5"), ("EACCES", write, "d/memory.max", "1M"),
            ("EACCES", os.mkdir, "e/x"), ("EACCES", write, "e/cgroup.procs", "0"),
            ("EACCES", write, "d/x/cgroup.procs", str(stranger.pid)), ("EACCES", os.rmdir, "d"),
        )
        self.outcomes(user, steps)
        attr = os.stat(self.real_at("d/x/cgroup.procs"))
        self.assertEqual((65534, 65534), (attr.st_uid, attr.st_gid))
        self.assertEqual(f"{user.pid}\n", read(self.real_at("d/x/cgroup.procs")))
        self.assertEqual(f"{stranger.pid}\n", read(self.real_at("e/cgroup.procs")))


class Processes(KernelCase):
    def test_pid_namespace(self):
        """cgroup.procs in the numbers of whoever reads and writes."""
        self.mkdir("x", "x/a", "x/b")
        inside, outside = self.agent("x", pidns=True), self.agent("x/a")
        child = inside.call(agents.spawn, "fork")
        for number in (str(child), "0"):
            self.assertEqual("OK", outcome(inside.call, write, self.at("x/a/cgroup.procs"),
                                           number))
        procs = inside.call(read, self.at("x/a/cgroup.procs")).split()
        self.assertEqual(sorted(["1", str(child), "0"]), sorted(procs))
        real = read(self.real_at("x/a/cgroup.procs")).split()
        self.assertEqual(sorted(map(int, real)), self.members("x/a"))
        write(self.real_at("x/cgroup.procs"), str(inside.pid))
        self.assertEqual("OK", outcome(inside.call, write, self.at("x/b/cgroup.procs"),
                                       str(child)))
        self.assertEqual([str(child)], inside.call(read, self.at("x/b/cgroup.procs")).split())
        moved, = set(real) - {str(inside.pid), str(outside.pid)}
        self.assertEqual([moved], read(self.real_at("x/b/cgroup.procs")).split())
        self.assertEqual("ESRCH", outcome(inside.call, write, self.at("x/b/cgroup.procs"),
                                          str(outside.pid)))

    def test_events(self):
        """poll() on the mount is woken by the kernel's own events."""
        self.mkdir("x")
        alone = select.POLLERR | select.POLLPRI
        with opened(self.at("x/cgroup.events")) as fd:
            poller = select.poll()
            poller.register(fd, alone)
            for want in ("populated 1\nfrozen 0\n", "populated 0\nfrozen 0\n"):
                os.pread(fd, 1000, 0)
                if "populated 1" in want:
                    member = self.agent("x")
                else:
                    member.end()
                wait_for(lambda: poller.poll(DEADLINE * 1000) and
                         os.pread(fd, 1000, 0).decode() == want, want)

    def test_kill_and_freeze(self):
        self.mkdir("x")
        member = self.agent("x")
        self.write("x/cgroup.freeze", "1")
        self.wait_text("x/cgroup.events", "populated 1\nfrozen 1\n")
        self.write("x/cgroup.kill", "1")
        self.assertEqual(-9, member.wait())
        self.wait_text("x/cgroup.events", "populated 0\nfrozen 1\n")
