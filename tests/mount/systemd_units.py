# SPDX-License-Identifier: LGPL-2.1-or-later
"""Slices, scopes and services of systemd: ctlfs as one of them, the limits of others and what is
delegated to them."""
import os
import signal

from harness import (describe, error_name, is_mounted, keyed, opened, read, run_program, tool,
                     wait_for)
from kernel_backend import CGROUPS
from runtime_rootless import AS_USER, USER, make_user
from runtimes import MEMORY
from units import IN_PIDNS, SystemdCase, run_checked

DENIED = "Permission denied"
# These change while one looks.
MOVING = ("current", ".stat", ".stat.local", "numa_stat", ".pressure", ".peak")
# Of a unit that may nothing, below $1.
ATTEMPTS = """try() { said=$(sh -c "$1" 2>&1) && echo "$1: OK" || echo "$1: ${said##*: }"; }
cd "$1"; try 'mkdir child'; try 'echo 0 >cgroup.procs'; try 'echo 0 >../cgroup.procs'
try 'echo max >memory.max'; try 'echo +memory >cgroup.subtree_control'; try 'echo 1 >cgroup.kill'"""
# bwrap's own processes go to init.scope, as where systemd is the init of a container.
IN_INIT_SCOPE = """set -e; mkdir "$1/init.scope"; echo 0 >"$1/init.scope/cgroup.procs"
echo +memory >"$1/cgroup.subtree_control"; shift; exec "$@\""""


def face(path):
    info = os.stat(path)
    return oct(info.st_mode), info.st_uid, info.st_gid


def text(path):
    """Or why there is none."""
    try:
        return read(path)
    except OSError as error:
        return error_name(error.errno)


class Unit(SystemdCase):
    """ctlfs.service."""

    def test_status(self):
        self.assertIn("Active: active (running)", self.systemctl("status", "--no-pager", "ctlfs"))
        pid = self.show("ctlfs", "MainPID")
        self.assertIn("/ctlfs mount -f", describe(pid))
        self.assertEqual(*[os.readlink(f"/proc/{who}/ns/mnt") for who in ("1", pid)])
        self.assertEqual("/system.slice/ctlfs.service", self.path("ctlfs"))
        self.assertEqual(f"{pid}\n",
                         read(self.mount.cgroup("system.slice/ctlfs.service/cgroup.procs")))

    def test_same_tree(self):
        """Every cgroup that systemd has made; of some the files' modes, owners and texts."""
        for real, below, names in os.walk(CGROUPS):
            seen = self.mount.cgroup(os.path.relpath(real, CGROUPS))
            self.assertEqual(sorted(below + names), sorted(os.listdir(seen)), seen)
        for place in "init.scope", "system.slice":
            for name in os.listdir(f"{CGROUPS}/{place}"):
                real, seen = f"{CGROUPS}/{place}/{name}", self.mount.cgroup(place, name)
                self.assertEqual(face(real), face(seen), seen)
                if not name.endswith(MOVING):
                    self.assertEqual(text(real), text(seen), seen)

    def test_stop(self):
        self.mount.stop()
        self.assertEqual("inactive", self.show("ctlfs", "ActiveState"))
        self.assertEqual("success", self.show("ctlfs", "Result"))
        self.assertFalse(os.path.isdir(CGROUPS + "/system.slice/ctlfs.service"))
        self.mount.start()
        self.assertTrue(is_mounted(self.mount.point))

    def test_killed(self):
        """Another daemon is started, where the dead one's mount was."""
        pid = self.show("ctlfs", "MainPID")
        with opened(self.mount.path("proc/meminfo")):
            os.kill(int(pid), signal.SIGKILL)
            wait_for(lambda: self.show("ctlfs", "MainPID") not in (pid, "0"), "another daemon")
            wait_for(lambda: self.show("ctlfs", "ActiveState") == "active", "that it serves")
        self.assertIn("MemTotal", keyed(read(self.mount.path("proc/meminfo"))))
        self.assertEqual(1, read("/proc/self/mountinfo").count(f" {self.mount.point} "))


class Limits(SystemdCase):
    """What is seen of limits that systemd has set."""

    def test_scope_and_service(self):
        for kind in "scope", "service":
            self.sees({"MemTotal": f"{64 << 10} kB", "CPUs": "1", "online": "0"}, kind, *IN_PIDNS,
                      MemoryMax="64M", CPUQuota="50%")
            self.sees({"SwapTotal": "0 kB", "CPUs": "1"}, kind, *IN_PIDNS,
                      MemorySwapMax=0, AllowedCPUs=1)

    def test_nested_slices(self):
        """The tightest counts: here that of a slice, then of the slice in it."""
        inner = f"{self.name}-b.slice"
        self.systemctl("set-property", "--runtime", self.slice, "MemoryMax=32M", "CPUQuota=50%")
        for limit in 32, 16:
            self.systemctl("set-property", "--runtime", inner, f"MemoryMax={limit + 16 % limit}M")
            self.sees({"MemTotal": f"{limit << 10} kB", "CPUs": "1"}, "service", *IN_PIDNS,
                      Slice=inner, MemoryMax="64M")

    def test_changed(self):
        """Limits that systemd changes are those of the next read, from outside."""
        unit, command = self.unit("service", "sleep", "infinity", wait=False)
        run_checked(*command)
        inode = os.stat(self.mount.cgroup(self.path(unit)[1:])).st_ino
        for changed, limit, want in ((unit, 64, 64), (self.slice, 48, 48), (unit, 32, 32),
                                     (unit, 64, 48), (self.slice, 128, 64)):
            self.systemctl("set-property", "--runtime", changed, f"MemoryMax={limit}M")
            for view in inode, "pid-" + self.show(unit, "MainPID"):
                info = keyed(read(self.mount.path("view", view, "proc/meminfo")))
                self.assertEqual(want << 10, info["MemTotal"], (changed, limit))

    def test_machine(self):
        """A service is in no container: in there the mount shows the machine."""
        self.sees(self.look(*self.looker()), "service", MemoryMax="64M", CPUQuota="50%")


class Delegated(SystemdCase):
    """What a unit may do with its own cgroup by the tree: what it may do without us."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_user()

    def test_yes(self):
        refused = dict.fromkeys(("memory.max max", "cpu.max max"), DENIED)
        self.check_delegated({**AS_USER, **refused}, *self.places(), User=USER)

    def test_no(self):
        name, _ = self.unit("service")
        for place in self.places():
            _, command = self.unit("service", "sh", "-c", ATTEMPTS, "sh", f"{place}/{name}",
                                   User=USER)
            said = run_checked(*command).splitlines()
            self.assertEqual([DENIED] * 6, [line.split(": ")[1] for line in said], said)

    def test_protected(self):
        """ProtectControlGroups= is about /sys/fs/cgroup: the mount asks for a line of its own."""
        for more, want in ({}, False), ({"ReadOnlyPaths": self.mount.point}, True):
            for place, refused in zip(self.places(), (True, want)):
                _, command = self.unit("service", "sh", "-c", 'mkdir "$1" && rmdir "$1"', "sh",
                                       place + "/child", ProtectControlGroups="yes", **more)
                done = run_program(command)
                self.assertEqual((int(refused), refused),
                                 (done.status, "Read-only file system" in done.err), done)

    def test_init_scope(self):
        """A scope with an init.scope is the container, with all its limits and its tree."""
        top = self.path(self.slice)
        name, _ = self.unit("scope")
        options = self.binds("bwrap", "--cgroup", f"{top}/{name}")
        _, command = self.unit(
            "scope", "sh", "-c", IN_INIT_SCOPE, "sh", self.real_at(name), tool("bwrap"),
            "--unshare-pid", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *options,
            *self.program(), Delegate="yes", MemoryMax=MEMORY, CPUQuota="100%")
        self.check_report(self.start(*command))
