# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs binds`: what it prints is what the runtimes' own syntax says, for every view there is."""
import json
import os
import re
import tempfile

from containers import VIEWS
from harness import Case, Mount, root_only, run_ctlfs, run_program, tool

MNT = "/run/ctlfs"
NSPAWN_INSIDE = ("/proc", "/sys/devices/system")


def binds(*args, mount=MNT):
    return run_ctlfs("binds", "--mount", mount, *args)


def volumes(text):
    """-v SOURCE:TARGET:MODE of docker and podman."""
    return [tuple(re.fullmatch(r"-v ([^:]+):([^:]+):(ro|rw)", line).groups())
            for line in text.splitlines()]


def oci(text):
    found = []
    for mount in json.loads(text):
        assert mount["type"] == "bind" and "bind" in mount["options"], mount
        mode, = {"ro", "rw"} & set(mount["options"])
        found.append((mount["source"], mount["destination"], mode))
    return found


def lxc(text):
    """getmntent(3) after the key; the target is relative to the root."""
    found = []
    for line in text.splitlines():
        key, _, value = line.partition(" = ")
        source, target, kind, options, *numbers = value.split(" ")
        assert (key, kind, numbers) == ("lxc.mount.entry", "none", ["0", "0"]), line
        options = options.split(",")
        assert options[0] == "bind" and "optional" not in options, line
        source = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), source)
        found.append((source, "/" + target, options[1]))
    return found


def bwrap(text):
    found = []
    for line in text.splitlines():
        option, source, target = line.split(" ")
        found.append((source, target, {"--bind": "rw", "--ro-bind": "ro"}[option]))
    return found


def nspawn(text):
    modes = {"--bind": "rw", "--bind-ro": "ro", "Bind": "rw", "BindReadOnly": "ro"}
    found = []
    for line in text.removeprefix("[Files]\n").splitlines():
        key, source, target = re.fullmatch(r"([-\w]+)=([^:]+):([^:]+)", line).groups()
        found.append((source, target.removeprefix("/proc/self/root"), modes[key]))
    return found


def mode_of(target):
    return "rw" if target in ("/sys/fs/cgroup", "/proc/pressure") else "ro"


def paths(text):
    found = []
    for line in text.splitlines():
        source, _, target = line.rpartition(" ")
        found.append((source, target, mode_of(target)))
    return found


PARSERS = {"docker": volumes, "podman": volumes, "oci": oci, "lxc": lxc, "bwrap": bwrap,
           "nspawn": nspawn, "nspawn-file": nspawn, "paths": paths}


# Where runc lets nobody mount anything.
REFUSED = {path for path in VIEWS if path.startswith("/proc/") and os.path.basename(path) not in (
    "cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime")}


def left_out(name):
    """Of a format's views, and what is said of them."""
    paths = sorted(REFUSED) if name in ("docker", "oci") else []
    return paths, "".join(f"ctlfs: binds: {path} is left out: runc refuses mounts there "
                          "(--all: with it)\n" for path in paths)


class Formats(Case):
    def test_views(self):
        for name, parse in PARSERS.items():
            for options, prefix in (((), MNT), (("--view", "77"), MNT + "/view/77")):
                with self.subTest(format=name, options=options):
                    done = binds("--format", name, *options)
                    left, said = left_out(name)
                    self.assertEqual((0, said), (done.status, done.err), done)
                    found = parse(done.out)
                    if name.startswith("nspawn"):
                        # It binds these from within the container.
                        for directory in NSPAWN_INSIDE:
                            found.remove((prefix + directory, prefix + directory, "ro"))
                    self.assertEqual(sorted((prefix + path, path, mode_of(path))
                                            for path in VIEWS if path not in left),
                                     sorted(found))

    def test_tree(self):
        for name, parse in PARSERS.items():
            for cgroup, source in (("/a/b.slice", "/cgroup/a/b.slice"), ("/", "/cgroup")):
                found = parse(binds("--format", name, "--cgroup", cgroup).out)
                self.assertIn((MNT + source, "/sys/fs/cgroup", "rw"), found)
                self.assertEqual(len(VIEWS) - len(left_out(name)[0]) + 1 + len(NSPAWN_INSIDE) *
                                 name.startswith("nspawn"), len(found))

    def test_odd_paths(self):
        """As they are, or not at all."""
        odd = '/mnt/a b\\c"\u20ac#'
        for name, parse in PARSERS.items():
            with self.subTest(format=name):
                done = binds("--format", name, mount=odd)
                if name in ("oci", "lxc", "paths"):
                    self.assertEqual((0, left_out(name)[1]), (done.status, done.err), done)
                    self.assertIn((odd + "/proc/stat", "/proc/stat", "ro"), parse(done.out))
                else:
                    self.assertEqual((1, ""), (done.status, done.out), done)
                    self.assertIn(f"format {name} cannot express", done.err)
        for name, mount in (("lxc", "/mnt/a\nb"), ("paths", "/a\nb"), ("docker", "/a:b"),
                            ("docker", "/a*"), ("nspawn", "/a:b"), ("oci", "/a\udcff")):
            done = binds("--format", name, mount=mount)
            self.assertEqual((1, ""), (done.status, done.out), (name, mount, done))

    def test_wrong_options(self):
        for args, pattern in ((("--format", "k8s"), "docker, podman"), (("--view", "0"), "stat -c"),
                              (("--view", "a"), "stat -c"), (("x",), "one argument too many")):
            done = binds(*args)
            self.assertEqual((2, ""), (done.status, done.out), done)
            self.assertRegex(done.err, pattern)
        for path in ("a", "/a/../b", "/..", "/a//b", "/a/", "/./a", "../a"):
            done = binds("--cgroup", path)
            self.assertEqual((1, ""), (done.status, done.out), done)
            self.assertIn("--cgroup", done.err)
        self.assertEqual(1, binds(mount="relative").status)

    def test_the_mount(self):
        """Without --mount: $CTLFS_MOUNT, or the only one there is."""
        done = run_ctlfs("binds", env={**os.environ, "CTLFS_MOUNT": "/mnt/x"})
        self.assertIn(("/mnt/x/proc/stat", "/proc/stat", "ro"), paths(done.out))


class Bound(Case):
    @root_only
    def test_fstab(self):
        """mount(8) takes LXC's lines as they are: all have a source and a place."""
        with Mount() as mount, tempfile.NamedTemporaryFile("w", prefix="fstab.") as fstab:
            done = binds("--format", "lxc", "--cgroup", "/", mount=mount.point)
            root = tempfile.mkdtemp(prefix="root.")
            for line in done.out.splitlines():
                source, target, *rest = line.split(" = ")[1].split(" ")
                print(source, f"{root}/{target}", *rest, file=fstab, flush=True)
            script = ('mount -t tmpfs tmpfs "$1"; mkdir "$1/proc" "$1/sys"; mount -t proc proc '
                      '"$1/proc"; mount -t sysfs sysfs "$1/sys"; mount -a -T "$2" && '
                      'cat "$1/sys/fs/cgroup/cgroup.max.depth" "$1/sys/devices/system/cpu/online" '
                      '&& cat "$1/proc/self/mountinfo"')
            done = run_program([tool("unshare"), "-m", "sh", "-c", script, "sh", root, fstab.name])
            self.assertEqual((0, ""), (done.status, done.err), done)
            self.assertTrue(done.out.startswith("max\n0"), done.out)
            self.assertEqual(len(VIEWS) + 1, len(re.findall(
                r"^\S+ \S+ \S+ \S+ " + re.escape(root) + r"/\S+ .* - fuse\.ctlfs", done.out,
                re.M)), done.out)
