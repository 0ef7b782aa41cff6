# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests under systemd share: ctlfs as its service, and a slice for each test."""
import os
from pathlib import Path

from harness import Case, Mount, is_mounted, run_program, tool
from kernel_backend import CGROUPS
from runtimes import MEMORY, SEEN, USED, Containers
from test_helpers import filled

UNIT = Path("/run/systemd/system/ctlfs.service")
# What a process sees of its limits: $1 is a mount, or a view of it.
LOOK = """grep -E '^(MemTotal|SwapTotal):' "$1/proc/meminfo"
echo "CPUs: $(grep -c ^processor "$1/proc/cpuinfo")"
echo "online: $(cat "$1/sys/devices/system/cpu/online")\""""
# As process 1 of a container that has no more than that of one.
IN_PIDNS = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def run_checked(*argv, **kwargs):
    done = run_program([tool(argv[0]), *map(str, argv[1:])], **kwargs)
    if done.status != 0:
        raise AssertionError(f"{argv}: {done}")
    return done.out


class Service(Mount):
    """The mount of ctlfs.service, as it is installed."""

    def __init__(self, point):
        super().__init__(point=point)

    def __enter__(self):
        UNIT.write_text(filled("ctlfs.service.in"))
        run_checked("systemctl", "daemon-reload")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        run_checked("systemctl", "start", "ctlfs")

    def stop(self):
        run_checked("systemctl", "stop", "ctlfs")
        if is_mounted(self.point):
            raise AssertionError("still mounted")


class SystemdCase(Containers, Case):
    """self.slice is the test's, self.real its cgroup."""
    modes = ("systemd",)
    manager = ()  # options of systemctl and systemd-run

    @classmethod
    def setUpClass(cls):
        cls.keep_mount()
        # As in RuntimeCase.
        run_checked("systemctl", "set-property", "--runtime", "limited.slice", "CPUQuota=100%")
        run_checked("systemctl", "start", "limited.slice")
        cls.mount = cls.enterClassContext(Service(cls.mount_point))

    def setUp(self):
        super().setUp()
        self.slice = self.name + ".slice"
        self.systemctl("start", self.slice)
        self.addCleanup(self.systemctl, "stop", self.slice)
        self.real = CGROUPS + self.path(self.slice)

    def real_at(self, *parts):
        return os.path.join(self.real, *parts)

    def as_user(self, *argv):
        return [tool(argv[0]), *map(str, argv[1:])]

    def systemctl(self, *argv):
        return run_checked(*self.as_user("systemctl", *self.manager, *argv))

    def show(self, unit, what):
        return self.systemctl("show", "--value", "-p", what, unit).strip()

    def path(self, unit):
        """Of a unit's cgroup in the tree."""
        return self.show(unit, "ControlGroup")

    def unit(self, kind, *argv, wait=True, **properties):
        """The name of a unit of the test's, and the command that runs argv as it, with our output
        or in the background. systemd replaces variables in the words of services."""
        if kind == "service":
            argv = [str(word).replace("$", "$$") for word in argv]
        options = {"scope": ["--scope"], "service": ["--pipe", "--wait"] if wait else []}[kind]
        properties = {"Slice": self.slice, **properties}
        name = f"{self.name}-u.{kind}"
        return name, self.as_user(
            "systemd-run", *self.manager, "--quiet", "--collect", *options, "--unit", name,
            *[f"-p{key}={value}" for key, value in properties.items()], "--", *argv)

    def looker(self):
        return "sh", "-c", LOOK, "sh", self.mount.point

    def look(self, *command):
        """What LOOK says when a command runs it."""
        said = run_checked(*command)
        return {key: value.strip() for key, value in
                (line.split(":") for line in said.splitlines())}

    def sees(self, want, kind, *before, **properties):
        """Of a unit with these limits."""
        _, command = self.unit(kind, *before, *self.looker(), **properties)
        got = self.look(*command)
        self.assertEqual(want, {key: got[key] for key in want}, (kind, properties))

    def check_delegated(self, other, *places, **properties):
        """What comes of it when a service uses its own cgroup, in each of the places where the
        test's slice is seen."""
        for place in places:
            with self.subTest(place=place):
                name, _ = self.unit("service")
                _, command = self.unit("service", *self.program(), os.path.join(place, name),
                                          Delegate="yes", MemoryMax=MEMORY, **properties)
                started = self.start(*command)
                report = {key: value for key, value in started.report().items() if key not in SEEN}
                self.assertEqual({**USED, **other}, report)
                self.systemctl("stop", name)
                started.process.wait()

    def places(self):
        """Where the test's slice is: without us, and by us."""
        return self.real, self.mount.cgroup(os.path.relpath(self.real, CGROUPS))
