/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tasks of the conformance driver: processes and threads that fork, make threads, move and
 * end when told. Made with clone() itself: every process becomes a child of the driver, and a
 * thread needs nothing of libc that a fork in a process with threads would leave broken.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conform.h"

#define STACK 16384
/* In which a task that runs has answered, however slow the machine is. */
#define DEADLINE_MS 5000

struct order {
	char what;
	int other;
	char path[1024];
};

struct reply {
	int error;
	pid_t tid;
};

struct thread_start {
	struct driver *driver;
	int number;
};

static int serve_thread(void *start);

/* One for each actor: a fork has its own copy. */
static char *stack_of(struct driver *driver, int number)
{
	static char stacks[ACTORS][STACK] __attribute__((aligned(64)));

	(void)driver;
	return stacks[number];
}

static int write_zero(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, "0", 1) < 0)
		error = errno;
	close(fd);
	return error;
}

static pid_t make_thread(struct driver *driver, int number)
{
	char *stack = stack_of(driver, number);
	struct thread_start *start = (struct thread_start *)stack;

	*start = (struct thread_start){ driver, number };
	return clone(serve_thread, stack + STACK,
		     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			     CLONE_SYSVSEM,
		     start);
}

/* What the actor does until its end. A new process goes on here as another actor. */
static void serve(struct driver *driver, int number)
{
	struct order order;
	struct reply reply;

	while (read(driver->actors[number].ends[1], &order, sizeof(order)) == sizeof(order)) {
		reply = (struct reply){ 0 };
		switch (order.what) {
		case 'f':
			reply.tid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
			if (reply.tid == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				number = order.other;
				continue;
			}
			reply.error = reply.tid < 0 ? errno : 0;
			break;
		case 't':
			reply.tid = make_thread(driver, order.other);
			reply.error = reply.tid < 0 ? errno : 0;
			break;
		case 'w':
			reply.error = write_zero(order.path);
			break;
		case 'x':
			syscall(SYS_exit, 0);
			break;
		default:
			syscall(SYS_exit_group, 0);
		}
		if (write(driver->actors[number].ends[1], &reply, sizeof(reply)) < 0)
			break;
	}
	syscall(SYS_exit_group, 1);
}

static int serve_thread(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	serve(start.driver, start.number);
	return 0;
}

static void new_channel(struct actor *actor)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, actor->ends)) {
		perror("socketpair");
		exit(2);
	}
}

void actors_init(struct driver *driver)
{
	int i;

	for (i = 0; i < ACTORS; i++) {
		driver->actors[i] = (struct actor){ .leader = i };
		new_channel(&driver->actors[i]);
	}
}

/* The state letter of a task, 0 where there is none. */
static char task_state(pid_t tid)
{
	char path[64], text[512], *end;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

static bool has_ended(pid_t tid)
{
	char state = task_state(tid);

	return state == 0 || state == 'Z' || state == 'X';
}

/* By the kernel's freezer, or stopped as the emulator does it. */
static bool is_frozen(pid_t tid)
{
	char path[64], text[64] = "";
	char state = task_state(tid);
	ssize_t size;
	int fd;

	if (state == 'T' || state == 't')
		return true;
	snprintf(path, sizeof(path), "/proc/%d/wchan", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	/* Into which the compiler may have put the freezer's part. */
	return size > 0 && (strstr(text, "freez") || strstr(text, "get_signal"));
}

static void wait_for_end(pid_t tid)
{
	int tries;

	for (tries = 0; tries < DEADLINE_MS && !has_ended(tid); tries++)
		usleep(1000);
}

int actor_number(const char *word)
{
	char *end;
	long number;

	if (word[0] != 'p' || !word[1])
		return -1;
	number = strtol(word + 1, &end, 10);
	return *end || number < 0 || number >= ACTORS ? -1 : number;
}

const char *actor_name(const struct driver *driver, pid_t tid, char ret[static 8])
{
	int i;

	strcpy(ret, "?");
	for (i = 0; i < ACTORS; i++)
		if (tid > 0 && driver->actors[i].tid == tid)
			snprintf(ret, 8, "p%d", i);
	return ret;
}

void actor_spawn(struct driver *driver, int number)
{
	struct actor *actor = &driver->actors[number];
	pid_t pid;

	if (actor->tid) {
		say(&driver->answer, "exists");
		return;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == 1)
			_exit(1);
		serve(driver, number);
	}
	actor->tid = pid > 0 ? pid : 0;
	say_result(&driver->answer, pid < 0 ? errno : 0);
}

/* Takes the answer of one that was told something. */
static void take_reply(struct driver *driver, struct actor *actor, const struct reply *reply)
{
	struct actor *child = &driver->actors[actor->asked];

	actor->pending = false;
	if (reply->error || reply->tid <= 0)
		return;
	child->tid = reply->tid;
}

/* Waits until it has answered or cannot: 1, 0 and -1 for answered, frozen, ended. */
static int wait_reply(struct driver *driver, struct actor *actor, struct reply *ret_reply)
{
	struct pollfd pollfd = { .fd = actor->ends[0], .events = POLLIN };
	int tries;

	for (tries = 0; tries < DEADLINE_MS / 5; tries++) {
		if (poll(&pollfd, 1, 5) == 1) {
			if (read(actor->ends[0], ret_reply, sizeof(*ret_reply)) !=
			    sizeof(*ret_reply))
				return -1;
			take_reply(driver, actor, ret_reply);
			return 1;
		}
		if (has_ended(actor->tid))
			return -1;
		if (is_frozen(actor->tid))
			return 0;
	}
	return 0;
}

/* False, and says why, where it cannot be told anything. */
static bool is_ready(struct driver *driver, int number)
{
	struct actor *actor = &driver->actors[number];
	struct reply reply;

	if (!actor->tid) {
		say(&driver->answer, "no actor");
		return false;
	}
	if (has_ended(actor->tid)) {
		say(&driver->answer, "ended");
		return false;
	}
	if (actor->pending && wait_reply(driver, actor, &reply) != 1) {
		say(&driver->answer, "frozen");
		return false;
	}
	return true;
}

static void send_order(struct driver *driver, int number, const struct order *order)
{
	struct actor *actor = &driver->actors[number];
	struct reply reply = { 0 };

	actor->asked = order->other;
	actor->pending = true;
	if (write(actor->ends[0], order, sizeof(*order)) < 0) {
		say(&driver->answer, "lost");
		return;
	}
	switch (wait_reply(driver, actor, &reply)) {
	case 1:
		say_result(&driver->answer, reply.error);
		break;
	case 0:
		say(&driver->answer, "frozen");
		break;
	default:
		actor->pending = false;
		say(&driver->answer, "ended");
	}
}

void actor_order(struct driver *driver, int number, char what, int other)
{
	struct order order = { .what = what, .other = other };
	int i;

	for (i = 0; i < ACTORS; i++)
		if (driver->actors[i].pending && driver->actors[i].asked == other)
			other = number;
	if (what != 'x' && what != 'X' && (other == number || driver->actors[other].tid)) {
		say(&driver->answer, "exists");
		return;
	}
	if (!is_ready(driver, number))
		return;
	if (what == 't')
		driver->actors[other].leader = driver->actors[number].leader;
	else
		driver->actors[other].leader = other;
	if (what == 'x' || what == 'X')
		order.other = number;
	send_order(driver, number, &order);
}

void actor_move_self(struct driver *driver, int number, const char *path)
{
	struct order order = { .what = 'w', .other = number };

	if (!is_ready(driver, number))
		return;
	snprintf(order.path, sizeof(order.path), "%s", path);
	send_order(driver, number, &order);
}

void actor_signal(struct driver *driver, int number, int signal)
{
	struct actor *actor = &driver->actors[number];
	pid_t pid = driver->actors[actor->leader].tid;

	if (!actor->tid || pid <= 0) {
		say(&driver->answer, "no actor");
		return;
	}
	say_result(&driver->answer, kill(pid, signal) ? errno : 0);
	if (signal == SIGKILL)
		wait_for_end(actor->tid);
}

/* The new process or thread of this name needs a channel without old orders. */
static void forget(struct driver *driver, int leader)
{
	int i;

	for (i = 0; i < ACTORS; i++) {
		struct actor *actor = &driver->actors[i];

		if (actor->leader == leader && actor->tid) {
			char rest[sizeof(struct order)];

			actor->tid = 0;
			actor->leader = i;
			actor->pending = false;
			while (recv(actor->ends[0], rest, sizeof(rest), MSG_DONTWAIT) > 0)
				;
			while (recv(actor->ends[1], rest, sizeof(rest), MSG_DONTWAIT) > 0)
				;
		}
	}
}

void actor_reap(struct driver *driver, int number)
{
	siginfo_t info = { 0 };
	pid_t tid = driver->actors[number].tid;

	if (!tid) {
		say(&driver->answer, "no actor");
	} else if (driver->actors[number].leader != number) {
		say(&driver->answer, "a thread");
	} else if (waitid(P_PID, tid, &info, WEXITED | WNOHANG)) {
		say_result(&driver->answer, errno);
	} else if (!info.si_pid) {
		say(&driver->answer, "lives");
	} else {
		say(&driver->answer, "%s %d", info.si_code == CLD_EXITED ? "exited" : "killed",
		    info.si_status);
		forget(driver, number);
	}
}

static bool kill_is_pending(pid_t tid)
{
	char path[64], text[4096], *found;
	unsigned long long set = 0;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return false;
	text[size] = '\0';
	found = strstr(text, "SigPnd:");
	if (found)
		set = strtoull(found + 7, NULL, 16);
	found = strstr(text, "ShdPnd:");
	if (found)
		set |= strtoull(found + 7, NULL, 16);
	return set & (1ULL << (SIGKILL - 1));
}

void actors_settle(struct driver *driver)
{
	struct reply reply;
	int tries, i;

	for (i = 0; i < ACTORS; i++) {
		struct actor *actor = &driver->actors[i];

		if (!actor->tid)
			continue;
		for (tries = 0; tries < DEADLINE_MS; tries++) {
			char state = task_state(actor->tid);

			if (state == 0 || strchr("ZX", state) ||
			    (strchr("STt", state) && !kill_is_pending(actor->tid)))
				break;
			usleep(500);
		}
		if (actor->pending && wait_reply(driver, actor, &reply) < 0)
			actor->pending = false;
	}
	if (driver->settle_us)
		usleep(driver->settle_us);
}

/* Also those that were born while frozen and never told of. */
static void kill_children(void)
{
	char path[64], text[4096], *at = text, *after;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	for (;;) {
		pid_t pid = strtol(at, &after, 10);

		if (after == at || pid <= 1)
			return;
		kill(pid, SIGKILL);
		at = after;
	}
}

void actors_end(struct driver *driver)
{
	int i;

	do {
		kill_children();
		usleep(1000);
	} while (waitpid(-1, NULL, WNOHANG) >= 0);
	for (i = 0; i < ACTORS; i++) {
		close(driver->actors[i].ends[0]);
		close(driver->actors[i].ends[1]);
		driver->actors[i] = (struct actor){ 0 };
	}
}
