# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs attach` and `ctlfs detach`: views come into running containers and go, all or none, and
nothing in a container misleads them."""
import os
import signal
import subprocess
import tempfile

import containers
from containers import TREE, VIEWS, Container, attach, attach_cycle, attached, detach, inside
from harness import (CTLFS, Case, Mount, MountCase, environment, outcome, read, root_only,
                     run_ctlfs, run_program, tool, wait_for, write)

MEMORY = {"/proc/meminfo": 128 * 1024}
CPUS = {"/proc/cpuinfo": 1, "/proc/stat": 1, "/sys/devices/system/cpu/online": "0\n"}


class AttachCase(MountCase):
    modes = ("root",)
    granted = "+cpu +memory"

    def setUp(self):
        super().setUp()
        self.mkdir("ctr")
        self.write("ctr/memory.max", "128M")
        self.write("ctr/cpu.max", "100000")

    def container(self, *options, cgroup="ctr", **kwargs):
        container = Container(*options, **kwargs)
        self.addCleanup(container.end)
        if cgroup:
            self.write(cgroup + "/cgroup.procs", str(container.pid))
        return container

    def chroot_to(self, setup):
        """A container whose root directory is as setup makes it in $1."""
        root = tempfile.mkdtemp(prefix="root.")
        return self.container(
            argument=root, setup='mount -t tmpfs tmpfs "$1"; mkdir "$1/bin" "$1/lib" "$1/lib64" '
            '"$1/usr" "$1/real"; for d in bin lib lib64 usr; do mount --bind /$d "$1/$d"; done; '
            f'{setup}; exec chroot "$1" sh -c "echo ready; exec sleep 100000"')

    def attach(self, pid, *options):
        return attach(self, "--mount", self.mount.point, *options, pid)

    def refused(self, pid, pattern, *options, mount=None):
        """One line that matches, and nothing mounted."""
        done = run_ctlfs("attach", "--mount", mount or self.mount.point, *options, pid)
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertRegex(done.err, rf"^ctlfs: attach: [^\n]*{pattern}[^\n]*\n$")


class Cycle(AttachCase):
    """No reader in the container sees an error, ever."""

    def test_namespaces(self):
        container = self.container()
        attach_cycle(self, self.mount, container.pid, {**MEMORY, **CPUS})

    def test_user_namespace(self):
        container = self.container("-U", "-r")
        attach_cycle(self, self.mount, container.pid, {**MEMORY, **CPUS})

    def test_shared_pid_namespace(self):
        container = self.container(pidns=False)
        attach_cycle(self, self.mount, container.pid, {**MEMORY, **CPUS})

    def test_any_process(self):
        """The pid of any process of the container will do."""
        container = self.container(setup="sleep 100000 &")
        others = [int(name) for name in os.listdir("/proc") if name.isdigit() and
                  int(name) != container.pid and
                  outcome(os.stat, f"/proc/{name}/ns/pid") == "OK" and
                  os.stat(f"/proc/{name}/ns/pid").st_ino ==
                  os.stat(f"/proc/{container.pid}/ns/pid").st_ino]
        self.write("ctr/cgroup.procs", str(others[0]))
        self.attach(others[0])
        with inside(container.pid) as agent:
            self.assertEqual(MEMORY, agent.call(containers.look, ["/proc/meminfo"]))
        detach(self, others[0])
        self.assertEqual([], attached(container.pid))

    def test_chroot(self):
        """The root directory of the process counts, not that of its mount namespace."""
        root = tempfile.mkdtemp(prefix="root.")
        container = self.container(
            argument=root, setup='mount --rbind / "$1"; mount -t proc proc "$1/proc"; exec chroot '
            '"$1" sh -c "echo ready; exec sleep 100000"')
        attach_cycle(self, self.mount, container.pid, {**MEMORY, **CPUS}, rounds=1)
        self.attach(container.pid)
        self.assertEqual(list(VIEWS), attached(container.pid))
        detach(self, container.pid)

    def test_tree(self):
        container = self.container()
        with inside(container.pid) as agent:
            self.attach(container.pid, "--tree", "yes")
            self.assertEqual("134217728\n", agent.call(read, TREE + "/memory.max"))
            agent.call(os.mkdir, TREE + "/child")
            self.assertTrue(os.path.isdir(self.at("ctr/child")))
            detach(self, container.pid)
            self.assertEqual("ENOENT", outcome(agent.call, os.stat, TREE + "/memory.max"))
            said = self.attach(container.pid, "--tree", "no")
            self.assertNotIn(TREE, sum((paths for paths in said.values()
                                        if isinstance(paths, list)), []))
            detach(self, container.pid)

    def test_tree_auto(self):
        """Nothing that the container may write is covered; a bare directory is."""
        container = self.container(setup="umount -R /sys; mount -t sysfs sysfs /sys")
        self.assertIn(TREE, self.attach(container.pid)["attached"])
        detach(self, container.pid)
        container = self.container(setup=f"mount -t tmpfs tmpfs {TREE}")
        said = self.attach(container.pid)
        self.assertEqual([TREE], said["left_out"], said)

    def test_text(self):
        container = self.container()
        name = "/" + os.path.relpath(self.at("ctr"), self.mount.cgroup())
        args = ("--mount", self.mount.point, "--tree", "yes", container.pid)
        self.assertEqual(f"attached {len(VIEWS)} views and the tree to {name}\n",
                         run_ctlfs("attach", *args).out)
        self.assertEqual(f"was there already: {len(VIEWS)} views and the tree of {name}\n",
                         run_ctlfs("attach", *args).out)
        self.assertEqual(f"detached {len(VIEWS)} views and the tree\n",
                         run_ctlfs("detach", container.pid).out)
        self.assertEqual("nothing to detach\n", run_ctlfs("detach", container.pid).out)

    def test_missing(self):
        """What has no place is told; a container without any is refused."""
        said = self.attach(self.container(setup="mount -t tmpfs tmpfs /sys").pid)
        below_sys = {path for path in VIEWS if path.startswith("/sys/")}
        self.assertEqual({TREE, *below_sys}, set(said["missing"]))
        self.assertEqual({*VIEWS} - below_sys, set(said["attached"]))
        container = self.chroot_to(":")
        self.refused(container.pid, "neither /proc nor /sys")

    def test_moved(self):
        """A container that has gone to another cgroup gets the views of that."""
        self.mkdir("other")
        self.write("other/memory.max", "64M")
        container = self.container()
        self.attach(container.pid)
        self.write("other/cgroup.procs", str(container.pid))
        self.assertEqual(list(VIEWS), self.attach(container.pid)["refreshed"])
        self.assertEqual(list(VIEWS), attached(container.pid))
        with inside(container.pid) as agent:
            self.assertEqual({"/proc/meminfo": 64 * 1024},
                             agent.call(containers.look, ["/proc/meminfo"]))
        detach(self, container.pid)


class Refusals(AttachCase):
    """All or nothing, and why nothing."""

    def test_processes(self):
        self.refused(os.getpid(), "in no container")
        child = subprocess.Popen(["true"])
        self.addCleanup(child.wait)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.refused(child.pid, f"process {child.pid} has ended")
        child.wait()
        self.refused(child.pid, f"no process {child.pid}")
        done = run_ctlfs("detach", os.getpid())
        self.assertEqual((1, ""), (done.status, done.out), done)
        for operands in ((), ("x",), ("0",), ("-1",), ("1", "2")):
            for command in ("attach", "detach"):
                self.assertEqual(2, run_ctlfs(command, *operands).status, operands)
        self.assertEqual(2, run_ctlfs("attach", "--tree", "maybe", "1").status)

    def test_ended(self):
        container = self.container()
        self.attach(container.pid)
        container.end()
        self.refused(container.pid, "process")

    def test_no_member(self):
        container = self.container(cgroup=None)
        self.refused(container.pid, "in no cgroup of the tree")
        write(self.mount.cgroup("cgroup.procs"), str(container.pid))
        self.refused(container.pid, "(in the root cgroup|in no cgroup of the tree)")
        self.assertEqual([], attached(container.pid))

    def test_not_ctlfs(self):
        container = self.container()
        for path in ("/", self.mount.cgroup(), "/missing"):
            self.refused(container.pid, "(no ctlfs is mounted on|No such file)", mount=path)
        self.assertEqual([], attached(container.pid))

    def test_covered(self):
        """Something is mounted on the last place: nothing is, on the first."""
        container = self.container(setup="mount --bind /proc/version /proc/uptime")
        self.refused(container.pid, "/proc/uptime: something else is mounted there")
        self.assertEqual([], attached(container.pid))
        container = self.container(setup="mount -t tmpfs tmpfs /sys/devices/system/cpu")
        self.refused(container.pid, "/sys/devices/system/cpu: .*tmpfs")
        self.assertEqual([], attached(container.pid))

    def test_links(self):
        """A link does not lead out of the container, nor anywhere else."""
        for target in ("real", "/real", "../../../../../../proc", "real/self/root/real"):
            container = self.chroot_to(f'mount -t proc proc "$1/real"; ln -s {target} "$1/proc"')
            self.refused(container.pid, f"{VIEWS[0]}: a symbolic link")
            self.assertEqual([], attached(container.pid))
        self.assertEqual([], attached("self"))

    def test_plain_files(self):
        container = self.chroot_to('mkdir "$1/proc"; touch "$1/proc/cpuinfo"')
        self.refused(container.pid, "/proc/cpuinfo: lies on tmpfs")
        self.assertEqual([], attached(container.pid))

    def test_file_system_that_hangs(self):
        """A file system in the container that never answers holds nobody up for ever."""
        with Mount("-o", "allow_other") as other:
            container = self.container(pidns=False, argument=other.cgroup(),
                                       setup='mount --bind "$1" /proc')
            other.process.send_signal(signal.SIGSTOP)
            try:
                self.refused(container.pid, "no answer in .* from a file system")
                self.assertEqual(["/proc"], attached(container.pid))
            finally:
                other.process.send_signal(signal.SIGCONT)
            container.end()

    def test_shared_with_the_host(self):
        """What would appear on the host is not mounted at all."""
        script = '''set -e
        mount -t proc proc /proc; mount --make-shared /proc
        unshare -m --propagation unchanged sleep 100000 & pid=$!
        trap "kill $pid" EXIT
        until [ "$(readlink /proc/$pid/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]; do :; done
        echo $pid >"$2"
        status=0
        "$1" attach --mount "$3" $pid || status=$?
        grep fuse.ctlfs /proc/self/mountinfo | grep -c " /proc/" || :
        exit $status'''
        done = run_program([tool("unshare"), "-m", "--propagation", "private", "sh", "-c", script,
                            "sh", CTLFS, self.at("ctr/cgroup.procs"), self.mount.point])
        self.assertEqual((1, "0\n"), (done.status, done.out), done)
        self.assertIn("propagation is shared", done.err)

    def test_no_way_back(self):
        """What the container mounts on what was attached does not appear on the host, even if the
        host shares the mount."""
        self.mkdir("ctr/child")
        container = self.container()
        script = '''set -e
        mount --make-shared "$2"
        "$1" attach --mount "$2" --tree yes "$3" >/dev/null
        nsenter -m -t "$3" mount -t tmpfs tmpfs /sys/fs/cgroup/child
        nsenter -m -t "$3" umount /sys/devices/system/cpu
        grep "$2" /proc/self/mountinfo | grep -c tmpfs || :
        grep -c "$2" /proc/self/mountinfo'''
        done = run_program([tool("unshare"), "-m", "--propagation", "private", "sh", "-c", script,
                            "sh", CTLFS, self.mount.point, str(container.pid)])
        self.assertEqual((0, "0\n1\n"), (done.status, done.out), done)


class Leftovers(AttachCase):
    def test_others_stay(self):
        """A mount on ours stays, with ours below it; the rest goes."""
        container = self.container()
        self.attach(container.pid)
        nsenter = [tool("nsenter"), "-m", "-p", "-t", str(container.pid)]
        run_program([*nsenter, "mount", "--bind", "/proc/version", "/proc/meminfo"])
        self.refused(container.pid, "/proc/meminfo: something else is mounted there")
        done = run_ctlfs("detach", container.pid)
        self.assertEqual((1, f"detached {len(VIEWS) - 1} views\n"), (done.status, done.out), done)
        self.assertRegex(done.err, r"^ctlfs: detach: /proc/meminfo: left: .*proc.*\n$")
        self.assertEqual(["/proc/meminfo"], attached(container.pid))
        with inside(container.pid) as agent:
            self.assertIn("Linux version", agent.call(read, "/proc/meminfo"))
        run_program([*nsenter, "umount", "/proc/meminfo"])
        self.assertEqual(["/proc/meminfo"], detach(self, container.pid)["detached"])

    def test_hidden(self):
        """A new procfs hides ours: it is not touched."""
        container = self.container()
        self.attach(container.pid)
        run_program([tool("nsenter"), "-m", "-p", "-t", str(container.pid), "mount", "-t", "proc",
                     "proc", "/proc"])
        done = run_ctlfs("detach", container.pid)
        hidden = sum(path.startswith("/proc/") for path in VIEWS)
        rest = len(VIEWS) - hidden
        self.assertEqual((1, f"detached {rest} view{'s' * (rest > 1)}\n"),
                         (done.status, done.out), done)
        self.assertEqual(hidden, done.err.count("another mount hides it"), done)

    def test_whole_reason(self):
        """Why a mount stays is told to the end, however long that is."""
        container = self.container()
        self.attach(container.pid)
        subtype = "x" * 200
        with inside(container.pid) as agent:
            agent.call(containers.mount_fuse, "/proc/meminfo", subtype)
            done = run_ctlfs("detach", container.pid)
        self.assertEqual((1, "ctlfs: detach: /proc/meminfo: left: a mount of fuse."
                          f"{subtype} lies on it\n"), (done.status, done.err), done)

    def test_run(self):
        """A container of `ctlfs run` has its views, and keeps them."""
        out = tempfile.NamedTemporaryFile()
        run = subprocess.Popen([CTLFS, "run", "--backend", "emulator", "sh", "-c",
                                "echo ready; exec sleep 100000"], stdout=out, env=environment())
        self.addCleanup(run.wait)
        self.addCleanup(run.terminate)
        wait_for(lambda: read(out.name) == "ready\n", "the command runs")

        def sleeping():
            return [int(name) for name in os.listdir("/proc") if name.isdigit() and
                    outcome(read, f"/proc/{name}/cmdline") == "OK" and
                    read(f"/proc/{name}/cmdline") == "sleep\x00100000\x00" and
                    attached(name)]
        pid, = wait_for(sleeping, "the command sleeps")
        before = attached(pid)
        self.assertEqual("nothing to detach\n", run_ctlfs("detach", pid).out)
        self.write("ctr/cgroup.procs", str(pid))
        self.refused(pid, "something else is mounted there")
        self.assertEqual(before, attached(pid))


class Dead(Case):
    """When the daemon dies its mounts stay, until they are taken out or replaced."""
    modes = ("root",)

    def start(self):
        mount = Mount("-o", "allow_other")
        mount.__enter__()
        self.addCleanup(mount.end)
        write(mount.cgroup("cgroup.subtree_control"), "+memory")
        os.mkdir(mount.cgroup("ctr"))
        write(mount.cgroup("ctr/memory.max"), "128M")
        return mount

    def setUp(self):
        self.container = Container()
        self.addCleanup(self.container.end)
        self.first = self.start()
        self.join(self.first)
        attach(self, "--mount", self.first.point, "--tree", "yes", self.container.pid)

    def join(self, mount):
        write(mount.cgroup("ctr/cgroup.procs"), str(self.container.pid))

    def kill(self):
        self.first.process.send_signal(signal.SIGKILL)
        self.first.process.wait()
        with inside(self.container.pid) as agent:
            self.assertIn(outcome(agent.call, read, "/proc/meminfo"),
                          ("ENOTCONN", "ECONNABORTED"))

    def test_detached(self):
        self.kill()
        done = run_ctlfs("attach", "--mount", self.first.point, self.container.pid)
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertRegex(done.err, r"^ctlfs: attach: .*(dead|not connected).*\n$")
        said = detach(self, self.container.pid)
        self.assertEqual(sorted([*VIEWS, TREE]), sorted(said["detached"]))
        self.assertEqual([], attached(self.container.pid))
        with inside(self.container.pid) as agent:
            agent.call(containers.look, containers.files_of(VIEWS))

    def test_replaced(self):
        """By the next one, the tree too, though it would not be put there today."""
        self.kill()
        second = self.start()
        self.join(second)
        said = attach(self, "--mount", second.point, self.container.pid)
        self.assertEqual(sorted([*VIEWS, TREE]), sorted(said["refreshed"]), said)
        self.assertEqual(sorted([*VIEWS, TREE]), attached(self.container.pid))
        with inside(self.container.pid) as agent:
            self.assertEqual(MEMORY, agent.call(containers.look, ["/proc/meminfo"]))
        detach(self, self.container.pid)

    def test_another(self):
        """One that lives is not pushed aside."""
        second = self.start()
        self.join(second)
        done = run_ctlfs("attach", "--mount", second.point, self.container.pid)
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertIn("another ctlfs that is alive", done.err)
        detach(self, self.container.pid)
        attach(self, "--mount", second.point, self.container.pid)
        detach(self, self.container.pid)


class Unprivileged(Case):
    def test_no_root(self):
        """Who may not mount is told so, before anything else."""
        argv = [CTLFS, "attach", str(os.getpid())]
        if os.geteuid() == 0:
            argv = [tool("setpriv"), "--reuid=65534", "--clear-groups", *argv]
        done = run_program(argv)
        self.assertEqual((1, ""), (done.status, done.out), done)
        self.assertIn("needs root", done.err)

    def test_own_user_namespace(self):
        """Root of a user namespace attaches to the containers in it."""
        mount = tempfile.mkdtemp(prefix="mnt.")
        self.addCleanup(os.rmdir, mount)
        script = '''set -e
        "$1" mount --backend emulator "$2"
        echo +memory >"$2/cgroup/cgroup.subtree_control"
        mkdir "$2/cgroup/ctr"; echo 128M >"$2/cgroup/ctr/memory.max"
        unshare -U -r -m sleep 100000 & pid=$!
        trap "kill $pid" EXIT
        until [ "$(readlink /proc/$pid/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]; do :; done
        echo $pid >"$2/cgroup/ctr/cgroup.procs"
        "$1" attach --mount "$2" $pid >/dev/null
        nsenter -U --preserve-credentials -m -t $pid grep MemTotal /proc/meminfo
        "$1" detach $pid
        umount "$2"'''
        done = run_program([tool("unshare"), "-U", "-r", "-m", "sh", "-c", script, "sh", CTLFS,
                            mount])
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.out, rf"^MemTotal: +131072 kB\ndetached {len(VIEWS)} views\n$")


class Links(MountCase):
    """view/pid-PID: whose views a process sees."""
    granted = "+memory"

    def test_link(self):
        self.mkdir("x")
        agent = containers.Agent()
        self.addCleanup(agent.end)
        link = self.mount.path("view", f"pid-{agent.pid}")
        self.check("ENOENT", os.readlink, link)
        self.write("x/memory.max", "64M")
        self.write("x/cgroup.procs", str(agent.pid))
        self.assertEqual(str(os.stat(self.at("x")).st_ino), os.readlink(link))
        self.assertEqual(64 * 1024, containers.look([link + "/proc/meminfo"])
                         [link + "/proc/meminfo"])
        for name in ("pid-0", "pid-", "pid-x", "pid-1x", "pid-4194305", "pid-99999999999999999999"):
            self.check("ENOENT", os.readlink, self.mount.path("view", name))
        pid = agent.pid
        agent.end()
        self.check("ENOENT", os.readlink, self.mount.path("view", f"pid-{pid}"))

    @root_only
    def test_number_of_the_reader(self):
        """The number is that of the reader's pid namespace."""
        self.mkdir("x")
        agent = containers.Agent(pidns=True)
        self.addCleanup(agent.end)
        self.write("x/cgroup.procs", str(agent.pid))
        want = str(os.stat(self.at("x")).st_ino)
        self.assertEqual(want, agent.call(os.readlink, self.mount.path("view/pid-1")))
        self.assertEqual("ENOENT", outcome(agent.call, os.readlink,
                                           self.mount.path("view", f"pid-{os.getpid()}")))
