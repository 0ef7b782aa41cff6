# SPDX-License-Identifier: LGPL-2.1-or-later
"""crun and runc, by themselves: the hook, the recipe and `ctlfs attach`."""
import json
import os
from pathlib import Path

from harness import run_program
from runtimes import MEMORY, PERIOD, RuntimeCase
from test_helpers import filled

CAPABILITIES = [f"CAP_{name}" for name in (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID "
    "SETPCAP SETUID SYS_CHROOT").split()]
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc",
     "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs",
     "options": ["nosuid", "noexec", "nodev", "ro"]},
]


def cgroup2(mode):
    return {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime", mode]}


class Oci:
    """The tests of one runtime."""
    options = ()

    def place(self):
        """The container's cgroup, as config.json has it."""
        return self.cgroup

    def config(self, tree=True, mounts=(), hooks=None, annotations=None):
        return {
            "ociVersion": "1.0.2",
            "process": {"args": self.program(tree), "cwd": "/", "user": {"uid": 0, "gid": 0},
                        "env": [f"PATH={os.environ['PATH']}"], "noNewPrivileges": True,
                        "capabilities": {key: CAPABILITIES for key in (
                            "bounding", "effective", "permitted")}},
            "root": {"path": self.rootfs(), "readonly": True},
            "hostname": "container", "mounts": [*MOUNTS, *mounts],
            "hooks": hooks or {}, "annotations": annotations or {},
            "linux": {
                "cgroupsPath": self.place(),
                "resources": {"memory": {"limit": MEMORY},
                              "cpu": {"quota": PERIOD, "period": PERIOD}},
                "namespaces": [{"type": kind} for kind in (
                    "pid", "mount", "ipc", "uts", "network", "cgroup")]}}

    def begin(self, **config):
        Path(self.dir, "config.json").write_text(json.dumps(self.config(**config)))
        state = [*self.options, "--root", self.dir + "/state"]
        self.addCleanup(run_program, [self.runtime, *state, "delete", "-f", self.name])
        return self.start(self.runtime, *state, "run", "--bundle", self.dir, self.name)

    def mounts(self, *options):
        return json.loads(" ".join(self.binds("oci", *options)))

    def test_hook(self):
        helper = json.loads(filled("oci-hook.json.in"))
        self.check_report(self.begin(
            hooks={stage: [helper["hook"]] for stage in helper["stages"]},
            mounts=[cgroup2("ro")], annotations={"ctlfs": "tree"}))

    def test_binds(self):
        self.check_report(self.begin(mounts=self.mounts("--cgroup", self.cgroup)))

    def test_attach(self):
        self.check_attach(self.begin(tree=False, mounts=[cgroup2("ro")]))


class Crun(Oci, RuntimeCase):
    runtime = "crun"

    def test_kernel(self):
        """What comes of using the tree is what comes of using the kernel's."""
        self.check_report(self.begin(mounts=[cgroup2("rw"), *self.mounts()]))


class Runc(Oci, RuntimeCase):
    runtime = "runc"
