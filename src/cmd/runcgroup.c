/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cgroup of `ctlfs run`: "/run" of an emulator of its own, or "ctlfs.PID.START" in the top of
 * the kernel's cgroup2 mount or, where that may not be used, beside the cgroup we were started in
 * or above that. PID and START are the daemon's: what a killed one left behind the next removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/kernel.h"
#include "ctlfs/log.h"
#include "ctlfs/parse.h"
#include "ctlfs/pidns.h"
#include "ctlfs/policy.h"
#include "ctlfs/why.h"
#include "run.h"

#define NAME_FORMAT "ctlfs.%d.%" PRIu64
#define PERIOD_USEC 100000
#define REMOVE_NS (10ULL * 1000000000)
#define REASON_SIZE 256

/* Notes r with what failed in front of the reason that was noted before. */
static int refuse_with(int r, const char *what, const char *of)
{
	char reason[REASON_SIZE];
	const char *noted = why_take();

	snprintf(reason, sizeof reason, "%s", *noted ? noted : strerror(-r));
	return refuse(-r, "%s %s: %s", what, of, reason);
}

/* The controllers that options and interface files name, with blanks between. */
static void asked_controllers(const struct run_options *o, struct buf *out)
{
	buf_adds(out, o->memory.set || o->swap.set ? " memory" : "");
	buf_adds(out, o->cpus.set ? " cpu" : "");
	buf_adds(out, o->pids.set ? " pids" : "");
	buf_adds(out, o->cpuset ? " cpuset" : "");
	for (size_t i = 0; i < o->n_sets; i++) {
		const char *file = o->sets[i];
		size_t len = strcspn(file, ".");

		if (strncmp(file, "cgroup.", 7) == 0)
			continue;
		buf_adds(out, " ");
		buf_add(out, file, len);
	}
}

static int remove_tree(struct tree *t, uint64_t parent, const char *name, uint64_t node)
{
	cleanup_tree_list struct tree_list list = { 0 };

	if (t->ops->list(t, node, &list) == 0) {
		for (size_t i = 0; i < list.n; i++) {
			if (list.entries[i].dir)
				remove_tree(t, node, list.entries[i].name, list.entries[i].node);
		}
	}
	return t->ops->rmdir(t, &TREE_SELF, parent, name);
}

/* Was a cgroup of this name made by a daemon that is gone? */
static bool is_stale(const char *name)
{
	uint64_t start, now;
	char check[64];
	int pid, r;

	if (sscanf(name, NAME_FORMAT, &pid, &start) != 2)
		return false;
	snprintf(check, sizeof check, NAME_FORMAT, pid, start);
	if (strcmp(check, name) != 0)
		return false;
	r = host_start_time(pid, &now);
	return r == -ESRCH || (r == 0 && now != start);
}

/* One that still has processes stays: its daemon may live where we cannot see it. */
static void remove_stale(struct tree *t, uint64_t parent)
{
	cleanup_tree_list struct tree_list list = { 0 };

	if (t->ops->list(t, parent, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++) {
		if (list.entries[i].dir && is_stale(list.entries[i].name))
			remove_tree(t, parent, list.entries[i].name, list.entries[i].node);
	}
}

static int enable_one(struct tree *t, uint64_t parent, const char *controller)
{
	cleanup_buf struct buf have = { 0 };
	char text[64];
	int r = tree_read(t, parent, "cgroup.subtree_control", &have);

	if (r < 0 || parse_has_word(buf_text(&have), controller, " \n"))
		return r;
	snprintf(text, sizeof text, "+%s", controller);
	r = tree_write(t, parent, "cgroup.subtree_control", text);
	return r < 0 ? refuse_with(r, "cgroup.subtree_control cannot be given", text) : 0;
}

/* Has a cgroup, other than the top, processes of its own? To grant cpu or pids to its children
 * would then succeed, but turn it into a threaded one. */
static bool has_processes(struct tree *t, uint64_t dir)
{
	cleanup_buf struct buf type = { 0 };
	cleanup_buf struct buf procs = { 0 };

	if (tree_read(t, dir, "cgroup.type", &type) == -ENOENT)
		return false;
	return tree_read(t, dir, "cgroup.procs", &procs) < 0 || procs.len > 0;
}

/* Enables what is needed for the children of parent, and what the views can use. */
static int enable(struct tree *t, uint64_t parent, const char *needed)
{
	static const char *const useful[] = { "memory", "cpu", "pids" };
	cleanup_free char *copy = strdup(needed);
	char *rest = copy;
	int r = copy ? 0 : -ENOMEM;

	if (has_processes(t, parent))
		return refuse(EBUSY, "it has processes, so its children get no controllers");
	for (size_t i = 0; i < ARRAY_SIZE(useful); i++)
		enable_one(t, parent, useful[i]);
	for (char *word; r == 0 && (word = strsep(&rest, " \n")) != NULL;) {
		if (*word)
			r = enable_one(t, parent, word);
	}
	return r;
}

static int make_child(struct run_cgroup *c, uint64_t parent)
{
	struct tree *t = c->backend.tree;
	struct stat st;
	int r = t->ops->mkdir(t, &TREE_SELF, parent, c->name, 0755);

	if (r == 0)
		r = t->ops->stat(t, parent, c->name, &st);
	if (r < 0)
		return refuse_with(r, "no cgroup can be made:", c->name);
	c->dir = st.st_ino;
	return 0;
}

static int make_kernel_child(struct run_cgroup *c, const char *path, const char *needed)
{
	struct tree *t = c->backend.tree;
	uint64_t parent, start;
	int r = tree_walk(t, path, &parent);

	if (r == 0)
		r = host_start_time(getpid(), &start);
	if (r < 0)
		return r;
	remove_stale(t, parent);
	snprintf(c->name, sizeof c->name, NAME_FORMAT, getpid(), start);
	r = enable(t, parent, needed);
	if (r == 0)
		r = make_child(c, parent);
	if (r == 0)
		c->parent = parent;
	return r;
}

/* A child of the cgroup at path below the mount point top. */
static int try_parent(struct run_cgroup *c, const char *top, const char *path, const char *needed)
{
	cleanup_buf struct buf dir = { 0 };
	struct policy *policy;
	int r;

	buf_addf(&dir, "%s%s", top, path);
	r = backend_usable(buf_text(&dir), needed);
	/* The container is its user's own, who also set its limits. */
	if (r == 0)
		r = policy_new(true, &policy);
	if (r == 0)
		r = backend_open_kernel(&c->backend, top, policy);
	if (r < 0)
		return r;
	r = make_kernel_child(c, path, needed);
	if (r < 0) {
		backend_close(&c->backend);
		return refuse_with(r, "the cgroup cannot be used:", buf_text(&dir));
	}
	return 0;
}

/* Appends the path of our own cgroup in cgroup2. */
static int own_cgroup(struct buf *out)
{
	cleanup_buf struct buf text = { 0 };
	int r = buf_readat(&text, AT_FDCWD, "/proc/self/cgroup", 1 << 20);
	const char *line = buf_text(&text);

	if (r < 0)
		return refuse(-r, "/proc/self/cgroup: %s", strerror(-r));
	while (line && strncmp(line, "0::", 3) != 0) {
		line = strchr(line, '\n');
		line += line ? 1 : 0;
	}
	if (!line)
		return refuse(ENOENT, "this process is in no cgroup of cgroup2");
	buf_add(out, line + 3, strcspn(line + 3, "\n"));
	return buf_error(out);
}

static int new_on_kernel(struct run_cgroup *c, const char *needed)
{
	cleanup_buf struct buf top = { 0 };
	cleanup_buf struct buf own = { 0 };
	int r = backend_directory(NULL, &top);
	char *slash;

	if (r < 0)
		return r;
	r = try_parent(c, buf_text(&top), "", needed);
	if (r == 0 || own_cgroup(&own) < 0)
		return r;
	/* Not in our own cgroup: we are in it. */
	while (r < 0 && (slash = strrchr(own.data, '/')) != NULL && slash != own.data) {
		*slash = '\0';
		r = try_parent(c, buf_text(&top), own.data, needed);
	}
	return r;
}

/* Everything there is: the command finds in its cgroup what a machine's root would give it. */
static int new_on_emulator(const struct run_options *o, struct run_cgroup *c)
{
	cleanup_buf struct buf all = { 0 };
	int r = backend_open_emulator(&c->backend, &o->emulator, true);

	if (r < 0)
		return r;
	snprintf(c->name, sizeof c->name, "run");
	r = tree_read(c->backend.tree, TREE_ROOT, "cgroup.controllers", &all);
	if (r == 0)
		r = enable(c->backend.tree, TREE_ROOT, buf_text(&all));
	if (r == 0)
		r = make_child(c, TREE_ROOT);
	if (r < 0)
		backend_close(&c->backend);
	return r;
}

static int new_on_either(const struct run_options *o, struct run_cgroup *c)
{
	cleanup_buf struct buf needed = { 0 };
	int r;

	if (o->backend == BACKEND_EMULATOR || o->scenario.path)
		return new_on_emulator(o, c);
	if (o->backend == BACKEND_AUTO)
		buf_adds(&needed, BACKEND_CONTROLLERS);
	asked_controllers(o, &needed);
	if (buf_error(&needed) < 0)
		return -ENOMEM;
	r = new_on_kernel(c, buf_text(&needed));
	if (o->backend == BACKEND_KERNEL)
		return r;
	if (r == 0) {
		snprintf(c->notice, sizeof c->notice, "backend kernel, cgroup %s", c->name);
		return 0;
	}
	snprintf(c->notice, sizeof c->notice, "backend emulator: %s", why_take());
	return new_on_emulator(o, c);
}

static int set_file(struct run_cgroup *c, const char *option, const char *file, const char *text)
{
	int r = tree_write(c->backend.tree, c->dir, file, text);
	const char *reason = why_take();

	if (r == -ENOENT)
		log_error("run: --%s: the %s backend has no file %s here", option, c->backend.name,
			  file);
	else if (r < 0)
		log_error("run: --%s: %s cannot be set to '%s': %s%s%s", option, file, text,
			  strerrorname_np(-r), *reason ? ": " : "", reason);
	return r;
}

static int set_limit(struct run_cgroup *c, const char *option, const char *file,
		     const struct optional *limit)
{
	const char *period = strcmp(file, "cpu.max") == 0 ? " 100000" : "";
	char text[64];

	if (!limit->set)
		return 0;
	if (limit->value == UINT64_MAX)
		snprintf(text, sizeof text, "max%s", period);
	else
		snprintf(text, sizeof text, "%" PRIu64 "%s", limit->value, period);
	return set_file(c, option, file, text);
}

static int set_limits(const struct run_options *o, struct run_cgroup *c)
{
	int r = set_limit(c, "memory", "memory.max", &o->memory);

	if (r == 0)
		r = set_limit(c, "swap", "memory.swap.max", &o->swap);
	if (r == 0)
		r = set_limit(c, "cpus", "cpu.max", &o->cpus);
	if (r == 0)
		r = set_limit(c, "pids", "pids.max", &o->pids);
	if (r == 0 && o->cpuset)
		r = set_file(c, "cpuset", "cpuset.cpus", o->cpuset);
	for (size_t i = 0; r == 0 && i < o->n_sets; i++)
		r = set_file(c, "set", o->sets[i], o->sets[i] + strlen(o->sets[i]) + 1);
	return r;
}

/* The kernel's own keeps pids.max without us. */
static bool limits_forks(const struct run_cgroup *c)
{
	cleanup_buf struct buf text = { 0 };

	return c->backend.tasks && tree_read(c->backend.tree, c->dir, "pids.max", &text) == 0 &&
	       strcmp(buf_text(&text), "max\n") != 0;
}

int run_cgroup_new(const struct run_options *o, struct run_cgroup *ret_cgroup)
{
	struct run_cgroup c = { 0 };
	int r;

	why_take();
	r = new_on_either(o, &c);
	if (r < 0) {
		command_failed(r, "run");
		return r;
	}
	r = set_limits(o, &c);
	if (r == 0) {
		r = scenario_start(&o->scenario, &c.backend);
		if (r < 0)
			command_failed(r, "run: --scenario");
	}
	if (r < 0) {
		run_cgroup_free(&c);
		return r;
	}
	c.ask_forks = !o->emulator.observe && limits_forks(&c);
	*ret_cgroup = c;
	return 0;
}

/* How many CPUs cpu.max pays for: 0 if it sets no limit. The emulator sees to that itself. */
static unsigned cpus_paid(const struct run_cgroup *c)
{
	cleanup_buf struct buf text = { 0 };
	uint64_t quota, period;

	if (!c->parent || tree_read(c->backend.tree, c->dir, "cpu.max", &text) < 0 ||
	    sscanf(buf_text(&text), "%" SCNu64 " %" SCNu64, &quota, &period) != 2 || !period)
		return 0;
	return (unsigned)((quota + period - 1) / period);
}

void run_cgroup_describe(const struct run_cgroup *c, struct run_container *ret_container)
{
	*ret_container = (struct run_container){
		.id = c->dir, .own_cgroup = c->parent != 0, .cpus = cpus_paid(c),
		.ask_forks = c->ask_forks,
	};
}

/* The last process may still be on its way out. */
static void remove_own(struct run_cgroup *c)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	struct tree *t = c->backend.tree;
	uint64_t deadline = monotonic_ns() + REMOVE_NS;
	int r;

	tree_write(t, c->dir, "cgroup.kill", "1");
	for (;;) {
		r = remove_tree(t, c->parent, c->name, c->dir);
		if (r != -EBUSY || monotonic_ns() > deadline)
			break;
		nanosleep(&pause, NULL);
	}
	if (r < 0 && r != -ENOENT)
		log_error("run: the cgroup %s cannot be removed: %s", c->name, strerror(-r));
}

void run_cgroup_free(struct run_cgroup *c)
{
	if (c->parent)
		remove_own(c);
	backend_close(&c->backend);
}
