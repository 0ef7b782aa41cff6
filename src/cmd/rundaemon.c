/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon of `ctlfs run`. It lives until the supervisor ends it or dies; either way it removes
 * the container's cgroup first.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/server.h"
#include "run.h"
#include "serve.h"

/*
 * In an ordinary user's namespace groups cannot be set, so nobody's ids can be taken on, and there
 * is nobody else to act for. Without these two capabilities the kernel backend does not try to, and
 * serves our own user with his rights.
 */
static int give_up_ids(void)
{
	static const int caps[] = { CAP_SETUID, CAP_SETGID };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	cleanup_buf struct buf setgroups = { 0 };
	int r = buf_readat(&setgroups, AT_FDCWD, "/proc/self/setgroups", 64);

	if (r < 0 || strncmp(buf_text(&setgroups), "deny", 4) != 0)
		return 0;
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		data[CAP_TO_INDEX(caps[i])].effective &= ~CAP_TO_MASK(caps[i]);
		data[CAP_TO_INDEX(caps[i])].permitted &= ~CAP_TO_MASK(caps[i]);
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Out of the user's terminal and directory, with no file of his but standard error. */
static int detach(int channel, pid_t supervisor)
{
	sigset_t set;

	/* What ends us waits until the server can be told; nothing else is held back. */
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	serve_block_signals();
	setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != supervisor)
		return -ESRCH;
	if (chdir("/") < 0)
		return -errno;
	serve_null_fds(0, 1);
	if (channel > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)channel - 1, 0);
	close_range((unsigned)channel + 1, UINT_MAX, 0);
	return give_up_ids();
}

static int complain(const char *what, int r)
{
	command_failed(r, "run: %s", what);
	return r;
}

static int move_in(struct run_cgroup *c, pid_t pid)
{
	char number[16];
	int r;

	snprintf(number, sizeof number, "%d", pid);
	r = tree_write(c->backend.tree, c->dir, "cgroup.procs", number);
	if (r >= 0 && c->backend.tasks)
		r = emul_spare(c->backend.tree, pid);
	return r < 0 ? complain("the command cannot be moved into its cgroup", r) : 0;
}

static int serve(struct run_cgroup *c, int channel, int device, pid_t supervisor)
{
	struct server_config config = {
		.spin_usec = SERVER_SPIN_USEC,
	};
	struct server *server;
	char root[64];
	bool signalled;
	int r;

	backend_describe(&c->backend, &config);
	r = server_new(&config, device, &server);

	if (r < 0)
		return complain("the server cannot start", r);
	/* From now on requests wait for an answer instead of failing. */
	r = channel_send_moved(channel);
	close(channel);
	/* Our mount is in the supervisor's namespace only; it is looked at for inotify alone. */
	snprintf(root, sizeof root, "/proc/%d/root" RUN_MOUNT, supervisor);
	if (r == 0)
		r = serve_until_signal(server, root, &signalled);
	if (r < 0)
		complain("the server has failed", r);
	server_free(server);
	return r;
}

/* The end of a socket for init, and the thread that waits at the other one. */
static int start_forks(const struct run_cgroup *c, int channel, struct forks **ret_forks)
{
	int ends[2];
	int r = channel_open(ends);

	if (r < 0)
		return r;
	r = channel_send_fd(channel, ends[1]);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	return forks_start(c->backend.tree, ends[0], ret_forks);
}

/* The supervisor's orders, in their order; -EPIPE if it is gone. */
static int follow(struct run_cgroup *c, int channel, pid_t supervisor, struct forks **ret_forks)
{
	struct run_container container;
	cleanup_close int device = -1;
	pid_t pid;
	int r;

	run_cgroup_describe(c, &container);
	r = channel_send_container(channel, &container);
	if (r == 0 && container.ask_forks)
		r = start_forks(c, channel, ret_forks);
	if (r == 0)
		r = channel_recv_fd(channel, &device);
	if (r == 0)
		r = channel_recv_pid(channel, &pid);
	if (r < 0)
		return r;
	r = move_in(c, pid);
	if (r < 0)
		return r;
	if (*c->notice)
		log_error("run: %s", c->notice);
	return serve(c, channel, steal_fd(&device), supervisor);
}

int run_daemon(const struct run_options *o, int channel, pid_t supervisor)
{
	struct forks *forks = NULL;
	struct run_cgroup cgroup;
	int r = detach(channel, supervisor);

	if (r < 0 && r != -ESRCH)
		complain("the daemon cannot start", r);
	if (r == 0)
		r = run_cgroup_new(o, &cgroup);
	if (r < 0)
		return STATUS_RUN_FAILED;
	r = follow(&cgroup, channel, supervisor, &forks);
	forks_stop(forks);
	run_cgroup_free(&cgroup);
	return r < 0 ? STATUS_RUN_FAILED : 0;
}
