# SPDX-License-Identifier: LGPL-2.1-or-later
"""A user's own systemd, user@UID.service, with what the machine's has delegated to it: under the
ctlfs of the machine, with Podman's scopes, and with a ctlfs of the user's own."""
import os
import tempfile

from harness import CTLFS, Mount, is_mounted, run_program, tool
from kernel_backend import CGROUPS
from runtime_podman import Podman
from runtime_rootless import AS_USER, USER, make_user
from systemd_units import DENIED
from units import IN_PIDNS, SystemdCase, run_checked

HOME = f"/run/user/{USER}"
IN_NAMESPACES = (IN_PIDNS[0], "--user", "--map-root-user", *IN_PIDNS[1:])


class UserCase(SystemdCase):
    """self.slice is one of the user's manager."""
    manager = ("--user",)
    other = AS_USER

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_user()
        run_checked("loginctl", "enable-linger", USER)
        run_checked("systemctl", "start", f"user@{USER}")

    def setUp(self):
        super().setUp()
        os.chown(self.dir, USER, USER)

    def as_user(self, *argv):
        return [tool("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env",
                "--chdir=/", f"XDG_RUNTIME_DIR={HOME}", f"HOME={self.dir}", f"TMPDIR={self.dir}",
                f"DBUS_SESSION_BUS_ADDRESS=unix:path={HOME}/bus", "USER=ctlfs-user",
                tool(argv[0]), *map(str, argv[1:])]


class Limits(UserCase):
    def test_limits(self):
        """Of the user's units, and of those that the machine's systemd has above them."""
        self.sees({"MemTotal": f"{64 << 10} kB", "CPUs": "1"}, "service", *IN_NAMESPACES,
                  MemoryMax="64M", CPUQuota="50%")
        for text, want in ("48M", 48), ("infinity", 64):
            run_checked("systemctl", "set-property", "--runtime", f"user-{USER}.slice",
                        f"MemoryMax={text}")
            self.sees({"MemTotal": f"{want << 10} kB"}, "service", *IN_NAMESPACES, MemoryMax="64M")


class Delegated(UserCase):
    def test_service(self):
        """A unit's cgroup is the user's, with its limits."""
        self.check_delegated({**AS_USER, "memory.max max": "OK", "cpu.max max": "OK"},
                             *self.places())


class Daemon(UserCase):
    """ctlfs as a service of the user's, on what is delegated to his manager."""

    def setUp(self):
        super().setUp()
        top = f"/user.slice/user-{USER}.slice/user@{USER}.service"
        self.mount = Mount(point=tempfile.mkdtemp(dir=self.dir))
        os.chown(self.mount.point, USER, USER)
        self.daemon = f"{self.name}-daemon.service"
        self.addCleanup(run_program, self.as_user("systemctl", "--user", "stop", self.daemon))
        run_checked(*self.as_user(
            "systemd-run", "--user", "--quiet", "--collect", "--unit", self.daemon, "-pType=notify",
            CTLFS, "mount", "-f", "--backend", "kernel", "--root", top, self.mount.point))
        self.place = self.mount.cgroup(os.path.relpath(self.real, CGROUPS + top))

    def test_views(self):
        for kind in "scope", "service":
            self.sees({"MemTotal": f"{64 << 10} kB", "CPUs": "1"}, kind, *IN_NAMESPACES,
                      MemoryMax="64M", CPUQuota="50%")

    def test_tree(self):
        self.check_delegated({**AS_USER, "memory.max max": "OK", "cpu.max max": "OK"}, self.place)

    def test_refused(self):
        """What is above is not his, and nobody else is served."""
        done = run_program(self.as_user("sh", "-c", 'echo max >"$1"', "sh",
                                        self.mount.cgroup("memory.max")))
        self.assertIn(DENIED, done.err)
        self.check("EACCES", os.listdir, self.mount.point)

    def test_stop(self):
        self.assertIn("Active: active (running)", self.systemctl("status", self.daemon))
        self.systemctl("stop", self.daemon)
        self.assertFalse(is_mounted(self.mount.point))


class PodmanOfUser(Podman, UserCase):
    cgroups = "systemd"
    user = USER

    def setUp(self):
        super().setUp()
        # The process that keeps its namespaces has a scope of its own.
        self.addCleanup(self.systemctl, "stop", "podman-pause-*.scope")

    def parent(self):
        return "--cgroup-parent", self.slice
