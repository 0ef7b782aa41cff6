# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulator's tests of attributes, removed cgroups, openers, the dead and rare system calls, on
the kernel's own cgroup v2: directly, to show that the tests are right, and xattrs through the
kernel backend too."""
import os

import test_dead
import test_files
import test_opener
import test_xattrs
from harness import KERNEL, remove_cgroup, run_program, tool, write
from kernel_backend import CGROUPS, KernelCase


class Direct(KernelCase):
    """self.top is the real cgroup."""

    def setUp(self):
        super().setUp()
        self.top = self.real

    def clear(self):
        write(self.real + "/cgroup.kill", "1")
        remove_cgroup(self.real)


class DirectXattrs(Direct):
    test_directories_and_files = test_xattrs.Xattrs.test_directories_and_files
    test_others = test_xattrs.Xattrs.test_others
    test_bounds = test_xattrs.Xattrs.test_bounds
    test_gone_with_the_cgroup = test_xattrs.Xattrs.test_gone_with_the_cgroup

    def setUp(self):
        super().setUp()
        self.mkdir("d")


class DirectRemoved(Direct):
    test_directory = test_xattrs.Removed.test_directory
    test_attributes_of_directory = test_xattrs.Removed.test_attributes_of_directory
    test_files = test_xattrs.Removed.test_files
    test_working_directory = test_xattrs.Removed.test_working_directory
    same = test_xattrs.Removed.same

    def setUp(self):
        super().setUp()
        self.mkdir("d")


class DirectFiles(Direct):
    test_rename = test_files.Files.test_rename
    test_mmap = test_files.Files.test_mmap
    test_empty_and_long = test_files.Files.test_empty_and_long
    test_times = test_files.Files.test_times
    test_one_open_for_two_processes = test_files.Files.test_one_open_for_two_processes
    test_socket = test_files.Files.test_socket

    def setUp(self):
        super().setUp()
        self.mkdir("d")


class DirectOpener(Direct):
    test_border = test_opener.Namespaces.test_border
    test_root_files = test_opener.Namespaces.test_root_files
    test_delegated_to_a_group = test_opener.Groups.test_delegated_to_a_group
    inside = test_opener.Namespaces.inside

    def setUp(self):
        super().setUp()
        self.remount("nsdelegate,memory_recursiveprot")
        self.addCleanup(self.remount, "memory_recursiveprot")
        self.mkdir("a", "b", "b/c")

    def remount(self, options):
        result = run_program([tool("mount"), "-o", "remount," + options, CGROUPS])
        self.assertEqual(0, result.status, result)


class DirectDead(Direct):
    test_dead_first_thread = test_dead.Dead.test_dead_first_thread
    dying = test_dead.Dead.dying
    kill_reaches_dead_leaders = (6, 12) <= KERNEL < (6, 18)

    def setUp(self):
        super().setUp()
        self.mkdir("a", "b")
        self.write("cgroup.subtree_control", "-cpu -memory")


class Xattrs(KernelCase):
    """Passed on to the real files, within the rights of who asks."""
    test_directories_and_files = test_xattrs.Xattrs.test_directories_and_files
    test_others = test_xattrs.Xattrs.test_others
    test_bounds = test_xattrs.Xattrs.test_bounds

    def setUp(self):
        super().setUp()
        self.mkdir("d")

    def test_real(self):
        os.setxattr(self.at("d"), "user.a", b"1")
        self.assertEqual(b"1", os.getxattr(self.real_at("d"), "user.a"))
        os.setxattr(self.real_at("d/cgroup.procs"), "trusted.b", b"2")
        self.assertEqual(["trusted.b"], os.listxattr(self.at("d/cgroup.procs")))
