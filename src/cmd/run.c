/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs run: the options, and the order in which its processes come and go (run.h). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/why.h"
#include "run.h"

#define DAEMON_END_MS 20000

#define FIELD(member) .offset = offsetof(struct run_options, member)

/* Keeps a copy in which a NUL parts the file's name from the value. */
static int option_set(const struct option_row *row, const char *text, void *options)
{
	struct run_options *o = options;
	size_t len = strcspn(text, "=");
	char **grown;

	(void)row;
	if (*text == '.' || !text[len] || memchr(text, '/', len) || !memchr(text, '.', len))
		return -EINVAL;
	grown = reallocarray(o->sets, o->n_sets + 1, sizeof *grown);
	if (!grown)
		return refuse(ENOMEM, "out of memory");
	o->sets = grown;
	grown[o->n_sets] = strdup(text);
	if (!grown[o->n_sets])
		return refuse(ENOMEM, "out of memory");
	grown[o->n_sets++][len] = '\0';
	return 0;
}

static const struct option_row rows[] = {
	{ "memory", 'm', "SIZE", option_size, FIELD(memory),
	  .expected = "a size such as 256M, or max",
	  .help = "limit the memory (memory.max): bytes, or with K, M, G, T" },
	{ "swap", 0, "SIZE", option_size, FIELD(swap), .expected = "a size such as 256M, or max",
	  .help = "limit the swap space (memory.swap.max)" },
	{ "cpus", 'c', "N", option_cpus, FIELD(cpus), .min = 1000,
	  .expected = "a number of CPUs from 0.01 such as 1.5, or max",
	  .help = "limit the CPU time to that of N CPUs (cpu.max)" },
	{ "cpuset", 0, "LIST", option_cpulist, FIELD(cpuset),
	  .expected = "a list of CPUs such as 0-1,3", .help = "stay on these CPUs (cpuset.cpus)" },
	{ "pids", 'p', "N", option_count, FIELD(pids), .min = 1, .max = 1 << 22,
	  .expected = "a number from 1 to 4194304, or max",
	  .help = "limit the processes and threads (pids.max); process 1 of the container counts" },
	{ "set", 0, "FILE=VALUE", option_set, 0,
	  .expected = "an interface file and a value such as memory.high=200M",
	  .help = "write VALUE to the interface file FILE of the container's cgroup; may be "
		  "repeated" },
	{ "backend", 0, "KIND", option_word, FIELD(backend), .words = backend_words,
	  .expected = "kernel, emulator or auto", .preset = "auto",
	  .help = "kernel: limits are enforced by a real cgroup v2; emulator: ctlfs keeps them as "
		  "far as signals can; auto: the kernel where it can be had" },
	{ "emulate", 0, "VERSION", option_word, FIELD(emulator.version), .words = emulate_words,
	  .expected = EMULATE_EXPECTED, .preset = "6.12",
	  .help = "emulator: which Linux the files are those of, " EMULATE_EXPECTED },
	{ "no-enforce", 0, NULL, option_switch, FIELD(emulator.observe),
	  .help = "emulator: account and count, but never kill or stop a process for a limit, and "
		  "refuse no fork" },
	{ "scenario", 0, "FILE", option_scenario, FIELD(scenario), .expected = SCENARIO_EXPECTED,
	  .help = SCENARIO_HELP },
	{ NULL },
};

const struct command_line run_line = {
	"run",
	"[--] COMMAND [ARGUMENT...]",
	"Runs COMMAND in a cgroup of its own, with a /sys/fs/cgroup, a /proc and CPUs that show "
	"its "
	"own limits. An ordinary user appears as root of a user namespace inside.\v"
	"The exit status is that of COMMAND, 128+N if signal N ended it, 125 if ctlfs failed, 126 "
	"if COMMAND cannot be executed, 127 if there is none.",
	rows,
	1,
	-1,
	true,
};

void run_options_free(struct run_options *o)
{
	for (size_t i = 0; i < o->n_sets; i++)
		free(o->sets[i]);
	free(o->sets);
	scenario_free(&o->scenario);
}

/* What the supervisor has while it sets things up. */
struct run {
	const struct run_options *o;
	char **command;
	struct run_signals signals;
	struct run_container container;
	int channel, forks;
	pid_t daemon, init;
};

static int fail(const char *what, int r)
{
	log_error("run: %s: %s", what, strerror(-r));
	return r;
}

static int start_daemon(struct run *run)
{
	pid_t supervisor = getpid();
	int ends[2];
	int r = channel_open(ends);

	if (r < 0)
		return fail("no socket", r);
	run->daemon = fork();
	if (run->daemon == 0)
		_exit(run_daemon(run->o, ends[1], supervisor));
	close(ends[1]);
	run->channel = ends[0];
	return run->daemon < 0 ? fail("no process for the daemon", -errno) : 0;
}

/* Mounts, and gives the device away: while anybody but the daemon held it, the end of the daemon
 * would leave the mount hanging instead of dead. */
static int mount_and_send(struct run *run)
{
	cleanup_close int device = -1;
	int r = run_mount(&device);

	return r < 0 ? r : channel_send_fd(run->channel, device);
}

static int start_init(struct run *run, const int go[2], const int stops[2])
{
	struct run_init init = {
		.container = &run->container, .signals = &run->signals,
		.command = run->command, .forks = run->forks, .go = go[0], .stops = stops[1],
	};

	run->init = fork();
	if (run->init < 0)
		return fail("no process for the container", -errno);
	if (run->init == 0) {
		/* Ours alone: their end must be seen in there. */
		close(go[1]);
		close(stops[0]);
		close(run->channel);
		_exit(run_init(&init));
	}
	if (run->forks >= 0)
		close(run->forks);
	return 0;
}

/* Has the daemon move init, and lets it go. */
static int let_go(struct run *run, int go)
{
	int r = channel_send_pid(run->channel, run->init);

	if (r == 0)
		r = channel_recv_moved(run->channel);
	if (r == 0 && write(go, "", 1) != 1)
		r = -EPIPE;
	return r;
}

/* From the fork of init to its end: the exit status. */
static int run_command(struct run *run)
{
	struct run_watch watch = { .daemon = run->daemon, .signals = run->signals.fd };
	int go[2], stops[2];
	int r, status;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(stops, O_CLOEXEC | O_NONBLOCK) < 0) {
		fail("no pipe", -errno);
		return STATUS_RUN_FAILED;
	}
	r = start_init(run, go, stops);
	if (r < 0)
		return STATUS_RUN_FAILED;
	close(go[0]);
	close(stops[1]);
	r = let_go(run, go[1]);
	close(go[1]);
	if (r < 0) { /* the daemon has told; init ends with the pipe */
		run_reap(run->init);
		return STATUS_RUN_FAILED;
	}
	watch.init = run->init;
	watch.stops = stops[0];
	status = run_watch(&watch);
	run->daemon = watch.daemon;
	return status;
}

static int receive_container(struct run *run)
{
	int r = channel_recv_container(run->channel, &run->container);

	if (r == 0 && run->container.ask_forks)
		r = channel_recv_fd(run->channel, &run->forks);
	return r;
}

static int run_all(struct run *run)
{
	/* The daemon first: it must stay in the namespaces of mounts and pids that we leave. */
	if (start_daemon(run) < 0 || receive_container(run) < 0 || mount_and_send(run) < 0)
		return STATUS_RUN_FAILED;
	return run_command(run);
}

/* The daemon removes the cgroup before it ends, which takes a moment at most. */
static void end_daemon(struct run *run)
{
	struct pollfd ended = { .events = POLLIN };

	if (run->channel >= 0)
		close(run->channel);
	if (run->daemon <= 0)
		return;
	cleanup_close int pidfd = ended.fd = pidfd_open(run->daemon, 0);

	kill(run->daemon, SIGTERM);
	if (pidfd >= 0 && poll(&ended, 1, DAEMON_END_MS) == 0)
		kill(run->daemon, SIGKILL);
	if (run_reap(run->daemon) > 128)
		log_error("run: the daemon was killed by a signal");
}

/* A shell that ran inside may have left the terminal to a process group that is gone. */
static void take_terminal_back(int terminal)
{
	sigset_t set;

	if (terminal < 0 || tcgetpgrp(terminal) == getpgrp())
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, NULL);
	tcsetpgrp(terminal, getpgrp());
}

/* The terminal, if it is ours to use; else -1. */
static int open_terminal(void)
{
	cleanup_close int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd >= 0 && tcgetpgrp(fd) == getpgrp() ? steal_fd(&fd) : -1;
}

int cmd_run(int argc, char **argv)
{
	__attribute__((cleanup(run_options_free))) struct run_options o = { 0 };
	cleanup_operands struct operands operands = { 0 };
	struct run run = { .o = &o, .channel = -1, .forks = -1 };
	int status = options_parse(&run_line, argc, argv, &o, &operands);
	cleanup_close int terminal = -1;

	if (status != OPTIONS_GO_ON)
		return status;
	if (o.backend == BACKEND_V1) {
		log_error("run: --backend v1: it has no tree to make a cgroup in: expected kernel, "
			  "emulator or auto");
		return STATUS_RUN_FAILED;
	}
	if (o.scenario.path && o.backend == BACKEND_KERNEL) {
		log_error("run: --scenario: the kernel does not play one: expected --backend "
			  "emulator");
		return STATUS_RUN_FAILED;
	}
	run.command = operands.v;
	if (run_enter_userns() < 0 || run_signals_catch(&run.signals) < 0)
		return STATUS_RUN_FAILED;
	terminal = open_terminal();
	status = run_all(&run);
	end_daemon(&run);
	take_terminal_back(terminal);
	close(run.signals.fd);
	return status;
}
