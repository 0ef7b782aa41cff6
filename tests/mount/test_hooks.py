# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs oci-hook` and `ctlfs lxc-hook`: views in a container that is being made: its mounts lie
below a root directory in which anything may be, and its root has not yet been changed."""
import json
import os
import tempfile
from pathlib import Path

from agents import Agent
from containers import TREE, VIEWS, attached, enter, files_of, look
from harness import CTLFS, read, run_ctlfs, run_program, tool, write
from test_attach import AttachCase

MOUNTS = '''mount -t tmpfs tmpfs "$1/rootfs"; cd "$1/rootfs"; mkdir proc sys
    mount -t proc proc proc; mount -t sysfs sysfs sys'''
IN_CGROUP = 'echo 0 >"$1"; shift; exec "$@"'


class HookCase(AttachCase):
    def setUp(self):
        super().setUp()
        self.bundle = tempfile.mkdtemp(prefix="bundle.")
        self.root = self.bundle + "/rootfs"
        os.mkdir(self.root)
        self.configure()

    def configure(self, **config):
        Path(self.bundle, "config.json").write_text(json.dumps({"root": {"path": "rootfs"},
                                                                **config}))

    def container(self, *options, setup=MOUNTS, **kwargs):
        return super().container(*options, setup=setup, argument=self.bundle, **kwargs)

    def state(self, pid, wish=None, **more):
        annotations = {"ctlfs": wish} if wish else {}
        return json.dumps({"ociVersion": "1.0.2", "id": "x", "status": "creating", "pid": pid,
                           "bundle": self.bundle, "annotations": annotations, **more})

    def oci(self, state, *options):
        return run_ctlfs("oci-hook", "--mount", self.mount.point, *options, stdin=state)

    def within(self, container, *argv, userns=False, **kwargs):
        """Runs ctlfs in the container's namespaces and cgroup."""
        return run_program(
            ["sh", "-c", IN_CGROUP, "sh", self.at("ctr/cgroup.procs"), tool("nsenter"), "-t",
             str(container.pid), "-m", "-p", *(["-U"] if userns else []), "--", CTLFS, *argv],
            **kwargs)

    def places(self, *more):
        return sorted(self.root + place for place in (*VIEWS, *more))

    def check_views(self, container, tree=False):
        """The binds, and what is read there."""
        self.assertEqual(self.places(*([TREE] if tree else [])), attached(container.pid))
        agent = Agent()
        self.addCleanup(agent.end)
        agent.call(enter, container.pid)
        texts = agent.call(look, [self.root + path for path in files_of(VIEWS)])
        self.assertEqual(128 * 1024, texts[self.root + "/proc/meminfo"])
        self.assertEqual(1, texts[self.root + "/proc/stat"])
        self.assertEqual("0\n", texts[self.root + "/sys/devices/system/cpu/online"])
        if tree:
            self.assertEqual("134217728\n", agent.call(read, self.root + TREE + "/memory.max"))

    def check_done(self, done):
        self.assertEqual((0, "", ""), (done.status, done.out, done.err), done)

    def check_refused(self, done, pattern, container=None):
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertRegex(done.err, rf"^ctlfs: \w+-hook: [^\n]*{pattern}[^\n]*\n$")
        if container:
            self.assertEqual([], attached(container.pid))


class Oci(HookCase):
    def test_create_runtime(self):
        for options in ((), ("-U", "-r", "-n")):
            container = self.container(*options)
            for _ in range(2):  # again is no harm
                self.check_done(self.oci(self.state(container.pid)))
                self.check_views(container)
            container.end()

    def test_create_container(self):
        """The state's pid is what the runtime likes."""
        for options, pid in (((), 1), (("-U", "-r", "-n"), 0)):
            container = self.container(*options)
            self.check_done(self.within(container, "oci-hook", "--mount", self.mount.point,
                                        "--stage", "createContainer", stdin=self.state(pid),
                                        userns=bool(options)))
            self.check_views(container)
            container.end()

    def test_tree(self):
        container = self.container()
        self.check_refused(self.oci(self.state(container.pid, "tree")), "not allowed", container)
        self.check_done(self.oci(self.state(container.pid, "tree"), "--tree"))
        self.check_views(container, tree=True)

    def test_absolute_root(self):
        self.configure(root={"path": self.root})
        container = self.container()
        self.check_done(self.oci(self.state(container.pid, "views")))
        self.check_views(container)

    def test_off(self):
        container = self.container()
        self.check_done(self.oci(self.state(container.pid, "off")))
        self.assertEqual([], attached(container.pid))

    def test_wrong_states(self):
        container = self.container()
        pid = container.pid
        for state, pattern in (
                ("", "line"), ("[]", "not a JSON object"), ("{", "line 1"),
                ('{"pid": 1, "pid": 2}', "duplicate"),
                (self.state(pid, "yes"), "views, tree or off"),
                (self.state(pid, annotations={"ctlfs": 7}), "views, tree or off"),
                (self.state(-1), "not a process"), (self.state("1"), "not a process"),
                (self.state(1 << 40), "not a process"), (self.state(0), "no pid"),
                (self.state(pid, bundle="relative"), "absolute path of a bundle"),
                (self.state(pid, bundle="/nowhere"), "/nowhere/config.json"),
                (" " * (2 << 20), "too long"), ("[" * 100000, "line 1")):
            with self.subTest(state=state[:60]):
                self.check_refused(self.oci(state), pattern, container)
        for config in ({"root": {}}, {"root": {"path": 1}}, {"root": {"path": ""}}, {"root": []}):
            self.configure(**config)
            self.check_refused(self.oci(self.state(pid)), r"root\.path", container)

    def test_no_container(self):
        """Never over the machine's own files."""
        agent = Agent()
        self.addCleanup(agent.end)
        self.write("ctr/cgroup.procs", str(agent.pid))
        before = attached("self")
        self.check_refused(self.oci(self.state(agent.pid)), "in no container")
        self.configure(root={"path": "/"})
        container = self.container()
        self.check_refused(self.oci(self.state(container.pid)), "no root directory", container)
        self.assertEqual(before, attached("self"))

    def test_no_member(self):
        """Who is in no cgroup of the tree would see the machine."""
        container = self.container()
        write(self.mount.cgroup("cgroup.procs"), str(container.pid))
        self.check_refused(self.oci(self.state(container.pid)), "root cgroup", container)

    def test_not_mounted(self):
        container = self.container()
        done = run_ctlfs("oci-hook", "--mount", self.bundle, stdin=self.state(container.pid))
        self.check_refused(done, "no ctlfs is mounted", container)


class Hostile(HookCase):
    """What lies in the root directory leads nowhere else."""

    def setUp(self):
        super().setUp()
        self.outside = tempfile.mkdtemp(prefix="outside.")

    def refuse(self, setup, pattern):
        container = self.container(setup='mount -t tmpfs tmpfs "$1/rootfs"; cd "$1/rootfs"; ' +
                                   setup.replace("OUTSIDE", self.outside))
        self.check_refused(self.oci(self.state(container.pid, "tree"), "--tree"), pattern,
                           container)
        done = self.within(container, "lxc-hook", "--mount", self.mount.point, "--tree",
                           env={**os.environ, "LXC_ROOTFS_MOUNT": self.root})
        self.check_refused(done, pattern, container)

    def test_links(self):
        sysfs = "mkdir proc; mount -t proc proc proc; "
        for setup in ("ln -s /proc proc; mkdir sys; mount -t sysfs sysfs sys",
                      "ln -s OUTSIDE proc", "ln -s ../../../proc proc",
                      "ln -s /proc/self/root/proc proc", sysfs + "ln -s /sys sys",
                      sysfs + "mkdir -p sys/fs; ln -s OUTSIDE sys/fs/cgroup",
                      sysfs + "mkdir sys; ln -s OUTSIDE sys/fs"):
            with self.subTest(setup=setup):
                self.refuse(setup, "symbolic link")
        self.assertEqual([], os.listdir(self.outside))

    def test_no_procfs(self):
        """Files that are only called so."""
        self.refuse("mkdir proc sys; mount -t sysfs sysfs sys; echo x >proc/meminfo", "lies on")
        self.refuse("mkdir proc sys", "neither /proc nor /sys")

    def test_shared(self):
        """Where the bind would be seen on the host, too: a /proc that is the host's."""
        shared = tempfile.mkdtemp(prefix="shared.")
        script = ('mount -t proc proc "$1"; mount --make-shared "$1"')
        self.assertEqual(0, run_program(["sh", "-c", script, "sh", shared]).status)
        self.addCleanup(run_program, ["umount", "-l", shared])
        container = self.container("--propagation", "unchanged", setup=(
            f'cd "$1/rootfs"; mkdir proc; mount --bind {shared} proc'), pidns=False)
        self.addCleanup(run_program, ["umount", "-l", self.root + "/proc"])
        done = self.oci(self.state(container.pid))
        self.check_refused(done, "propagation is shared", container)


class Lxc(HookCase):
    def hook(self, container, *options, root=None, **kwargs):
        env = {**os.environ, "LXC_ROOTFS_MOUNT": self.root if root is None else root}
        return self.within(container, "lxc-hook", "--mount", self.mount.point, *options, env=env,
                           **kwargs)

    def test_hook(self):
        for options in ((), ("-U", "-r", "-n")):
            container = self.container(*options)
            # As LXC calls it: with name, section and type.
            self.check_done(self.hook(container, "c1", "lxc", "mount", userns=bool(options)))
            self.check_views(container)
            container.end()

    def test_tree(self):
        container = self.container()
        self.check_done(self.hook(container, "--tree"))
        self.check_views(container, tree=True)

    def test_wrong_roots(self):
        container = self.container()
        for root, pattern in (("", "LXC_ROOTFS_MOUNT"), ("/", "no root directory"),
                              (self.bundle + "/none", "none")):
            self.check_refused(self.hook(container, root=root), pattern, container)
