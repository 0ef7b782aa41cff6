/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The namespaces of `ctlfs run`, and what is mounted in them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binds.h"
#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/server.h"
#include "ctlfs/why.h"
#include "run.h"

static int write_proc(const char *name, const char *text)
{
	cleanup_close int fd = open(name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* We appear as root, nobody else appears at all: the one map an ordinary user may write. */
static int write_maps(uid_t uid, gid_t gid)
{
	char map[32];
	int r;

	snprintf(map, sizeof map, "0 %u 1", uid);
	r = write_proc("/proc/self/uid_map", map);
	if (r == 0)
		r = write_proc("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", gid);
	return r < 0 ? r : write_proc("/proc/self/gid_map", map);
}

int run_enter_userns(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (binds_may_mount())
		return 0;
	if (unshare(CLONE_NEWUSER) < 0) {
		r = -errno;
		log_error("run: no user namespace can be made (%s): allow them (sysctl "
			  "user.max_user_namespaces and, where it exists, "
			  "kernel.unprivileged_userns_clone=1), or be root", strerror(-r));
		return r;
	}
	r = write_maps(uid, gid);
	if (r < 0)
		log_error("run: the user namespace cannot be given a user (%s): be root, or see "
			  "whether a security module forbids it", strerror(-r));
	return r;
}

int run_mount(int *ret_device)
{
	struct mount_config config = { .mountpoint = RUN_MOUNT, .allow_other = true };
	int r = 0;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		r = -errno;
		log_error("run: no mount and pid namespaces can be made (%s): be root, or see "
			  "whether a security module forbids user namespaces", strerror(-r));
		return r;
	}
	why_take();
	r = server_mount(&config, ret_device);
	if (r < 0)
		command_failed(r, "run");
	return r;
}

static int mount_proc(void)
{
	int r;

	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
		return 0;
	r = -errno;
	log_error("run: /proc cannot be mounted (%s): a container that covers parts of its /proc "
		  "does not allow it (docker: --security-opt systempaths=unconfined)",
		  strerror(-r));
	return r;
}

static int bind_path(const char *source, const char *target)
{
	int r;

	if (mount(source, target, NULL, MS_BIND, NULL) == 0)
		return 0;
	r = -errno;
	log_error("run: %s cannot be bound over %s: %s", source, target, strerror(-r));
	return r;
}

int run_bind(const struct run_container *c)
{
	struct bind bind;
	int r = mount_proc();

	for (unsigned n = 0; r == 0 && binds_get(c->id, n, &bind); n++) {
		char source[sizeof RUN_MOUNT + sizeof bind.source], target[64];
		struct stat st;

		snprintf(source, sizeof source, RUN_MOUNT "/%s", bind.source);
		snprintf(target, sizeof target, "/%s", bind.target);
		/* Views of what this kernel does not have have no place to go. */
		if (n == 0 || stat(target, &st) == 0)
			r = bind_path(source, target);
	}
	return r;
}
