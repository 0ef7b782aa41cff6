/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hugetlb controller, for huge pages of 2 MB and 1 GB.
 *
 * Limits are kept and read back as the kernel does. What members use of huge pages is not known:
 * current and numa_stat read 0, nobody gets a SIGBUS for a limit, and events count only what
 * somebody raised.
 */
#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

/* What page_counter can count. */
#define COUNTER_MAX (UINT64_C(0x7fffffffffffffff) & ~(CTLFS_PAGE_SIZE - 1))

static const uint64_t page_sizes[] = { UINT64_C(2) << 20, UINT64_C(1) << 30 };

#define SIZES ARRAY_SIZE(page_sizes)

enum limit { FAULT, RESERVATION, LIMITS };

struct hugetlb {
	struct css css;
	uint64_t max[SIZES][LIMITS]; /* bytes */
	uint64_t events[SIZES], events_local[SIZES];
};

/* The rows of one size; those of the next follow. */
enum file { MAX, RSVD_MAX, CURRENT, RSVD_CURRENT, EVENTS, EVENTS_LOCAL, NUMA_STAT, FILES };

static struct hugetlb *hugetlb_of(const struct cgroup *cg)
{
	return (struct hugetlb *)cgroup_css(cg, CTRL_HUGETLB);
}

/* The kernel's files of all sizes have the same functions, too. */
static size_t size_of(const struct emul_open *f)
{
	return (size_t)(f->row - hugetlb_files) / FILES;
}

static enum file file_of(const struct emul_open *f)
{
	return (enum file)((f->row - hugetlb_files) % FILES);
}

static uint64_t no_limit(size_t size)
{
	return COUNTER_MAX & ~(page_sizes[size] - 1);
}

/* Newer kernels begin with what is not rounded to huge pages, and therefore reads as a number. */
static void hugetlb_init(struct cgroup *cg, struct css *css)
{
	struct hugetlb *h = (struct hugetlb *)css;

	for (size_t i = 0; i < SIZES; i++) {
		uint64_t max = emul_is(cg->emul, EMUL_6_18) ? COUNTER_MAX : no_limit(i);

		h->max[i][FAULT] = h->max[i][RESERVATION] = max;
	}
}

static uint64_t *limit_of(const struct emul_open *f)
{
	enum limit limit = file_of(f) == RSVD_MAX ? RESERVATION : FAULT;

	return &hugetlb_of(f->cg)->max[size_of(f)][limit];
}

static int max_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	uint64_t max = *limit_of(f);

	(void)reader;
	if (max == no_limit(size_of(f)))
		buf_adds(out, "max");
	else
		buf_addu(out, max);
	buf_adds(out, "\n");
	return 0;
}

static int max_write(struct emul_open *f, const struct caller *writer, char *text)
{
	uint64_t bytes;
	int error = parse_memory(parse_strip(text), &bytes);

	(void)writer;
	if (error)
		return refuse(-error, "%s: neither \"max\" nor a number of bytes", f->row->name);
	if (bytes > COUNTER_MAX)
		bytes = COUNTER_MAX;
	*limit_of(f) = bytes & ~(page_sizes[size_of(f)] - 1);
	return 0;
}

static uint64_t current_read(struct cgroup *cg)
{
	(void)cg;
	return 0;
}

static int numa_stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)f;
	(void)reader;
	buf_adds(out, "total=0 N0=0\n");
	return 0;
}

void hugetlb_event(struct cgroup *cg, unsigned size, uint64_t count)
{
	unsigned slot = SLOT_HUGETLB + size * FILES;

	if (!hugetlb_of(cg))
		return;
	hugetlb_of(cg)->events_local[size] += count;
	emul_notify(cg, slot + EVENTS_LOCAL);
	for (; !cgroup_is_root(cg); cg = cg->parent) {
		hugetlb_of(cg)->events[size] += count;
		emul_notify(cg, slot + EVENTS);
	}
}

static int events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct hugetlb *h = hugetlb_of(f->cg);
	const uint64_t *events = file_of(f) == EVENTS_LOCAL ? h->events_local : h->events;

	(void)reader;
	buf_addf(out, "max %llu\n", (unsigned long long)events[size_of(f)]);
	return 0;
}

#define LIMIT(file)                            \
	{ .name = file,                        \
	  .mode = 0644,                        \
	  .flags = ROW_NOT_ON_ROOT,            \
	  .show = max_show,                    \
	  .write = max_write }
#define USED(file)                             \
	{ .name = file,                        \
	  .mode = 0444,                        \
	  .flags = ROW_NOT_ON_ROOT,            \
	  .read_u64 = current_read }
#define EVENT_COUNT(file)                          \
	{ .name = file,                            \
	  .mode = 0444,                            \
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES, \
	  .show = events_show }

const struct emul_file hugetlb_files[] = {
	LIMIT("hugetlb.2MB.max"),
	LIMIT("hugetlb.2MB.rsvd.max"),
	USED("hugetlb.2MB.current"),
	USED("hugetlb.2MB.rsvd.current"),
	EVENT_COUNT("hugetlb.2MB.events"),
	EVENT_COUNT("hugetlb.2MB.events.local"),
	{ .name = "hugetlb.2MB.numa_stat",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = numa_stat_show },
	LIMIT("hugetlb.1GB.max"),
	LIMIT("hugetlb.1GB.rsvd.max"),
	USED("hugetlb.1GB.current"),
	USED("hugetlb.1GB.rsvd.current"),
	EVENT_COUNT("hugetlb.1GB.events"),
	EVENT_COUNT("hugetlb.1GB.events.local"),
	{ .name = "hugetlb.1GB.numa_stat",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = numa_stat_show },
	{ 0 },
};

const struct controller hugetlb_controller = {
	.name = "hugetlb",
	.id = CTRL_HUGETLB,
	.css_size = sizeof(struct hugetlb),
	.css_init = hugetlb_init,
};
