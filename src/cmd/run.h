/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of `ctlfs run` and what they tell each other.
 *
 * supervisor  the process the user started: enters the user namespace if it needs one, and the
 *             mount namespace, mounts, passes signals on, gives back the exit status
 *  |- daemon  tree, views, FUSE; outside the private mount namespace and the pid namespace, so that
 *  |          it never comes across its own mount
 *  `- init    process 1 of the pid namespace: the mounts that need to be made there, the command,
 *             orphans; its end is the end of all processes in the namespace
 *
 * If the supervisor dies the kernel ends the other two (PR_SET_PDEATHSIG), and with the last
 * process of the mount namespace the mounts are gone.
 */
#ifndef CTLFS_CMD_RUN_H
#define CTLFS_CMD_RUN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend.h"
#include "options.h"
#include "scenario.h"

struct run_options {
	enum backend_kind backend;
	struct emulator_options emulator;
	struct optional memory, swap, cpus, pids;
	const char *cpuset; /* or NULL */
	struct scenario scenario;
	char **sets; /* copies of the FILE=VALUE, the '=' replaced by a NUL */
	size_t n_sets;
};

void run_options_free(struct run_options *o);

/* How the command's process is to be prepared. */
struct run_container {
	uint64_t id; /* of the container in the tree */
	unsigned cpus; /* stay on the first so many CPUs; 0: on all */
	bool ask_forks; /* forks are to be asked for: the end of a socket follows */
	bool own_cgroup; /* a real cgroup: hide its path by a cgroup namespace */
};

/* runchannel.c: between supervisor and daemon, in this order. Each returns 0 or -errno; -EPIPE if
 * the other end is gone. */
int channel_open(int ret_ends[2]);
int channel_send_container(int end, const struct run_container *c); /* daemon: it is there */
int channel_recv_container(int end, struct run_container *ret_c);
int channel_send_fd(int end, int fd); /* daemon: for ask_forks; supervisor: /dev/fuse, mounted */
int channel_recv_fd(int end, int *ret_fd);
int channel_send_pid(int end, pid_t pid); /* supervisor: the process to move in */
int channel_recv_pid(int end, pid_t *ret_pid);
int channel_send_moved(int end); /* daemon: it has moved, and requests are served from now on */
int channel_recv_moved(int end);

/* runfilter.c: has the kernel ask, at each fork of this process and its descendants, whoever holds
 * the descriptor that is sent through end. Told on failure: then nobody is asked. */
void forks_ask(int end);

/* runforks.c: the thread that answers, by the emulator's pids.max. end: where the descriptor comes
 * from; owned, also on failure. */
struct forks;
int forks_start(struct tree *tree, int end, struct forks **ret_forks);
void forks_stop(struct forks *f); /* NULL is fine */

/* runcgroup.c: the container's cgroup on either backend. */
struct run_cgroup {
	struct backend backend;
	uint64_t dir;
	bool ask_forks; /* the emulator has a pids.max to keep */
	uint64_t parent; /* where it is removed from at the end; 0: nothing need be removed */
	char name[64]; /* in parent */
	char notice[512]; /* what auto chose, and why; "" if there was nothing to choose */
};

/* Creates it with the limits of o. On failure the reason has been told. */
int run_cgroup_new(const struct run_options *o, struct run_cgroup *ret_cgroup);
/* Fills what init needs to know of it. */
void run_cgroup_describe(const struct run_cgroup *c, struct run_container *ret_container);
/* Ends what still runs in it, removes it, and closes the backend. */
void run_cgroup_free(struct run_cgroup *c);

/* rundaemon.c: the daemon's life; returns its exit status. */
int run_daemon(const struct run_options *o, int channel, pid_t supervisor);

/* runmount.c */
#define RUN_MOUNT "/sys/fs/fuse/connections" /* exists wherever FUSE does */
/* Enters a user namespace if mounting needs one. Told on failure. */
int run_enter_userns(void);
/* Enters a private mount namespace, sends the next child into a pid namespace, mounts at RUN_MOUNT.
 * Told on failure. */
int run_mount(int *ret_device);
/* In the pid namespace: a procfs of its own, and the container's files in their places. */
int run_bind(const struct run_container *c);

/* runsignals.c */
struct run_signals {
	sigset_t mask; /* as it was */
	bool chld_ignored;
	int fd; /* signalfd of those that are passed on */
};

int run_signals_catch(struct run_signals *ret_s); /* blocks them */
void run_signals_restore(const struct run_signals *s); /* for the command */
bool run_signals_take(int fd, int *ret_signum); /* the next to be passed on; false: none waits */
const sigset_t *run_signals_set(void); /* those that are passed on */

/* runinit.c: process 1 of the container. */
struct run_init {
	const struct run_container *container;
	const struct run_signals *signals;
	char **command;
	int forks; /* for forks_ask(), or -1 */
	int go; /* a byte here: the daemon has moved us and serves; its end: it never will */
	int stops; /* a byte goes here each time the command was stopped */
};

int run_init(const struct run_init *i); /* returns the exit status */

/* runloop.c: passes signals on until the command has ended: its exit status. */
struct run_watch {
	pid_t init, daemon;
	int signals; /* signalfd */
	int stops; /* see struct run_init */
};

int run_watch(struct run_watch *w); /* init is reaped; so is the daemon (then 0) if it died */
/* What a shell makes of wait()'s status: 128 + N if a signal ended the process. */
int run_exit_status(int status);
/* Waits for pid: its exit status, 128 + N if a signal ended it. */
int run_reap(pid_t pid);

#endif
