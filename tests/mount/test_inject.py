# SPDX-License-Identifier: LGPL-2.1-or-later
"""Made for tests: ctl/inject, `ctlfs inject` and --scenario on the emulator."""
import os
import re
import select
import tempfile
import time
from pathlib import Path

from agents import Agent
from harness import (Case, Mount, MountCase, is_mounted, keyed, outcome, read, root_only,
                     run_ctlfs, run_in, wait_for, write)

FIRST = 4194304  # the first synthetic pid


class Inject(MountCase):
    granted = "+cpu +memory +pids"

    def setUp(self):
        super().setUp()
        self.mkdir("a")
        self.name = f"/t-{self._testMethodName}/a"
        self.addCleanup(self.inject, "fail clear")

    def inject(self, *lines):
        write(self.mount.path("ctl/inject"), "\n".join(lines))

    def command(self, *args, **kwargs):
        return run_ctlfs("inject", self.mount.point, *args, **kwargs)

    def refused(self, *lines):
        """The last reason that `ctlfs errors` gives."""
        self.check("EINVAL", self.inject, *lines)
        done = run_ctlfs("errors", self.mount.point)
        self.assertEqual(0, done.status, done)
        return done.out.splitlines()[-1]

    def test_usage_and_events(self):
        with self.subTest("poll"):
            fd = os.open(self.at("a/memory.events"), os.O_RDONLY)
            self.addCleanup(os.close, fd)
            os.read(fd, 4096)
            poll = select.poll()
            poll.register(fd, select.POLLPRI)
            self.assertEqual([], poll.poll(0))
            self.inject(f"event {self.name} memory.oom_kill +2")
            self.assertEqual(1, len(poll.poll(10000)))
        self.inject(f"usage {self.name} memory=+10M user=+1s",
                    f"event {self.name} pids.max")
        self.assertEqual("10485760\n", self.read("a/memory.current"))
        self.assertEqual(2, keyed(self.read("a/memory.events"))["oom_kill"])
        self.assertEqual(1, keyed(self.read("a/pids.events"))["max"])
        self.assertEqual(1000000, keyed(self.read("a/cpu.stat"))["usage_usec"])

    def test_views_follow(self):
        self.write("a/memory.max", "100M")
        self.inject(f"usage {self.name} memory=60M")
        info = keyed(read(self.view("a") + "/proc/meminfo"))
        self.assertEqual(100 * 1024, info["MemTotal"])
        self.assertEqual(40 * 1024, info["MemFree"])

    def test_faults(self):
        self.inject(f"fail {self.name} write:memory.max EBUSY",
                    f"fail {self.name} read:cpu.max EIO 2 times",
                    f"fail {self.name} open:cpu.weight EMFILE",
                    f"fail {os.path.dirname(self.name)} mkdir:b ENOSPC always",
                    f"fail {self.name} rmdir EBUSY")
        self.check("EBUSY", self.write, "a/memory.max", "1M")
        self.check("OK", self.write, "a/memory.max", "1M")
        for want in ("EIO", "EIO", "OK"):
            self.check(want, self.read, "a/cpu.max")
        self.check("EMFILE", self.read, "a/cpu.weight")
        self.check("ENOSPC", self.mkdir, "b")
        self.check("ENOSPC", self.mkdir, "b")
        self.check("EBUSY", os.rmdir, self.at("a"))
        self.check("OK", os.rmdir, self.at("a"))
        self.assertIn("injected: fail", run_ctlfs("errors", self.mount.point).out)

    def test_wrong_lines(self):
        """EINVAL, the reason in ctl/errors; what stood before the line is done, and no more."""
        said = self.refused(f"usage {self.name} memory=+1M", "fly away", f"mkdir {self.name}/b")
        self.assertRegex(said, r' ctl/inject: EINVAL: line 2: "fly" is not usage, ')
        self.assertEqual("1048576\n", self.read("a/memory.current"))
        self.assertFalse(os.path.exists(self.at("a/b")))
        said = self.refused(f"usage {self.name} memory=much")
        self.assertIn('memory: "much" is not a size', said)
        self.check("ENOENT", self.inject, "usage /nowhere memory=1M")
        self.check("EINVAL", self.inject, "mkdir /x\0y")

    def test_synthetic_members(self):
        """Grow by the clock, may be moved and killed like any process."""
        name = self._testMethodName
        self.inject(f"add {self.name} {name} memory=10M grow=100M/s cpu=2")
        pid = self.members("a")[0]
        self.assertGreaterEqual(pid, FIRST)
        first, cpu = int(self.read("a/memory.current")), keyed(self.read("a/cpu.stat"))
        time.sleep(0.2)
        self.assertGreater(int(self.read("a/memory.current")), first + (15 << 20))
        self.assertGreater(keyed(self.read("a/cpu.stat"))["usage_usec"],
                           cpu["usage_usec"] + 300000)
        self.write("a/cgroup.freeze", "1")
        still = self.read("a/cpu.stat")
        time.sleep(0.05)
        self.assertEqual(still, self.read("a/cpu.stat"))
        self.write("a/cgroup.freeze", "0")
        self.mkdir("b")
        self.write("b/cgroup.procs", str(pid))
        self.assertEqual(([], [pid]), (self.members("a"), self.members("b")))
        self.check("EBUSY", os.rmdir, self.at("b"))
        self.write("b/cgroup.kill", "1")
        self.assertEqual([], self.members("b"))

    def test_exits_wake(self):
        """Who waits for populated 0 is woken without reading."""
        name = self._testMethodName
        self.inject(f"add {self.name} {name}")
        fd = os.open(self.at("a/cgroup.events"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        poll = select.poll()
        poll.register(fd, select.POLLPRI)

        def quiet():
            """What is told of `add` may come after the first read."""
            os.pread(fd, 4096, 0)
            return not poll.poll(0)
        wait_for(quiet, "no change")
        self.write("a/cgroup.kill", "1")
        self.assertEqual(1, len(poll.poll(10000)))
        self.assertIn("populated 0", os.pread(fd, 4096, 0).decode())

    def test_later(self):
        self.inject(f"at 100ms mkdir {self.name}/b", f"at 1ms rmdir {self.name}/x")
        wait_for(lambda: os.path.isdir(self.at("a/b")), "the line's time")
        self.assertIn("failed: ENOENT: there is no cgroup", read(self.mount.path("ctl/inject")))

    def test_command(self):
        done = self.command("usage", self.name, "memory=+1M")
        self.assertEqual((0, "", ""), (done.status, done.out, done.err), done)
        done = self.command(f"usage {self.name} memory=+1M", f"write {self.name}/cpu.max 5000 9000")
        self.assertEqual((0, "", ""), (done.status, done.out, done.err), done)
        self.assertEqual("2097152\n", self.read("a/memory.current"))
        self.assertEqual("5000 9000\n", self.read("a/cpu.max"))
        done = self.command("-", stdin=f"# two\n\nusage {self.name} memory=-1M\nfly\nfly\n")
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertRegex(done.err, r'^ctlfs: inject: line 4: EINVAL: "fly" is not .*\n$')
        self.assertEqual("1048576\n", self.read("a/memory.current"))
        done = self.command()
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.out, r"^time real\n")
        done = run_ctlfs("inject", "/nowhere", "fail", "clear")
        self.assertEqual(1, done.status, done)
        self.assertIn("/nowhere/ctl/inject: No such file or directory: expected", done.err)
        self.assertEqual(2, run_ctlfs("inject", "--colour").status)

    @root_only
    def test_permissions(self):
        """Nobody but its owner reads or writes it."""
        path = self.mount.path("ctl/inject")
        self.assertEqual(0o100600, os.stat(path).st_mode)
        self.assertEqual(os.geteuid(), os.stat(path).st_uid)
        other = Agent(uid=4711)
        self.addCleanup(other.end)
        for call in ((read, path), (write, path, "fail clear")):
            self.check("EACCES", other.call, *call)
        self.check("EPERM", os.chmod, path, 0o666)


class Virtual(Case):
    """Time that only moves when told, and scenarios from files."""

    SCRIPT = """\
# two loads
time virtual
write /cgroup.subtree_control +cpu +memory +pids
mkdir /a
add /a leak memory=50M grow=10M/s
add /a burn cpu=2.5 uid=1000
at 2s usage /a user=+1.5s
at 3s exit burn
fail /a write:memory.max EBUSY
"""

    def setUp(self):
        self.file = tempfile.NamedTemporaryFile("w", prefix="scenario.")
        self.addCleanup(self.file.close)

    def script(self, text):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text)
        self.file.flush()
        return self.file.name

    def texts(self, mount):
        """All files of the tree that can be read."""
        found = {}
        for path in sorted(Path(mount.cgroup()).rglob("*")):
            if path.is_file() and path.stat().st_mode & 0o400:
                found[str(path.relative_to(mount.point))] = read(path)
        return {**found, "inject": read(mount.path("ctl/inject"))}

    def play(self):
        with Mount("--scenario", self.script(self.SCRIPT)) as mount:
            self.assertEqual("52428800\n", read(mount.cgroup("a/memory.current")))
            time.sleep(0.05)
            self.assertEqual("52428800\n", read(mount.cgroup("a/memory.current")))
            write(mount.path("ctl/inject"), "advance 1s\nadvance 1500ms\n")
            self.assertEqual("78643200\n", read(mount.cgroup("a/memory.current")))
            self.assertEqual(7750000, keyed(read(mount.cgroup("a/cpu.stat")))["usage_usec"])
            self.assertEqual("EBUSY", outcome(write, mount.cgroup("a/memory.max"), "1M"))
            write(mount.path("ctl/inject"), "advance 1000s")
            self.assertEqual(f"{FIRST}\n", read(mount.cgroup("a/cgroup.procs")))
            self.assertEqual(9000000, keyed(read(mount.cgroup("a/cpu.stat")))["usage_usec"])
            return self.texts(mount)

    def test_same_again(self):
        first = self.play()
        self.assertEqual(first, self.play())
        self.assertIn("cgroup/a/memory.stat", first)

    def test_wrong_scenario(self):
        """Refused with file and line, before anything is mounted."""
        point = tempfile.mkdtemp(prefix="point.")
        self.addCleanup(os.rmdir, point)
        rows = [("mkdir /a\nmkdir b\n", 1, r":2: \"b\" is no path"),
                ("mkdir /a\n\nmkdir /a\n", 1, ":3: .*exists"),
                ("mkdir /a\n\0", 2, " is no text")]
        for text, status, said in rows:
            for options in ((), ("-f",)):
                done = run_ctlfs("mount", *options, "--scenario", self.script(text), point)
                self.assertEqual((status, ""), (done.status, done.out), done)
                self.assertRegex(done.err, "^ctlfs: mount: --scenario: "
                                 + re.escape(self.file.name) + said)
                self.assertFalse(is_mounted(point))
        done = run_ctlfs("mount", "--scenario", point + "/missing", point)
        self.assertEqual(2, done.status, done)
        self.assertIn("missing: No such file", done.err)
        done = run_ctlfs("mount", "--backend", "kernel", "--scenario", self.script(""), point)
        self.assertEqual(2, done.status, done)

    def test_run(self):
        """A command in a cgroup to which a scenario happens."""
        script = self.script("usage /run memory=+20M\nevent /run memory.high +3\n")
        done = run_in("--memory", "64M", "--scenario", script, "--", "sh", "-c",
                      "grep MemTotal /proc/meminfo; grep high /sys/fs/cgroup/memory.events;"
                      "cat /sys/fs/cgroup/memory.current")
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.out, r"^MemTotal: +65536 kB\nhigh 3\n\d+\n$")
        self.assertGreater(int(done.out.split()[-1]), 20 << 20)
        done = run_in("--scenario", self.script("fly\n"), "--", "true")
        self.assertEqual(125, done.status, done)
        self.assertRegex(done.err, ":1: \"fly\" is not")

    def test_idle(self):
        """A clock that stands wakes nobody up, whatever waits for it."""
        with Mount("--scenario", self.script("time virtual\nat 1s mkdir /a\n")) as mount:
            pid = mount.process.pid
            time.sleep(0.1)

            def ticks():
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()
                return int(fields[11]) + int(fields[12])
            before = ticks()
            time.sleep(1.3)
            self.assertLess(ticks() - before, 5)
            self.assertFalse(os.path.exists(mount.cgroup("a")))
