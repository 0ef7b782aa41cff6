# SPDX-License-Identifier: LGPL-2.1-or-later
"""Podman as root: the file for its directory of hooks, the recipe and `ctlfs attach`."""
import os
from pathlib import Path

from harness import environment, run_program, tool
from runtimes import MEMORY, RuntimeCase
from test_helpers import filled


class Podman:
    """The tests of one user's Podman."""
    user = 0
    cgroups = "cgroupfs"
    places = ()  # where it keeps what it knows, if not below HOME
    env = None

    def begin(self, *options, tree=True):
        hooks = self.dir + "/hooks"
        os.mkdir(hooks)
        Path(hooks, "ctlfs.json").write_text(filled("oci-hook.json.in"))
        podman = ["podman", "--cgroup-manager", self.cgroups, "--events-backend", "none",
                  "--storage-driver", "vfs", "--hooks-dir", hooks,
                  *[f"--{place}={self.dir}/{place}" for place in self.places]]
        env = self.env or environment()
        self.addCleanup(run_program, self.as_user(*podman, "rm", "-f", "-t", "0", self.name),
                        env=env, cwd="/")
        return self.start(*self.as_user(
            *podman, "run", "--name", self.name, "--network", "none", "--log-driver", "none",
            *self.parent(), "-m", str(MEMORY), "--cpus", "1", *options, "--rootfs",
            self.rootfs(self.user), *self.program(tree)), env=env, cwd="/")

    def test_hook(self):
        self.check_report(self.begin("--annotation", "ctlfs=tree"))

    def test_binds(self):
        self.check_report(self.begin(*self.binds("podman"), tree=False), tree=False)

    def test_attach(self):
        self.check_attach(self.begin(tree=False))


class PodmanOfRoot(Podman, RuntimeCase):
    places = ("root", "runroot", "tmpdir")

    def as_user(self, *argv):
        return [tool(argv[0]), *argv[1:]]

    def parent(self):
        """Where the container's cgroup is to be made."""
        return "--cgroup-parent", os.path.dirname(self.cgroup)
