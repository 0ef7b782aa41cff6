/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of the running kernel as the emulator's task source. The tag is the soft limit of
 * RLIMIT_RTTIME: inherited over fork and exec by the kernel, without effect on tasks that are not
 * real-time, and so large that it has none on others either. Setting it needs the same user or
 * CAP_SYS_RESOURCE, and a hard limit that permits it; reading it needs nothing.
 */
#include "ctlfs/tasks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/cpulist.h"
#include "ctlfs/keyed.h"
#include "ctlfs/ns.h"
#include "ctlfs/pidns.h"
#include "exits.h"
#include "taskstat.h"

#define PF_KTHREAD 0x00200000u
#define STAT_MAX (16 << 20) /* of /proc/stat: a number for each interrupt */
#define SET_PASSES 8 /* over the threads of a process that makes new ones meanwhile */

struct host_tasks {
	struct tasks tasks;
	int procfd, statfd;
	uint64_t tick_ns;
	uint64_t cgroup_ns; /* our own */
	struct cpulist cpus; /* those that this process may use, as it began */
	struct exits *exits;
};

static struct host_tasks *host_of(struct tasks *t)
{
	return (struct host_tasks *)t; /* its first member */
}

static uint64_t host_now(struct tasks *t)
{
	(void)t;
	return monotonic_ns();
}

static unsigned host_cpus(struct tasks *t)
{
	return cpulist_count(&host_of(t)->cpus);
}

/* "processes" of /proc/stat is counted after a process or thread can be found in /proc, so that a
 * scan begun after reading it misses none that it counts. */
static int host_births(struct tasks *t, uint64_t *ret_births)
{
	cleanup_buf struct buf long_text = { 0 };
	char text[16384];
	uint64_t births;
	const struct keyed key = { "processes", &births };
	/* The kernel makes the whole text for each read, and gives it in one piece if it fits: so
	 * the read that would find the end is not made. */
	ssize_t n = pread(host_of(t)->statfd, text, sizeof text - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if ((size_t)n == sizeof text - 1) {
		int r = buf_pread(&long_text, host_of(t)->statfd, STAT_MAX);

		if (r < 0)
			return r;
	}
	if (keyed_read(long_text.len ? buf_text(&long_text) : text, &key, 1) != 1)
		return -EIO;
	*ret_births = births;
	return 0;
}

/* --- tags --- */

/* Asking the kernel is quick, but needs rights; the file tells everybody. */
static int read_tag(struct host_tasks *h, pid_t pid, uint64_t *ret_tag)
{
	struct rlimit limit;
	uint64_t tag;
	int r = 0;

	if (prlimit(pid, RLIMIT_RTTIME, NULL, &limit) == 0)
		tag = limit.rlim_cur;
	else if (errno == ESRCH)
		return -ESRCH;
	else
		r = taskstat_rttime(h->procfd, pid, &tag);
	if (r == 0)
		*ret_tag = tag;
	return r;
}

static int host_get_tag(struct tasks *t, pid_t tid, uint64_t *ret_tag)
{
	uint64_t tag;
	int r = read_tag(host_of(t), tid, &tag);

	if (r < 0)
		return r;
	if (!task_tag_valid(tag))
		return -ENOENT;
	*ret_tag = tag;
	return 0;
}

static int host_set_tag(struct tasks *t, pid_t pid, uint64_t tag)
{
	struct rlimit limit;

	(void)t;
	if (prlimit(pid, RLIMIT_RTTIME, NULL, &limit) < 0)
		return -errno;
	if (limit.rlim_max < tag)
		return -EPERM;
	limit.rlim_cur = tag;
	return prlimit(pid, RLIMIT_RTTIME, &limit, NULL) < 0 ? -errno : 0;
}

/* Calls visit for each numeric entry of a directory; errors of single entries are its own. */
static int each_number(int dirfd, const char *path, int (*visit)(void *data, pid_t nr), void *data)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((errno = 0, de = readdir(dir))) {
		int r;

		if (de->d_name[0] < '1' || de->d_name[0] > '9')
			continue;
		r = visit(data, (pid_t)atoi(de->d_name));
		if (r)
			return r;
	}
	return -errno;
}

struct scan {
	struct host_tasks *host;
	uint16_t instance;
	task_visit *visit;
	void *data;
};

static int scan_one(void *data, pid_t pid)
{
	const struct scan *s = data;
	struct taskstat st;
	uint64_t tag;

	if (read_tag(s->host, pid, &tag) < 0 || !task_tag_valid(tag) ||
	    task_tag_instance(tag) != s->instance)
		return 0;
	if (taskstat_read(s->host->procfd, pid, &st) < 0)
		return 0;
	return s->visit(s->data, pid, st.start, tag, taskstat_exited(&st));
}

static int host_scan(struct tasks *t, uint16_t instance, task_visit *visit, void *data)
{
	struct scan scan = { host_of(t), instance, visit, data };

	return each_number(scan.host->procfd, ".", scan_one, &scan);
}

/* --- single processes --- */

static bool is_stopped(const struct taskstat *st)
{
	return st->state == 'T' || st->state == 't';
}

/* A child of a shell, in a group that the shell made of its children to wait for it as a job. */
static bool is_job(const struct host_tasks *h, const struct taskstat *st)
{
	struct taskstat parent, leader;

	if (!st->tty || st->group == st->session ||
	    taskstat_read(h->procfd, st->parent, &parent) < 0 ||
	    parent.session != st->session || parent.group == st->group)
		return false;
	return taskstat_read(h->procfd, st->group, &leader) < 0 || leader.parent == st->parent;
}

static int pending_stop(uint64_t pending)
{
	static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		if (pending & 1ULL << (stops[i] - 1))
			return stops[i];
	}
	return 0;
}

static int host_info(struct tasks *t, pid_t tid, struct task_info *ret_info)
{
	struct host_tasks *h = host_of(t);
	struct task_info info = { 0 };
	struct taskowner owner;
	struct taskstat st;
	int r = taskstat_owner(h->procfd, tid, &owner);

	if (r == 0)
		r = taskstat_read(h->procfd, owner.pid, &st);
	if (r < 0)
		return r;
	info.pid = owner.pid;
	info.uid = owner.uid;
	info.stop_pending = pending_stop(owner.pending);
	info.job = is_job(h, &st);
	info.start = st.start;
	info.parent = st.parent;
	info.exited = taskstat_exited(&st);
	info.leader_exited = !info.exited && taskstat_dead(&st);
	info.stopped = is_stopped(&st);
	info.kthread = st.flags & PF_KTHREAD;
	*ret_info = info;
	return 0;
}

static int host_cpu_time(struct tasks *t, pid_t pid, uint64_t *ret_ns)
{
	struct timespec ts;
	clockid_t clock;

	(void)t;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return -ESRCH;
	*ret_ns = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	return 0;
}

/* Of other threads than the first one it is not worth the trouble. */
static bool host_childless(struct tasks *t, pid_t pid)
{
	struct host_tasks *h = host_of(t);
	cleanup_buf struct buf children = { 0 };
	struct taskstat st;
	char path[48];

	snprintf(path, sizeof path, "%d/task/%d/children", (int)pid, (int)pid);
	return taskstat_read(h->procfd, pid, &st) == 0 && st.threads == 1 &&
	       buf_readat(&children, h->procfd, path, 4096) == 0 && children.len == 0;
}

static int host_oom_adj(struct tasks *t, pid_t pid, int *ret_adj)
{
	return taskstat_oom_adj(host_of(t)->procfd, pid, ret_adj);
}

/* All of the CPU time to the nanosecond; how it divides is known by the tick. */
static void fill_cpu(struct host_tasks *h, pid_t pid, const struct taskstat *st,
		     struct task_sample *s)
{
	uint64_t ticks = st->utime + st->stime;
	uint64_t total;

	s->user_ns = st->utime * h->tick_ns;
	s->system_ns = st->stime * h->tick_ns;
	if (host_cpu_time(&h->tasks, pid, &total) < 0 || total < s->user_ns + s->system_ns)
		return;
	s->user_ns = ticks ? (uint64_t)((__uint128_t)total * st->utime / ticks) : total;
	s->system_ns = total - s->user_ns;
}

static int host_sample(struct tasks *t, pid_t pid, struct task_sample *ret_sample)
{
	struct host_tasks *h = host_of(t);
	struct taskmem mem = { 0 };
	struct taskstat st;
	int r = taskstat_read(h->procfd, pid, &st);

	if (r == 0)
		r = taskstat_memory(h->procfd, pid, &mem);
	if (r < 0)
		return r;
	*ret_sample = (struct task_sample){
		.start = st.start,
		.nice = st.nice > 0,
		.anon = mem.anon << 10,
		.file = mem.file << 10,
		.shmem = mem.shmem << 10,
		.swap = mem.swap << 10,
		.pagetables = mem.pagetables << 10,
		.minflt = st.minflt,
		.majflt = st.majflt,
		.threads = taskstat_exited(&st) ? 0 : (unsigned)st.threads,
		.stopped = is_stopped(&st),
		.parent = st.parent,
		.child_user_ns = st.cutime * h->tick_ns,
		.child_system_ns = st.cstime * h->tick_ns,
	};
	/* Another user's is not for us to see. */
	taskstat_io(h->procfd, pid, &ret_sample->rbytes, &ret_sample->wbytes);
	fill_cpu(h, pid, &st, ret_sample);
	return 0;
}

struct live {
	pid_t dead; /* the first thread if it is, else 0 */
	thread_visit *visit;
	void *data;
};

static int visit_live(void *data, pid_t tid)
{
	const struct live *live = data;

	return tid == live->dead ? 0 : live->visit(live->data, tid);
}

/* Only a first thread is still there when it is dead. */
static int host_threads(struct tasks *t, pid_t pid, thread_visit *visit, void *data)
{
	struct live live = { 0, visit, data };
	struct taskstat st;
	char path[32];
	int r = taskstat_read(host_of(t)->procfd, pid, &st);

	if (r < 0)
		return r;
	if (taskstat_dead(&st))
		live.dead = pid;
	snprintf(path, sizeof path, "%d/task", (int)pid);
	r = each_number(host_of(t)->procfd, path, visit_live, &live);
	return r == -ENOENT ? -ESRCH : r;
}

static int visit_moving(void *data, pid_t tid)
{
	const struct host_tasks *h = data;
	struct taskstat st;

	return taskstat_read(h->procfd, tid, &st) == 0 && !is_stopped(&st) && st.state != 'D' &&
	       !taskstat_dead(&st);
}

/* A thread that is woken by the signal may look for its children once more before it stops. */
static bool host_halted(struct tasks *t, pid_t pid)
{
	return host_threads(t, pid, visit_moving, host_of(t)) <= 0;
}

static int host_find(struct tasks *t, pid_t caller, pid_t nr, pid_t *ret_tid)
{
	(void)t;
	return pidns_find(caller, nr, ret_tid);
}

static int host_show(struct tasks *t, pid_t reader, pid_t *tids, size_t n)
{
	(void)t;
	return pidns_show_all(reader, tids, n);
}

static int host_kill(struct tasks *t, pid_t pid, uint64_t start, int sig)
{
	cleanup_close int fd = -1;
	int r;

	if (sig == SIGSTOP && pid == getpid())
		return -EPERM; /* nobody could wake us */
	r = exits_pidfd(host_of(t)->procfd, pid, start, &fd);
	if (r < 0)
		return r;
	return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0 ? -errno : 0;
}

static int host_cgroup_ns(struct tasks *t, pid_t tid, uint64_t *ret_ns)
{
	const struct host_tasks *h = host_of(t);
	uint64_t ns;
	int r = ns_id(h->procfd, tid, "cgroup", &ns);

	if (r == 0)
		*ret_ns = ns == h->cgroup_ns ? 0 : ns;
	return r;
}

static int host_groups(struct tasks *t, pid_t tid, gid_t **ret_groups, size_t *ret_n)
{
	return taskstat_groups(host_of(t)->procfd, tid, ret_groups, ret_n);
}

/* --- CPUs --- */

#define MASK_SIZE (CPUS_MAX / 8)

struct affinity {
	const struct cpulist *was, *now;
	bool changed;
	int error;
};

/* What a thread that is on cpus goes on to. */
static void choose_cpus(const struct affinity *a, struct cpulist *cpus)
{
	struct cpulist kept = { 0 };
	bool part = memcmp(cpus, a->was, sizeof *cpus) != 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept.bits); i++) {
		kept.bits[i] = cpus->bits[i] & a->now->bits[i];
		part &= !(cpus->bits[i] & ~a->was->bits[i]);
	}
	*cpus = part && cpulist_next(&kept, -1) >= 0 ? kept : *a->now;
}

static int set_thread(void *data, pid_t tid)
{
	struct affinity *a = data;
	struct cpulist now = { 0 }, wanted;

	if (syscall(SYS_sched_getaffinity, tid, MASK_SIZE, now.bits) < 0) {
		a->error = errno == ESRCH ? a->error : -errno;
		return 0;
	}
	wanted = now;
	choose_cpus(a, &wanted);
	if (!memcmp(&now, &wanted, sizeof now))
		return 0;
	if (syscall(SYS_sched_setaffinity, tid, MASK_SIZE, wanted.bits) == 0)
		a->changed = true;
	else if (errno != ESRCH)
		a->error = -errno;
	return 0;
}

static void host_cpu_list(struct tasks *t, struct cpulist *ret_cpus)
{
	*ret_cpus = host_of(t)->cpus;
}

static int host_set_cpus(struct tasks *t, pid_t pid, pid_t tid, const struct cpulist *was,
			 const struct cpulist *now)
{
	struct affinity a = { .was = was, .now = now };

	if (tid) {
		set_thread(&a, tid);
		return a.error;
	}
	/* A thread made meanwhile has the mask of its maker: until one pass finds nothing to do. */
	for (int i = 0; i < SET_PASSES; i++) {
		int r;

		a.changed = false;
		r = host_threads(t, pid, set_thread, &a);
		if (r < 0 || !a.changed)
			return r < 0 ? r : a.error;
	}
	return a.error;
}

/* --- exits --- */

static void host_on_exit(struct tasks *t, task_exited *exited, void *data)
{
	exits_handler(host_of(t)->exits, exited, data);
}

static int host_watch(struct tasks *t, pid_t pid, uint64_t start)
{
	return exits_watch(host_of(t)->exits, pid, start);
}

static void host_unwatch(struct tasks *t, pid_t pid, uint64_t start)
{
	exits_unwatch(host_of(t)->exits, pid, start);
}

static void host_settle(struct tasks *t)
{
	exits_settle(host_of(t)->exits);
}

static void host_destroy(struct tasks *t)
{
	struct host_tasks *h = host_of(t);

	exits_free(h->exits);
	if (h->statfd >= 0)
		close(h->statfd);
	if (h->procfd >= 0)
		close(h->procfd);
	free(h);
}

static const struct tasks_ops host_ops = {
	.now = host_now,
	.cpus = host_cpus,
	.cpu_list = host_cpu_list,
	.births = host_births,
	.scan = host_scan,
	.get_tag = host_get_tag,
	.set_tag = host_set_tag,
	.info = host_info,
	.sample = host_sample,
	.cpu_time = host_cpu_time,
	.halted = host_halted,
	.childless = host_childless,
	.oom_adj = host_oom_adj,
	.threads = host_threads,
	.find = host_find,
	.show = host_show,
	.kill = host_kill,
	.set_cpus = host_set_cpus,
	.on_exit = host_on_exit,
	.watch = host_watch,
	.unwatch = host_unwatch,
	.settle = host_settle,
	.destroy = host_destroy,
	.cgroup_ns = host_cgroup_ns,
	.groups = host_groups,
};

int tasks_new(struct tasks **ret_tasks)
{
	struct host_tasks *h = calloc(1, sizeof *h);
	int r;

	if (!h)
		return -ENOMEM;
	h->tasks.ops = &host_ops;
	h->tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	h->statfd = -1;
	h->procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->procfd >= 0)
		h->statfd = openat(h->procfd, "stat", O_RDONLY | O_CLOEXEC);
	r = h->statfd < 0 ? -errno : 0;
	if (r == 0 && syscall(SYS_sched_getaffinity, 0, MASK_SIZE, h->cpus.bits) < 0)
		r = -errno;
	if (r == 0)
		ns_id(h->procfd, NS_SELF, "cgroup", &h->cgroup_ns); /* 0 where there are none */
	if (r == 0)
		r = exits_new(h->procfd, &h->exits);
	if (r < 0) {
		host_destroy(&h->tasks);
		return r;
	}
	*ret_tasks = &h->tasks;
	return 0;
}
