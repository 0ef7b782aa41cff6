# SPDX-License-Identifier: LGPL-2.1-or-later
"""Podman as root: the file for its directory of hooks, the recipe and `ctlfs attach`."""
import os
from pathlib import Path

from harness import CTLFS, run_program
from runtimes import MEMORY, RuntimeCase
from test_helpers import filled


class Podman(RuntimeCase):
    def setUp(self):
        super().setUp()
        hooks = self.dir + "/hooks"
        os.mkdir(hooks)
        Path(hooks, "ctlfs.json").write_text(filled("oci-hook.json.in"))
        self.podman = ["podman", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
                       "--storage-driver", "vfs", "--root", self.dir + "/storage", "--runroot",
                       self.dir + "/run", "--tmpdir", self.dir + "/tmp", "--hooks-dir", hooks]

    def begin(self, *options, tree=True):
        self.addCleanup(run_program, [*self.podman, "rm", "-f", "-t", "0", self.name])
        return self.start(*self.podman, "run", "--name", self.name, "--network", "none",
                          "--log-driver", "none", "--cgroup-parent", os.path.dirname(self.cgroup),
                          "-m", MEMORY, "--cpus", 1, *options, "--rootfs", self.rootfs(),
                          *self.program(tree))

    def test_hook(self):
        self.check_report(self.begin("--annotation", "ctlfs=tree"))

    def test_binds(self):
        options = self.run_tool(CTLFS, "binds", "--format", "podman").split()
        self.check_report(self.begin(*options, tree=False), tree=False)

    def test_attach(self):
        self.check_attach(self.begin(tree=False))
