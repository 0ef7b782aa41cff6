# SPDX-License-Identifier: LGPL-2.1-or-later
"""LXC: the snippet for a container's configuration, the recipe and `ctlfs attach`."""
import os
from pathlib import Path

from harness import CTLFS, run_program
from runtimes import MEMORY, PERIOD, RuntimeCase
from test_helpers import filled

CONFIG = """lxc.uts.name = container
lxc.rootfs.path = dir:{root}
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed sys:ro cgroup:ro
lxc.apparmor.profile = unconfined
lxc.cgroup.dir.container = {top}/ctr
lxc.cgroup.dir.monitor = {top}/monitor
lxc.cgroup2.memory.max = {memory}
lxc.cgroup2.cpu.max = {period} {period}
"""


class Lxc(RuntimeCase):
    def begin(self, more="", tree=True):
        top = os.path.dirname(self.cgroup)[1:]
        config = Path(self.dir, "config")
        config.write_text(CONFIG.format(root=self.rootfs(), top=top, memory=MEMORY, period=PERIOD) +
                          more)
        name = ["-P", self.dir, "-n", self.name]
        self.addCleanup(run_program, ["lxc-stop", "-k", *name])
        return self.start("lxc-execute", *name, "-f", config, "--", *self.program(tree))

    def test_hook(self):
        snippet = Path(self.dir, "ctlfs.conf")
        snippet.write_text(filled("lxc.conf.in").rstrip() + " --tree\n")
        self.check_report(self.begin(f"lxc.include = {snippet}\n"))

    def test_binds(self):
        lines = self.run_tool(CTLFS, "binds", "--format", "lxc")
        self.check_report(self.begin(lines, tree=False), tree=False)

    def test_attach(self):
        self.check_attach(self.begin(tree=False))
