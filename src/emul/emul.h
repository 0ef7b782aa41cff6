/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator's inside: what its files share. Users of the emulator include ctlfs/emul.h.
 *
 * Locks: emul->lock guards everything below it, and is held in every function here and in every
 * hook and row unless said otherwise. Order: emul->lock, then what the task source locks inside.
 * A task source calls back (exits) with none of its locks held, so the callback takes emul->lock.
 */
#ifndef EMUL_EMUL_H
#define EMUL_EMUL_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/buf.h"
#include "ctlfs/cpulist.h"
#include "ctlfs/emul.h"
#include "ctlfs/row.h"
#include "ctlfs/tasks.h"
#include "ctlfs/tree.h"
#include "timer.h"

struct cgroup;
struct emul;
struct emul_open;
struct fault;
struct inject;

/* In the kernel's order, that of cgroup.controllers. Not all are available yet. */
enum ctrl {
	CTRL_CPUSET,
	CTRL_CPU,
	CTRL_IO,
	CTRL_MEMORY,
	CTRL_PERF_EVENT,
	CTRL_HUGETLB,
	CTRL_PIDS,
	CTRL_RDMA,
	CTRL_MISC,
	CTRL_DMEM, /* 6.14 */
	CTRL_COUNT,
	CTRL_NONE = CTRL_COUNT, /* a table whose files exist in every cgroup */
};

/* What the members of a cgroup and of its descendants use. CPU time, faults: since the cgroup was
 * made, never falling, exited members included as last sampled. The rest: now. */
struct usage {
	uint64_t user_ns, system_ns, nice_ns; /* nice is a part of user */
	uint64_t minflt, majflt;
	uint64_t rbytes, wbytes; /* from and to disks */
	uint64_t anon, file, shmem, swap, pagetables; /* bytes */
	uint64_t threads;
	uint64_t processes;
};

/* --- interface files ---------------------------------------------------------------------- */

#define EMUL_BIT(version) (1u << (version))

/* Row flags of the emulator, beside those of row.h. */
#define EMUL_MEMBERS (1u << 16) /* members are brought up to date before show and write */
#define EMUL_USAGE (1u << 19) /* likewise, but show may take samples of config.sample_ns ago */
#define EMUL_MEMBERS_WRITE (1u << 18) /* ... before write only */
#define EMUL_LONG (1u << 17) /* a write may be longer than 4096 bytes */

/* One interface file. A row has show or one read slot or neither (then reading is EINVAL), and
 * write or one write slot or neither (then writing is EINVAL). Slots parse and print as the
 * kernel's cftype of that name; text given to write is as the user sent it, not stripped. */
struct emul_file {
	const char *name;
	mode_t mode; /* 0644, 0444, 0200 */
	unsigned flags; /* ROW_*, EMUL_* */
	int (*show)(struct emul_open *f, const struct caller *reader, struct buf *out);
	int (*write)(struct emul_open *f, const struct caller *writer, char *text);
	uint64_t (*read_u64)(struct cgroup *cg);
	uint64_t (*read_usage)(struct cgroup *cg, const struct usage *now); /* now: up to date */
	int (*write_u64)(struct cgroup *cg, uint64_t value); /* kstrtoull, base 0, raw */
	int64_t (*read_s64)(struct cgroup *cg);
	int (*write_s64)(struct cgroup *cg, int64_t value); /* kstrtoll, base 0, raw */
	uint64_t (*read_max)(struct cgroup *cg); /* UINT64_MAX prints "max" */
	int (*write_max)(struct cgroup *cg, uint64_t bytes); /* parse_memory(): "max" or bytes */
	/* Something of one open's own (f->priv), made when the file is opened. */
	int (*open)(struct emul_open *f);
	void (*release)(struct emul_open *f); /* f->cg may be dead; also called if open failed */
	unsigned not_in; /* EMUL_BIT() of the versions that do not have it */
	unsigned (*poll)(struct emul_open *f); /* see tree_file_ops; NULL: by emul_notify() alone */
};

/* Numbers of files within a cgroup's directory: node = cgroup_node(cg) + slot. A file's slot is its
 * table's first slot + its index in the table, for ever: rows are only ever appended. The slots of
 * files that notify are named. */
enum emul_slot {
	SLOT_CORE = 1,
	SLOT_CORE_EVENTS = SLOT_CORE + 5, /* cgroup.events */
	SLOT_CPU_BASE = 32,
	SLOT_CPU = 36,
	SLOT_CPUSET = 48,
	SLOT_CPUSET_PARTITION = SLOT_CPUSET + 4,
	SLOT_IO = 64,
	SLOT_MEMORY = 80,
	SLOT_MEMORY_EVENTS = SLOT_MEMORY + 6, /* and .local */
	SLOT_SWAP_EVENTS = SLOT_MEMORY + 16,
	SLOT_HUGETLB = 128,
	SLOT_PIDS = 160,
	SLOT_PIDS_EVENTS = SLOT_PIDS + 3, /* and .local */
	SLOT_RDMA = 168,
	SLOT_MISC = 172,
	SLOT_MISC_EVENTS = SLOT_MISC + 1, /* and .local */
	SLOT_DMEM = 184,
	SLOT_PRESSURE = 192,
	SLOT_END = 255,
};

/* A table of files; rows end with a row without a name. */
struct emul_table {
	const struct emul_file *rows;
	enum emul_slot first;
	enum ctrl ctrl; /* which controller's, CTRL_NONE: in every cgroup */
};

/* One per file of rows. core.c, cpu.c (its base files cpu.stat and cpu.stat.local exist without the
 * controller), io.c, memory.c, hugetlb.c, pids.c, rdma.c, misc.c, dmem.c, pressure.c. */
extern const struct emul_file core_files[];
extern const struct emul_file cpu_base_files[];
extern const struct emul_file cpu_files[];
extern const struct emul_file io_files[];
extern const struct emul_file cpuset_files[];
extern const struct emul_file memory_files[];
extern const struct emul_file hugetlb_files[];
extern const struct emul_file pids_files[];
extern const struct emul_file rdma_files[];
extern const struct emul_file misc_files[];
extern const struct emul_file dmem_files[];
extern const struct emul_file pressure_files[];

/* An open interface file. */
struct emul_open {
	struct tree_file file; /* what the front end holds */
	struct cgroup *cg; /* a reference; never dead inside rows */
	const struct emul_file *row;
	enum ctrl ctrl;
	uint64_t css_serial; /* which life of the controller, or of pressure, it was opened in */
	struct caller opener;
	/* Only if opened for writing; opener.c. */
	struct cgroup *ns_root; /* of the opener's cgroup namespace, a reference; NULL: sees all */
	gid_t *groups; /* supplementary ones if they may matter */
	size_t n_groups;
	void *priv; /* the row's own */
};

/* --- controllers -------------------------------------------------------------------------- */

/* First member of every controller's own state of a cgroup. */
struct css {
	uint64_t serial; /* never the same for two */
	uid_t uid; /* who enabled it: owns the files */
	gid_t gid;
};

/* State is made, with defaults, when the parent's subtree_control enables the controller, and freed
 * when it disables it: enabling again begins with defaults. The root has state from the start. */
struct controller {
	const char *name;
	enum ctrl id;
	bool threaded; /* may be enabled in threaded cgroups */
	bool implicit; /* in every cgroup, and not to be enabled: has neither state nor files */
	unsigned not_in; /* EMUL_BIT() of the versions that do not have it */
	size_t css_size; /* of its struct, which begins with struct css; handed out zeroed */
	size_t (*css_extra)(const struct cgroup *cg); /* bytes behind it; may be NULL */
	void (*css_init)(struct cgroup *cg, struct css *css); /* sets defaults; may be NULL */
	void (*css_exit)(struct cgroup *cg, struct css *css); /* before it is freed; may be NULL */
	/* cg's usage was just brought up to date (emul_usage() of it or a descendant): peaks,
	 * events. May be NULL. */
	void (*sampled)(struct cgroup *cg, struct css *css, const struct usage *now);
	/* cg has become populated or empty. May arm timers and no more; may be NULL. */
	void (*populated)(struct cgroup *cg, struct css *css);
};

extern const struct controller cpuset_controller;
extern const struct controller cpu_controller;
extern const struct controller io_controller;
extern const struct controller memory_controller;
extern const struct controller perf_event_controller;
extern const struct controller hugetlb_controller;
extern const struct controller pids_controller;
extern const struct controller rdma_controller;
extern const struct controller misc_controller;
extern const struct controller dmem_controller;

/* rows.c: everything there is, NULL for controllers that no version has yet. */
extern const struct controller *const emul_controllers[CTRL_COUNT];
extern const char *const emul_ctrl_names[CTRL_COUNT];
extern const struct emul_table emul_tables[];
extern const size_t emul_n_tables;

/* --- cgroups ------------------------------------------------------------------------------ */

struct node_attr; /* attr.c: what chmod, chown and utimens set */
struct xattr; /* xattr.c */
struct member; /* members.c */
struct placed;
struct dead;
struct cgroup_ns;
struct notice; /* notify.c */
struct psi; /* psi.h */

#define LIMIT_MAX INT_MAX /* cgroup.max.*: reads "max" */

/* Why a member is stopped for a while, beside cgroup.freeze. */
enum hold { HOLD_CPU, HOLD_HIGH, HOLDS };

struct cgroup {
	struct emul *emul;
	struct cgroup *parent; /* a reference; NULL for the root */
	char *name;
	uint32_t id; /* never reused; the root's is 0 */
	unsigned depth;
	unsigned refs; /* the tree's own, children, open files */
	bool dead; /* removed; kept for open files */
	unsigned pins; /* zombies, and removed children with pins */

	struct cgroup *children; /* uthash by name (hh); iterates in order of creation */
	UT_hash_handle hh;
	UT_hash_handle hh_id; /* emul->by_id */


	/* Of the subtree without the cgroup itself / with it. */
	unsigned nr_descendants, nr_dying;
	unsigned nr_css[CTRL_COUNT];
	unsigned nr_dying_css[CTRL_COUNT]; /* of removed ones below it */
	uint16_t dying_css; /* a removed one's: what it had */

	uint16_t subtree_control; /* bits of enum ctrl */
	bool threaded; /* cgroup.type was set to "threaded" */
	unsigned nr_threaded_children;
	int max_depth, max_descendants;
	bool pressure; /* cgroup.pressure */
	unsigned pressure_lives; /* how often it became 0: files opened before then are dead */
	struct psi *psi; /* NULL: never stalled */
	bool freeze, e_freeze; /* cgroup.freeze: its own; its own or an ancestor's */
	bool frozen, populated; /* as in cgroup.events */
	uint64_t frozen_ns; /* how long e_freeze was set, until frozen_since if it is now */
	uint64_t frozen_since;
	struct css *css[CTRL_COUNT];

	/* Members; members.c. */
	struct member *first, *last; /* processes tagged with this cgroup, last moved last */
	struct placed *placed_first, *placed_last; /* single threads moved here (threaded.c) */
	unsigned n_members, n_placed;
	unsigned nr_tasks; /* members and placed threads in the subtree */
	unsigned n_held[HOLDS]; /* members kept stopped for a limit */
	unsigned nr_running; /* members in the subtree that are not kept stopped */
	unsigned nr_populated_domains; /* populated children that are not threaded */
	struct usage usage; /* hierarchical, as last sampled */

	struct node_attr *attrs; /* directory and files that differ from the default */
	struct xattr *xattrs;
	uid_t uid; /* of the directory and its files */
	gid_t gid;
	mode_t mode; /* permission bits of the directory */
	struct timespec made;
};

/* --- the machine ---------------------------------------------------------------------------- */

/* machine.c: things that a controller knows by name, in the order of config. */
struct resource {
	char *name;
	uint64_t capacity;
};

struct resources {
	struct resource *list;
	size_t n;
};

/* Request queues of a block device, of which io.cost.* speaks. */
enum queue { QUEUE_NONE, QUEUE_DISK, QUEUE_SSD };

struct machine {
	uint16_t known, controllers; /* bits of enum ctrl: built in; and here, not in cgroup v1 */
	struct resources devices; /* "MAJ:MIN"; capacity is an enum queue */
	struct resources misc, rdma, dmem;
};

int machine_new(const struct emul_config *config, struct machine *ret_machine);
void machine_free(struct machine *m);
/* Its index, -1: none. */
int resource_find(const struct resources *r, const char *name);
struct row_index;

struct emul {
	struct tree tree;
	struct machine machine;
	struct emul_config config;
	struct row_index *rows; /* rows.c; does not change */
	pthread_mutex_t lock;
	uint16_t instance; /* in tags */
	uint32_t next_id;
	uint64_t next_serial;
	struct cgroup *root;
	struct cgroup *by_id; /* uthash on id (hh_id), live ones */
	struct cgroup *gone; /* likewise, removed ones that the front end knows */
	struct member *members; /* uthash on pid */
	struct placed *placed; /* uthash on tid */
	struct dead *dead; /* dead.c, uthash on pid: what ended, not reaped when last looked at */
	unsigned n_dead, dead_enough;
	uint64_t dead_next_ns; /* many are looked at not before */
	struct cgroup_ns *namespaces; /* opener.c */
	unsigned n_members;
	unsigned n_unwatched; /* members whose exit nobody tells us of */
	uint64_t births; /* the task source's number when members were last complete */
	bool complete; /* births means something */
	/* A scan saw no member while no process was born: there is none until we tag one. Written
	 * with the lock held. */
	atomic_bool alone;
	uint64_t moves; /* counts changes of tags by us: what was scanned before is stale */
	uint64_t scans; /* counts applied scans */
	uint64_t moment; /* counts operations */
	uint64_t sample; /* counts samplings: a member is sampled once in each */
	uint64_t sampled_ns, sampled_moves; /* when that began, and moves then */
	uint64_t fresh; /* the last one for which members were brought up to date */
	uint64_t reaped_by_nobody; /* ns counted for processes of which no reaper is known */
	uint64_t kills; /* counts writes to cgroup.kill */
	struct cpulist cpus; /* the machine's: all below n_cpus, unless some are offline */
	unsigned n_cpus, cpu_words;
	struct notice *notices; /* notify.c */
	struct timers timers;
	struct ticker ticker;
	unsigned n_due; /* members whose stop waits for their parent's: hold.c */
	struct fault *faults; /* fault.h */
	struct inject *inject; /* inject.h; made with the tree */
};

static inline uint64_t cgroup_node(const struct cgroup *cg)
{
	return (uint64_t)cg->id * 256 + TREE_ROOT;
}

static inline bool cgroup_is_root(const struct cgroup *cg)
{
	return !cg->parent;
}

/* The controller's state in cg, NULL if it is not enabled there. */
static inline struct css *cgroup_css(const struct cgroup *cg, enum ctrl id)
{
	return cg->css[id];
}

static inline bool emul_has(const struct emul *e, int ctrl)
{
	return (e->machine.controllers >> ctrl) & 1;
}

static inline bool emul_is(const struct emul *e, enum emul_version version)
{
	return e->config.version == version;
}

static inline uint64_t emul_now(const struct emul *e)
{
	return e->config.tasks->ops->now(e->config.tasks);
}

/* --- for controllers ---------------------------------------------------------------------- */

/* dead.c: those below cg that had ended before the controller came, which never counted them. */
unsigned dead_before(const struct cgroup *cg, const struct css *css);

/* memory.c: one more event of cg's own, told to it and to its ancestors as memory.events has it. */
enum memory_event {
	MEMORY_LOW,
	MEMORY_HIGH,
	MEMORY_MAX,
	MEMORY_OOM,
	MEMORY_OOM_KILL,
	MEMORY_OOM_GROUP_KILL,
	MEMORY_EVENTS,
};

enum swap_event { SWAP_HIGH, SWAP_MAX, SWAP_FAIL, SWAP_EVENTS };

/* memory_stat.c */
int memory_stat_show(struct emul_open *f, const struct caller *reader, struct buf *out);
int memory_numa_stat_show(struct emul_open *f, const struct caller *reader, struct buf *out);

void memory_event(struct cgroup *cg, enum memory_event event, uint64_t count);
void swap_event(struct cgroup *cg, enum swap_event event, uint64_t count);
/* pids.c: count forks were refused because of cg's own pids.max. */
void pids_event(struct cgroup *cg, uint64_t count);
/* ... forks of tasks in forking, because of the pids.max of limiting, itself or an ancestor. */
void pids_refused(struct cgroup *forking, struct cgroup *limiting, uint64_t count);
/* A task of cg wants to fork, as emul_may_fork(). count: tasks are counted; else 0 says that all
 * limits are far, and -EAGAIN nothing. */
int pids_may_fork(struct cgroup *cg, unsigned pending, bool count);

/* io.c: what members did on a block device, once more than before; told to cg, or the nearest
 * ancestor that has the controller, and to all above. -ENODEV: not one of config.devices. */
struct io_stats {
	uint64_t rbytes, wbytes, rios, wios, dbytes, dios;
};

int io_account(struct cgroup *cg, unsigned major, unsigned minor, const struct io_stats *more);

/* hugetlb.c: count faults were refused because of cg's own limit, of pages of 2 MB (0) or 1 GB (1).
 */
void hugetlb_event(struct cgroup *cg, unsigned size, uint64_t count);
/* misc.c: uses so much more of a resource in cg and above: -EBUSY (an event at the one whose limit
 * it is), -EINVAL for none that the machine has; or so much less. */
int misc_charge(struct cgroup *cg, const char *name, uint64_t amount);
void misc_uncharge(struct cgroup *cg, const char *name, uint64_t amount);
/* pids.c: -EAGAIN if so many more tasks would exceed pids.max of cg or an ancestor, which is
 * counted as an event; cg's usage is up to date. */
int pids_may_add(struct cgroup *cg, unsigned tasks);

/* pressure.c: from now on the tasks of cg stall for so many parts in a million of the time, seen in
 * cg and its ancestors. */
enum psi_resource { PSI_IO, PSI_MEMORY, PSI_CPU, PSI_RESOURCES };

/* Who says so: what several say of one cgroup is taken to coincide. */
enum psi_source {
	PSI_TOLD, /* a test */
	PSI_HELD, /* members are kept stopped for a limit */
	PSI_OOM, /* a killed process has not given its memory back yet */
	PSI_SOURCES,
};

struct psi_rate {
	unsigned some_ppm, full_ppm;
};

void psi_stall(struct cgroup *cg, enum psi_resource resource, unsigned some_ppm,
	       unsigned full_ppm); /* told */
void psi_stall_by(struct cgroup *cg, enum psi_source source, enum psi_resource resource,
		  struct psi_rate rate);
void psi_enable(struct cgroup *cg, bool on); /* cgroup.pressure */
void psi_remove(struct cgroup *cg); /* it is about to be removed */
void psi_free(struct cgroup *cg);

/* Samples cg's members, at most once in an operation, and gives their hierarchical usage. In root:
 * of all members. -errno if processes cannot be looked at. */
int emul_usage(struct cgroup *cg, struct usage *ret_usage);

/* The content of cg's notifying file at slot (SLOT_MEMORY + index) changed: notify.c. */
void emul_notify(struct cgroup *cg, unsigned slot);

/* cg's cpu.max changed: members are spread anew if the configuration says so. */
void emul_spread(struct cgroup *cg);
/* CPUs that members of cg or below it may use changed. */
void emul_affinity(struct cgroup *cg);

/* In cpuset.c: whether a process of user owner may come from there. -ENOSPC: to has no CPUs;
 * -EPERM: writer may not change the CPUs of it, as in cap_task_setscheduler(). */
int cpuset_can_attach(const struct cgroup *from, const struct cgroup *to,
		      const struct caller *writer, uid_t owner);

/* In cpu.c: how many CPUs the cpu.max of cg and its ancestors pay for, rounded up; 0: no limit. */
unsigned cpu_paid(const struct cgroup *cg);

/* Visits live descendants of cg parents first, then nothing else; cg itself comes first. Nonzero
 * ends it with that value. visit may not make or remove cgroups. */
int cgroup_walk(struct cgroup *cg, int (*visit)(struct cgroup *cg, void *data), void *data);

#endif
