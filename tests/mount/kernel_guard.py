# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers on the kernel backend, through a mount: what they may do to their own cgroup, and
what they try with others'."""
import os
import tempfile

import agents
from agents import MAPPED
from harness import CTLFS, outcome, read, run_ctlfs, run_program, write
from kernel_backend import KernelCase

CONFIG = """
[/t-*/*]
memory.max <= 2G
cpu.max <= 150%
pids.max <= 500
cgroup.max.depth = allow
[/t-*/closed]
* = readonly
cpu.weight = deny
"""


class GuardCase(KernelCase):
    @classmethod
    def setUpClass(cls):
        cls.config = tempfile.NamedTemporaryFile("w", prefix="conf.")
        cls.config.write(CONFIG)
        cls.config.flush()
        cls.addClassCleanup(cls.config.close)
        cls.mount_args = ("-o", "allow_other,config=" + cls.config.name)
        super().setUpClass()

    def container(self, name, **kwargs):
        self.mkdir(name)
        return self.agent(name, pidns=True, **kwargs)


class Attacks(GuardCase):
    def test_other_container(self):
        """Root of one container, with all capabilities there are, and the cgroup of another."""
        a, _ = self.container("a"), self.container("b")
        self.mkdir("b/x")
        self.outcomes(a, (
            ("EACCES", write, "b/x/cgroup.max.depth", "5"),
            ("EACCES", write, "b/memory.max", "1G"),
            ("EACCES", read, "b/memory.max"), ("EACCES", os.mkdir, "b/y"),
            ("EACCES", os.rmdir, "b/x"), ("EACCES", os.chmod, "b/x", 0o777),
            ("EACCES", os.chown, "b/x/cgroup.max.depth", 1, 1), ("EACCES", os.mkdir, "c"),
            ("EACCES", os.listdir, "b"), ("EACCES", os.listdir, ""),
            ("EACCES", os.setxattr, "b/x", "user.a", b"1"),
            ("EACCES", os.getxattr, "b/x", "user.a"), ("EACCES", os.rmdir, "a"),
            ("EACCES", write, "b/cgroup.kill", "1"), ("EACCES", write, "cgroup.procs", "0"),
            ("OK", os.mkdir, "a/x"), ("OK", write, "a/x/cgroup.max.depth", "5"),
            ("OK", os.listdir, "a"), ("OK", os.rmdir, "a/x"),
        ))
        self.assertIn("outside the caller's container", read(self.mount.path("ctl/errors")))

    def test_passed_fd(self):
        a, b = self.container("a"), self.container("b")
        self.mkdir("b/x")
        host = self.agent()
        for opener in (b, host):
            a.call(agents.listen, "ctlfs-passed")
            opener.call(agents.send_open, "ctlfs-passed", self.at("b/x/cgroup.max.depth"))
            fd = a.call(agents.receive_open)
            self.assertEqual("EACCES", outcome(a.call, agents.write_open, fd, "5"))
        self.assertEqual("max\n", self.read("b/x/cgroup.max.depth"))

    def test_changed_between(self):
        """What was opened is written by somebody who is less, or elsewhere, by then."""
        a = self.container("a")
        fd = a.call(os.open, self.at("a/memory.max"), os.O_WRONLY)
        self.assertEqual("OK", outcome(a.call, agents.write_open, fd, "1G"))
        a.call(agents.become, 1000)
        self.assertEqual("EPERM", outcome(a.call, agents.write_open, fd, "2G"))
        self.mkdir("c", "d")
        c = self.agent("c")
        fd = c.call(os.open, self.at("d/pids.max"), os.O_WRONLY)
        c.call(agents.unshare_cgroups)
        self.assertEqual("EACCES", outcome(c.call, agents.write_open, fd, "5"))
        self.assertEqual([f"{1 << 30}\n", "max\n"], [self.read("a/memory.max"),
                                                     self.read("d/pids.max")])

    def test_moving_others(self):
        """A process of another container, and one of the host, both of which can be seen."""
        self.mkdir("a", "a/x")
        b, host = self.container("b"), self.agent()
        a = self.agent("a")
        a.call(agents.unshare_cgroups)
        for victim in (b, host):
            before = read(f"/proc/{victim.pid}/cgroup")
            for file in ("cgroup.procs", "cgroup.threads"):
                self.assertEqual("ENOENT", outcome(a.call, write, self.at("a/x", file),
                                                   str(victim.pid)))
            self.assertEqual(before, read(f"/proc/{victim.pid}/cgroup"))
        # A file of the container's own, and a process of the host that writes itself to it.
        inside = self.container("c")
        host.call(agents.listen, "ctlfs-moved")
        inside.call(agents.send_open, "ctlfs-moved", self.at("c/cgroup.procs"))
        fd = host.call(agents.receive_open)
        self.assertEqual("ENOENT", outcome(host.call, agents.write_open, fd, "0"))

    def test_ceilings(self):
        a = self.container("a")
        self.outcomes(a, (
            ("OK", write, "a/memory.max", "2G"), ("EPERM", write, "a/memory.max", "2147487744"),
            ("EPERM", write, "a/memory.max", "max\n"), ("EPERM", write, "a/memory.high", "1G"),
            ("EINVAL", write, "a/memory.max", "1G\nmax"),
            ("OK", write, "a/cpu.max", "1500000 1000000"),
            ("EPERM", write, "a/cpu.max", "150000 1000"), ("OK", write, "a/cpu.max", "15000 10000"),
            ("EPERM", write, "a/cpu.max", "150000"), ("EPERM", write, "a/cpu.max", "max"),
            ("EINVAL", write, "a/cpu.max", "18446744073709552 100000"),
            ("OK", write, "a/pids.max", "500"), ("EPERM", write, "a/pids.max", "501"),
            ("EPERM", write, "a/cgroup.freeze", "1"), ("OK", write, "a/cgroup.max.depth", "4"),
        ))
        self.assertEqual([f"{2 << 30}\n", "15000 10000\n", "500\n", "4\n"],
                         [read(self.real_at("a", name)) for name in
                          ("memory.max", "cpu.max", "pids.max", "cgroup.max.depth")])
        self.assertRegex(read(self.mount.path("ctl/errors")), "above the ceiling of .*:3")
        write(self.at("a/memory.max"), "3G")  # the host is not bound


class Rights(GuardCase):
    def test_mapped_root(self):
        """Root of a user namespace: whom the kernel gives nothing on the host's files."""
        a = self.container("a", mapped=True)
        os.chown(self.real_at("a"), MAPPED, MAPPED)
        self.assertEqual((0o666, 0), (os.stat(self.at("a/memory.max")).st_mode & 0o777,
                                      os.stat(self.at("a/memory.max")).st_uid))
        self.outcomes(a, (
            ("OK", write, "a/memory.max", "1G"), ("EPERM", write, "a/memory.max", "3G"),
            ("EACCES", write, "a/memory.high", "1G"), ("EPERM", os.chmod, "a/memory.max", 0o666),
            ("OK", os.mkdir, "a/x"), ("OK", write, "a/x/cgroup.max.depth", "max"),
        ))
        a.call(agents.become, 1000)
        self.outcomes(a, (("EACCES", write, "a/memory.max", "1G"), ("OK", read, "a/memory.max")))

    def test_shown_mode(self):
        """Who changes the mode that he sees does not make it true."""
        self.mkdir("a")
        os.chmod(self.at("a/memory.max"), os.stat(self.at("a/memory.max")).st_mode | 0o100)
        self.assertEqual(0o744, os.stat(self.real_at("a/memory.max")).st_mode & 0o777)
        user = self.agent(uid=1000)
        self.assertEqual("EACCES", outcome(user.call, write, self.at("a/memory.max"), "1G"))

    def test_closed(self):
        closed = self.container("closed")
        self.outcomes(closed, (
            ("EPERM", write, "closed/memory.max", "1G"),
            ("EPERM", write, "closed/cgroup.procs", "0"),
            ("EACCES", read, "closed/cpu.weight"), ("OK", read, "closed/memory.max"),
            ("OK", os.mkdir, "closed/x"), ("OK", write, "closed/x/cgroup.max.depth", "5"),
        ))


class BadConfig(KernelCase):
    def test_refused(self):
        """The daemon does not start with a policy that it may misunderstand."""
        with tempfile.NamedTemporaryFile("w") as config, tempfile.TemporaryDirectory() as point:
            config.write("[/a]\nmemory.max < 2G\n")
            config.flush()
            checked = run_ctlfs("check-config", config.name)
            mounted = run_program([CTLFS, "mount", "--backend", "kernel", "--config", config.name,
                                   point])
        self.assertEqual((1, 1), (checked.status, mounted.status))
        self.assertRegex(checked.err, f"{config.name}:2: expected FILE <=")
        self.assertEqual(checked.err.replace("check-config: ", "mount: "), mounted.err)
