# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checks of the kernel backend that attacks run against, each with the change that takes it out
and the tests that must fail then. A check with a second layer behind it is taken out with that."""
import collections

Change = collections.namedtuple("Change", "file old new")
# tests: of tests/mount as "module.Class.test"; unit programs by their names.
Mutant = collections.namedtuple("Mutant", "name changes tests")

ESCAPES = "kernel_attacks.Escapes."
GUARD = "kernel_guard.Attacks."

MUTANTS = (
    # Whatever path leads there, what counts is the cgroup at its end.
    Mutant("outside-the-container", (
        Change("src/kernel/guard.c", "	if (!inside)\n		return refuse(EACCES",
               "	if (inside < 0)\n		return refuse(EACCES"),
    ), (ESCAPES + "test_dot_dot", ESCAPES + "test_symlink", ESCAPES + "test_bind_of_parent",
        ESCAPES + "test_passed_directory", "kernel_attacks.OldHoles.test_cve_2015_1342",
        GUARD + "test_other_container", GUARD + "test_passed_fd")),
    # Two layers: openat2 stays on the mount, and what it finds is compared with the mount.
    Mutant("other-mounts", (
        Change("src/kernel/at.c", " | RESOLVE_NO_XDEV", ""),
        Change("src/kernel/at.c", "	if (k->mount && x.stx_mnt_id != k->mount)\n", "	if (0)\n"),
    ), (ESCAPES + "test_real_bind_of_parent",)),
    # A path is walked to a directory, which by then may be another; one that is kept open is not.
    Mutant("another-of-the-same-name", (
        Change("src/kernel/nodes.c", "(r == 0 && st.st_ino == node)\n		return fd;",
               "(r == 0)\n		return fd;"),
        Change("src/kernel/file.c", "	if (r == 0 && st.st_ino == node) {", "	if (r == 0) {"),
        Change("src/kernel/kept.c", "	struct kept *kept = kept_find(k, node);\n	int fd;",
               "	struct kept *kept = NULL;\n	int fd;"),
        Change("src/kernel/kept.c", "	there = (struct kept *)lru_find(&k->kept, node);\n",
               "	lru_remove(&k->kept, node);\n	there = NULL;\n"),
    ), ("kernel_attacks.RacesByPath.test_stale_directory",)),
    # The kernel would let the daemon move whomever it likes.
    Mutant("moved-with-our-rights", (
        Change("src/kernel/file.c", "	if (job->flags == O_RDONLY || who == &TREE_SELF)\n",
               "	if (job->flags >= 0)\n"),
        Change("src/kernel/move.c", "deputy_run(k->privileged, m->writer, write_job_do, &job)",
               "write_job_do(&job)"),
    ), ("kernel_attacks.OldHoles.test_cve_2015_1344",)),
    Mutant("moved-from-outside", (
        Change("src/kernel/guard.c", "	if (r == -ENOENT || (r == 0 && inside <= 0))\n",
               "	if (r == -ENOENT)\n		return 0;\n	if (inside < 0)\n"),
    ), (GUARD + "test_moving_others",)),
    # A number means what it means to the writer.
    Mutant("numbers-of-the-host", (
        Change("src/kernel/move.c", "		r = pidns_find(self, nr, ret_pid);",
               "		*ret_pid = nr;"),
    ), ("kernel_attacks.Callers.test_forged_number", "kernel_pids.Nested.test_outside",
        "kernel_pids.Nested.test_two_levels")),
    Mutant("numbers-shown-as-they-are", (
        Change("src/kernel/file.c", "		r = pidns_show_all(reader->pid, pids, n);",
               "		r = 0;"),
    ), ("kernel_pids.Nested.test_two_levels", "kernel_pids.Nested.test_without_the_ioctls")),
    # The task that was asked about need not be the one that was moved.
    Mutant("number-changes-hands", (
        Change("src/kernel/move.c",
               "	return r < 0 || task.proc < 0 || task_lives(&task) ? r : "
               "settle(k, m, &job, task.pid);", "	(void)settle;\n	return r;"),
    ), ("test_kernel_reuse",)),
    Mutant("number-of-the-openers", (
        Change("src/kernel/move.c", "		if (!p->host && (r < 0 ||",
               "		if (!i && !p->host && (r < 0 ||"),
    ), ("test_kernel_reuse",)),
    # Who writes is asked, not only who opened; and who opened, not only who writes.
    Mutant("writer-not-asked", (
        Change("src/kernel/file.c",
               "guard_allows(k, ret_party, &target, ACT_WRITE, &given)",
               "guard_allows(k, &f->opener, &target, ACT_WRITE, &given)"),
        Change("src/kernel/file.c", "deputy_run(k->privileged, writer, write_job_do, &job)",
               "write_job_do(&job)"),
    ), (GUARD + "test_passed_fd", GUARD + "test_changed_between")),
    Mutant("opener-not-asked", (
        Change("src/kernel/move.c", "	return r < 0 ? r : guard_move(k, m->parties[1], task);",
               "	return r;"),
    ), (GUARD + "test_moving_others",)),
    Mutant("no-ceiling", (
        Change("src/kernel/file.c", "	if (rule->verb != VERB_CEILING)\n",
               "	if (rule->verb != VERB_ALLOW)\n"),
    ), (GUARD + "test_ceilings",)),
    Mutant("nothing-is-denied", (
        Change("src/kernel/guard.c", "	if (verb == VERB_DENY)\n",
               "	if (verb == VERB_DENY && !rule)\n"),
        Change("src/kernel/guard.c", "	if (verb == VERB_READONLY)\n",
               "	if (verb == VERB_READONLY && !rule)\n"),
    ), ("kernel_guard.Rights.test_closed",)),
    Mutant("anybody-is-root", (
        Change("src/kernel/guard.c", "p->uid == root ? ROOT_YES : ROOT_NO",
               "root + 1 ? ROOT_YES : ROOT_NO"),
    ), (GUARD + "test_changed_between", "kernel_guard.Rights.test_mapped_root")),
    # What callers leave behind when they are killed.
    Mutant("descriptors-stay-open", (
        Change("src/kernel/file.c", "	if (f->own.fd >= 0)\n		close(f->own.fd);\n", ""),
    ), ("kernel_attacks.Callers.test_killed",)),
    # What one container may have of the daemon.
    Mutant("no-bounds", (
        Change("src/base/quota.c", "	if (claim->amount > q->max - q->used)\n",
               "	if (q->max)\n		return true;\n	if (!q->max)\n"),
    ), ("kernel_flood.Floods.test_open_files",)),
    Mutant("no-bound-on-memory", (
        Change("src/fuse/bounds.c", "PAGES_MAX, PAGES_FREE", "PAGES_MAX, PAGES_MAX"),
    ), ("kernel_flood.Memory.test_begun_to_read",)),
    Mutant("no-bound-on-waiting", (
        Change("src/fuse/bounds.c", "WAITING_MAX, WAITING_FREE", "WAITING_MAX, WAITING_MAX"),
    ), ("test_turns",)),
)
