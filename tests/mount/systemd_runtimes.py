# SPDX-License-Identifier: LGPL-2.1-or-later
"""crun, runc and Podman with scopes that systemd makes for their containers."""
from runtime_oci import Oci
from runtime_podman import Podman
from units import SystemdCase


class WithSystemd(Oci):
    options = ("--systemd-cgroup",)
    below = ""  # the container's cgroup is the scope

    def setUp(self):
        super().setUp()
        self.cgroup = f"{self.path(self.slice)}/oci-{self.name}.scope{self.below}"

    def place(self):
        return f"{self.slice}:oci:{self.name}"


class Crun(WithSystemd, SystemdCase):
    runtime = "crun"
    below = "/container"


class Runc(WithSystemd, SystemdCase):
    runtime = "runc"


class PodmanOfRoot(Podman, SystemdCase):
    cgroups = "systemd"
    places = ("root", "runroot", "tmpdir")

    def parent(self):
        return "--cgroup-parent", self.slice
