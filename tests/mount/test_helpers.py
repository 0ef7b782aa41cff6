# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lies in mount-helpers: mount.ctlfs under mount(8) and fstab, the unit of systemd and what
the daemon tells a service manager, the hook's file for Podman and CRI-O, LXC's snippet."""
import json
import os
import re
import signal
import socket
import tempfile
from pathlib import Path

from harness import (CTLFS, DEADLINE, REPO, Case, Mount, environment, extra_mark, is_mounted,
                     marked, read, run_ctlfs, run_program, tool, wait_for)

HELPERS = REPO / "mount-helpers"
# $1: where the helper is found by mount(8), $2: the fstab. All of it in a mount namespace.
PREPARE = '''set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
cp "$3" "$1/mount.ctlfs"; ln -s mount.ctlfs "$1/mount.fuse.ctlfs"
mount --bind "$2" /etc/fstab
mount --bind "${5%/*}" /usr/local/bin # mount(8) has a PATH of its own
'''


def filled(name, **more):
    """A template as `make install` fills it in."""
    text = (HELPERS / name).read_text()
    for key, value in {"BINDIR": os.path.dirname(CTLFS), "LXCDIR": "/usr/share/lxc/config",
                       **more}.items():
        text = text.replace(f"@{key}@", value)
    return text


class Fstab(Case):
    modes = ("root",)

    def setUp(self):
        self.point = tempfile.mkdtemp(prefix="point.")
        self.fstab = tempfile.NamedTemporaryFile("w", prefix="fstab.")
        self.addCleanup(self.fstab.close)

    def mount(self, options, script, kind="ctlfs", user=None):
        print("ctlfs", self.point, kind, options, "0 0", file=self.fstab, flush=True)
        if user:
            os.chown(self.point, user, user)
            os.chmod(self.fstab.name, 0o644)
        return run_program([tool("unshare"), "-m", "sh", "-c", PREPARE + script, "sh",
                            os.path.realpath("/sbin"), self.fstab.name,
                            str(HELPERS / "mount.ctlfs"), self.point, CTLFS])

    def ended(self, mark):
        wait_for(lambda: not marked(mark), "the daemon's end")

    def test_options(self):
        """Those of mount(8), of fstab, of systemd, and our own."""
        script = ('mount "$4"; cat "$4/ctl/stats"; grep " $4 " /proc/self/mountinfo; umount "$4"; '
                  '! grep " $4 " /proc/self/mountinfo')
        for options in ("defaults", "noauto,nofail,_netdev", "user,noauto", "users,rw,nosuid",
                        "x-systemd.automount,x-systemd.requires=a.service,x-systemd.idle-timeout=1",
                        "x-gvfs-hide,X-mount.mkdir,comment=anything,noatime,nodev,noexec",
                        "auto,allow_other,owner,nodiratime,sync"):
            for kind in ("ctlfs", "fuse.ctlfs"):
                with self.subTest(options=options, kind=kind), extra_mark("f") as mark:
                    self.fstab.seek(0)
                    self.fstab.truncate()
                    done = self.mount(options + ",backend=emulator,threads=3", script, kind)
                    self.assertEqual((0, ""), (done.status, done.err), done)
                    self.assertRegex(done.out, r"(?m)^threads 3$")
                    self.assertRegex(done.out, r" - fuse\.ctlfs ctlfs ")
                    self.ended(mark)

    def test_read_only(self):
        with extra_mark("r") as mark:
            done = self.mount("ro,backend=emulator",
                              'mount "$4"; mkdir "$4/cgroup/a" || umount "$4"')
            self.assertIn("Read-only file system", done.err)
            self.ended(mark)

    def test_all(self):
        """mount -a takes what is not noauto; a failure of what is nofail is told, no more."""
        script = 'mount -a; grep -c " $4 " /proc/self/mountinfo; umount "$4"'
        with extra_mark("a") as mark:
            done = self.mount("defaults,nofail,backend=emulator", script)
            self.assertEqual((0, "1\n"), (done.status, done.out), done)
            self.ended(mark)
        self.fstab.truncate(0)
        done = self.mount("noauto,backend=emulator", 'mount -a; grep " $4 " /proc/self/mountinfo')
        self.assertEqual((1, ""), (done.status, done.out), done)

    def test_wrong_option(self):
        done = self.mount("defaults,bogus", 'mount "$4"')
        self.assertNotIn(done.status, (0, "timed out"))
        self.assertIn("unknown option 'bogus'", done.err)

    def test_user(self):
        """The option user: whoever it is mounts, and unmounts, as himself."""
        script = ('mknod -m 666 "$1/fuse" c 10 229; mount --bind "$1/fuse" /dev/fuse; cd /; '
                  'as="setpriv --reuid 65534 --regid 65534 --clear-groups"; '
                  '$as mount "$4"; $as cat "$4/ctl/stats"; grep " $4 " /proc/self/mountinfo; '
                  '$as umount "$4"; ! grep " $4 " /proc/self/mountinfo')
        with extra_mark("u") as mark:
            done = self.mount("user,noauto,backend=emulator", script, user=65534)
            self.assertEqual((0, ""), (done.status, done.err), done)
            self.assertIn("user_id=65534", done.out)
            self.ended(mark)


class Notify(Case):
    """The protocol of sd_notify(3)."""

    def listen(self, address):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(address)
        sock.settimeout(DEADLINE)
        return sock

    def test_states(self):
        directory = tempfile.mkdtemp(prefix="notify.")
        for name, address in ((directory + "/socket",) * 2, ("@" + directory, "\0" + directory)):
            sock = self.listen(address)
            with Mount(env=environment(NOTIFY_SOCKET=name)) as mount:
                self.assertEqual(b"READY=1", sock.recv(100))
                self.assertIn("MemTotal", read(mount.path("proc/meminfo")))
                mount.process.send_signal(signal.SIGTERM)
                self.assertEqual(b"STOPPING=1", sock.recv(100))
                self.assertEqual(0, mount.process.wait(DEADLINE))

    def test_nobody(self):
        """Told, no more."""
        for name in ("/nowhere/socket", "relative", "/" + "x" * 200):
            with Mount(env=environment(NOTIFY_SOCKET=name)) as mount:
                wait_for(lambda: "NOTIFY_SOCKET" in mount.stderr(), "the message")
                self.assertIn("MemTotal", read(mount.path("proc/meminfo")))

    def test_not_of_a_daemon(self):
        """What forks is not the process that the manager knows."""
        directory, point = tempfile.mkdtemp(prefix="n."), tempfile.mkdtemp(prefix="point.")
        sock = self.listen(directory + "/socket")
        with extra_mark("d") as mark:
            done = run_ctlfs("mount", "--backend", "emulator", point,
                             env=environment(NOTIFY_SOCKET=directory + "/socket"))
        self.assertEqual(0, done.status, done)
        os.kill(marked(mark)[0], signal.SIGTERM)
        wait_for(lambda: not marked(mark), "the daemon's end")
        self.assertFalse(is_mounted(point))
        sock.setblocking(False)
        self.assertRaises(BlockingIOError, sock.recv, 100)


class Unit(Case):
    """ctlfs.service, by systemd's own judgement."""
    modes = ("root",)

    def setUp(self):
        self.unit = tempfile.mkdtemp(prefix="unit.") + "/ctlfs.service"
        Path(self.unit).write_text(filled("ctlfs.service.in"))

    def analyze(self, *args):
        return run_program([tool("systemd-analyze"), *args, self.unit])

    def test_verify(self):
        done = self.analyze("verify", "--man=no", "--recursive-errors=no")
        self.assertEqual((0, ""), (done.status, done.err), done)

    def test_security(self):
        done = self.analyze("security", "--offline=true", "--no-pager", "--threshold=45")
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.out, r"Overall exposure level for ctlfs\.service: [0-4]\.\d")

    def test_seen(self):
        """Nothing that would give the daemon mounts of its own, forbid openat2(), or stumble
        over a dead mount."""
        text = re.sub(r"(?m)^#.*$", "", read(self.unit))
        for name in ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices",
                     "PrivateMounts", "ProtectProc", "ProcSubset", "ProtectKernel",
                     "ProtectControlGroups",
                     "MountFlags", "ReadOnlyPaths", "InaccessiblePaths", "BindPaths",
                     "TemporaryFileSystem", "RootDirectory", "DynamicUser",
                     "RestrictSUIDSGID", "RuntimeDirectory"):
            self.assertNotIn(name, text)


class Snippets(Case):
    def test_oci_hook(self):
        """oci-hooks(5): version, hook, when, stages."""
        config = json.loads(filled("oci-hook.json.in"))
        self.assertEqual({"version", "hook", "when", "stages"}, set(config))
        self.assertEqual(("1.0.0", ["createRuntime"]), (config["version"], config["stages"]))
        hook = config["hook"]
        self.assertTrue(os.access(hook["path"], os.X_OK), hook)
        done = run_program([hook["path"], *hook["args"][1:], "--help"])
        self.assertEqual(0, done.status, done)
        (key, value), = config["when"]["annotations"].items()
        self.assertTrue(re.search(key, "ctlfs") and not re.search(key, "ctlfs.other"))
        for wish, wanted in (("views", True), ("tree", True), ("off", False)):
            self.assertEqual(wanted, bool(re.search(value, wish)))

    def test_lxc(self):
        lines = [line for line in filled("lxc.conf.in").splitlines() if line[0] != "#"]
        self.assertEqual([f"lxc.hook.mount = {CTLFS} lxc-hook"], lines)

    def test_install(self):
        """`make install` puts them where they are looked for."""
        root = tempfile.mkdtemp(prefix="install.")
        build = os.path.relpath(os.path.dirname(CTLFS), REPO)
        done = run_program([tool("make"), "-C", str(REPO), f"BUILD={build}", "PREFIX=/usr",
                            f"DESTDIR={root}", "-o", "all", "install"], timeout=4 * DEADLINE)
        self.assertEqual(0, done.status, done)
        for name in ("usr/bin/ctlfs", "usr/sbin/mount.ctlfs", "usr/share/lxc/config/ctlfs.conf",
                     "usr/lib/systemd/system/ctlfs.service",
                     "usr/share/containers/oci/hooks.d/ctlfs.json"):
            self.assertTrue(os.path.isfile(os.path.join(root, name)), name)
        for directory, _, names in os.walk(root):
            for name in names:
                if name.endswith((".conf", ".json", ".service", ".pc")):
                    text = Path(directory, name).read_text()
                    self.assertIn("/usr/lib" if name.endswith(".pc") else "/usr/bin/ctlfs ",
                                  text.replace('"', " "))
                    self.assertNotRegex(text, r"@[A-Z]+@")
