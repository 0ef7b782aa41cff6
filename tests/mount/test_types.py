# SPDX-License-Identifier: LGPL-2.1-or-later
"""cgroup.subtree_control, cgroup.type and the limits of the hierarchy, with real processes. The
order of the steps and their results are those of Linux 6.12; memory stands for the controllers of
domains, pids for those that may be threaded."""
from script import ScriptCase


class SubtreeControl(ScriptCase):
    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b", "a/b/c")

    def test_grants(self):
        """Top down when enabling, bottom up when disabling."""
        self.run_steps(r"""
            read cgroup.controllers "memory pids\n"
            read a/cgroup.controllers ""
            write a/cgroup.subtree_control +memory ENOENT
            write cgroup.subtree_control +memory OK
            write cgroup.subtree_control +memory OK
            read a/cgroup.controllers "memory\n"
            write a/cgroup.subtree_control +memory OK
            write cgroup.subtree_control -memory EBUSY
            write a/cgroup.subtree_control -memory OK
            write a/cgroup.subtree_control -memory OK
            write a/b/cgroup.subtree_control +memory ENOENT
            write a/cgroup.subtree_control +memory OK
            write a/b/cgroup.subtree_control +memory OK
            write a/cgroup.subtree_control -memory EBUSY
            write a/b/cgroup.subtree_control -memory OK
            write a/cgroup.subtree_control -memory OK
        """)

    def test_parsing(self):
        """All of a line or nothing of it."""
        self.run_steps(r"""
            write cgroup.subtree_control '+memory -memory' OK
            read cgroup.subtree_control ""
            write cgroup.subtree_control '-memory +memory' OK
            read cgroup.subtree_control "memory\n"
            write cgroup.subtree_control '+pids +bogus' EINVAL
            write cgroup.subtree_control '+pids +cpuset' ENOENT
            write cgroup.subtree_control '+pids +perf_event' ENOENT
            write cgroup.subtree_control '+pids\t-memory' EINVAL
            write cgroup.subtree_control '+pids,-memory' EINVAL
            write cgroup.subtree_control 'pids' EINVAL
            read cgroup.subtree_control "memory\n"
            write cgroup.subtree_control '+pids\n' OK
            read cgroup.subtree_control "memory pids\n"
            write cgroup.subtree_control '  -memory   -pids ' OK
            write cgroup.subtree_control '\n' OK
            read cgroup.subtree_control ""
        """)

    def test_no_internal_processes(self):
        self.run_steps(r"""
            write cgroup.subtree_control +memory OK
            move P a OK
            write a/cgroup.subtree_control +memory EBUSY
            read a/cgroup.subtree_control ""
            move P a/b OK
            write a/cgroup.subtree_control +memory OK
            move P a EBUSY
            move P a/b OK
            write a/b/cgroup.subtree_control +memory EBUSY
            write a/cgroup.subtree_control -memory OK
            write cgroup.subtree_control +pids OK
            write a/cgroup.subtree_control '+memory +pids' OK
            read a/cgroup.subtree_control "memory pids\n"
            move P a EBUSY
            write a/cgroup.subtree_control '-memory -pids' OK
            move P a OK
        """)

    def test_threaded_controller(self):
        """May be enabled beside processes, and then makes a threaded domain."""
        self.run_steps(r"""
            write cgroup.subtree_control +pids OK
            move P a OK
            write a/cgroup.subtree_control +pids OK
            types a=domain-threaded a/b=domain-invalid a/b/c=domain-invalid
            move P a/b EOPNOTSUPP
            move P a OK
            write a/cgroup.subtree_control -pids OK
            types a=domain a/b=domain
            move P a/b OK
            write a/cgroup.subtree_control +pids OK
            types a=domain
            move P a EBUSY
            types a=domain a/b=domain
            write a/cgroup.subtree_control -pids OK
        """)


class Threaded(ScriptCase):
    def setUp(self):
        super().setUp()
        self.mkdir("a", "a/b", "a/b/c", "a/d")

    def test_types(self):
        self.run_steps(r"""
            types a=domain a/b=domain a/b/c=domain a/d=domain
            write a/cgroup.type domain EINVAL
            write a/b/cgroup.type threaded OK
            types a=domain-threaded a/b=threaded a/b/c=domain-invalid a/d=domain-invalid
            write a/b/cgroup.type threaded OK
            write a/b/cgroup.type domain EINVAL
            mkdir a/e OK
            mkdir a/b/n OK
            types a/e=domain-invalid a/b/n=domain-invalid
            write a/b/c/cgroup.type threaded OK
            types a=domain-threaded a/b=threaded a/b/c=threaded a/d=domain-invalid
            write a/cgroup.type threaded OK
            types .=domain-threaded a=threaded a/b=threaded a/b/c=threaded a/d=domain-invalid
        """)

    def test_back_to_domain(self):
        """When the last threaded child goes."""
        self.run_steps(r"""
            write a/b/cgroup.type threaded OK
            types a=domain-threaded a/d=domain-invalid
            rmdir a/b/c OK
            rmdir a/b OK
            types a=domain a/d=domain
        """)

    def test_controllers(self):
        self.run_steps(r"""
            write cgroup.subtree_control +memory OK
            write a/cgroup.subtree_control +memory OK
            write a/b/cgroup.type threaded EOPNOTSUPP
            write a/cgroup.subtree_control -memory OK
            write a/b/cgroup.type threaded OK
            write a/cgroup.subtree_control +memory EOPNOTSUPP
            write a/b/cgroup.subtree_control +memory ENOENT
            read a/b/cgroup.controllers ""
            types a=domain-threaded a/b=threaded
            write cgroup.subtree_control +pids OK
            write a/cgroup.subtree_control +pids OK
            write a/b/cgroup.subtree_control +pids OK
            types a=domain-threaded a/b=threaded a/b/c=domain-invalid
            move P a/b OK
            move P a OK
        """)

    def test_populated(self):
        """A populated cgroup does not become threaded, nor beside a populated sibling."""
        self.run_steps(r"""
            move P a/b OK
            write a/b/cgroup.type threaded EOPNOTSUPP
            types a=domain a/b=domain
            write a/d/cgroup.type threaded EOPNOTSUPP
            move P a OK
            write a/b/cgroup.type threaded OK
            types a=domain-threaded a/b=threaded
            move P a/b OK
        """)

    def test_migration(self):
        """Threads stay in their domain; a process may leave it."""
        self.mkdir("z")
        self.run_steps(r"""
            write a/b/cgroup.type threaded OK
            move P z OK
            move P a/d EOPNOTSUPP
            move P a/b/c EOPNOTSUPP
            thread P a/b/c EOPNOTSUPP
            move P a OK
            thread P a/b OK
            read a/b/cgroup.procs EOPNOTSUPP
        """)
        leader, thread = self.who("P").pid, self.threads["P"]
        self.assertEqual(f"{thread}\n", self.read("a/b/cgroup.threads"))
        self.assertEqual(f"{leader}\n", self.read("a/cgroup.threads"))
        self.assertEqual([leader], self.members("a"))
        self.run_steps("move P a/b OK")
        self.assertEqual({str(leader), str(thread)}, set(self.read("a/b/cgroup.threads").split()))
        self.run_steps(r"""
            read a/cgroup.events "populated 1\nfrozen 0\n"
            read a/b/cgroup.events "populated 1\nfrozen 0\n"
            thread P z EOPNOTSUPP
            move P z OK
            thread P z OK
            thread P a/b EOPNOTSUPP
            move P a/b OK
            write a/b/cgroup.kill 1 EOPNOTSUPP
            write a/cgroup.kill 0 ERANGE
            write a/cgroup.kill 1 OK
            killed P
            wait a/cgroup.events "populated 0\nfrozen 0\n"
        """)

    def test_under_the_root(self):
        """Its controllers do not keep a child of the tree's root from being threaded."""
        self.run_steps(r"""
            write cgroup.type threaded OK
            types .=threaded a=domain-invalid
            read cgroup.controllers "pids\n"
            write cgroup.type domain EINVAL
        """)


class Limits(ScriptCase):
    def setUp(self):
        super().setUp()
        self.mkdir("a")

    def test_depth(self):
        self.run_steps(r"""
            write a/cgroup.max.depth 0 OK
            mkdir a/x EAGAIN
            write a/cgroup.max.depth 1 OK
            mkdir a/x OK
            mkdir a/x/y EAGAIN
            write a/cgroup.max.depth 0 OK
            read a/cgroup.max.depth "0\n"
            write cgroup.max.depth 2 OK
            write a/cgroup.max.depth max OK
            mkdir a/x/y EAGAIN
            write cgroup.max.depth max OK
            mkdir a/x/y OK
        """)

    def test_descendants(self):
        self.run_steps(r"""
            write a/cgroup.max.descendants 1 OK
            mkdir a/x OK
            mkdir a/y EAGAIN
            mkdir a/x/y EAGAIN
            rmdir a/x OK
            mkdir a/x OK
            write a/cgroup.max.descendants max OK
            write cgroup.max.descendants 1 OK
            mkdir a/y EAGAIN
            mkdir y EAGAIN
            write cgroup.max.descendants 3 OK
            mkdir a/y OK
            mkdir y EAGAIN
        """)
        first = self.read("cgroup.stat").splitlines()[0]
        self.assertEqual("nr_descendants 3", first)
