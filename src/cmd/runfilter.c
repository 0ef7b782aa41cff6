/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seccomp filter that has forks asked for: clone, clone3, fork and vfork wait until the holder
 * of its listener has answered, every other system call goes through. It needs no library: a few
 * instructions, for the machine's own system calls and for those of its 32-bit programs.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "run.h"

#if defined(__x86_64__)
#define ARCH_OWN AUDIT_ARCH_X86_64
#define ARCH_32 AUDIT_ARCH_I386
#define NUMBER_MASK (~0x40000000U) /* without the mark of x32 */
#elif defined(__aarch64__)
#define ARCH_OWN AUDIT_ARCH_AARCH64
#define ARCH_32 AUDIT_ARCH_ARM
#define NUMBER_MASK (~0U)
#endif

#ifdef ARCH_OWN

/* Not in every header, but in every kernel that could ask: 5.19. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* A machine without fork and vfork only has the other two. */
#ifdef SYS_fork
#define FORK SYS_fork
#define VFORK SYS_vfork
#else
#define FORK SYS_clone
#define VFORK SYS_clone
#endif

/* On i386 and on 32-bit ARM. */
#define FORK_32 2
#define CLONE_32 120
#define VFORK_32 190
#define CLONE3_32 435

#define FIELD(name) ((unsigned)offsetof(struct seccomp_data, name))
#define LOAD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define IF_EQUAL(value, then, otherwise) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), then, otherwise)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

static const struct sock_filter filter[] = {
	LOAD(arch),
	IF_EQUAL(ARCH_OWN, 0, 7),
	LOAD(nr),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, NUMBER_MASK),
	IF_EQUAL(SYS_clone, 10, 0),
	IF_EQUAL(SYS_clone3, 9, 0),
	IF_EQUAL(FORK, 8, 0),
	IF_EQUAL(VFORK, 7, 0),
	RETURN(SECCOMP_RET_ALLOW),
	IF_EQUAL(ARCH_32, 0, 4),
	LOAD(nr),
	IF_EQUAL(CLONE_32, 3, 0),
	IF_EQUAL(CLONE3_32, 2, 0),
	IF_EQUAL(FORK_32, 1, 0),
	IF_EQUAL(VFORK_32, 0, 1),
	RETURN(SECCOMP_RET_USER_NOTIF),
	RETURN(SECCOMP_RET_ALLOW),
};

/* As root of its user namespace it needs no "no new privileges". */
static int install(void)
{
	const struct sock_fprog program = { ARRAY_SIZE(filter), (struct sock_filter *)filter };
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);

	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	return fd < 0 ? -errno : (int)fd;
}

#else

static int install(void)
{
	return -ENOSYS;
}

#endif

void forks_ask(int end)
{
	cleanup_close int listener = install();
	int r = listener < 0 ? listener : channel_send_fd(end, listener);

	if (r < 0)
		log_error("run: pids.max is only accounted: forks cannot be asked for: %s%s",
			  strerror(-r),
			  r == -EBUSY ? " (another program asks for those of this one)" : "");
}
