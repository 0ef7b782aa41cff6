/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpuset controller: its files and its state. Effective CPUs are what members run on
 * (affinity.c). There is one memory node, 0.
 */
#include <errno.h>

#include "cgroup.h"
#include "cpuset.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

#define NODES_MAX 1024 /* MAX_NUMNODES of Debian's amd64 kernels */

static const char *const part_reasons[] = {
	[PART_INVCPUS] = "Invalid cpu list in cpuset.cpus.exclusive",
	[PART_INVPARENT] = "Parent is an invalid partition root",
	[PART_NOTPART] = "Parent is not a partition root",
	[PART_NOTEXCL] = "Cpu list in cpuset.cpus not exclusive",
	[PART_NOCPUS] = "Parent unable to distribute cpu downstream",
	[PART_CPUSEMPTY] = "cpuset.cpus and cpuset.cpus.exclusive are empty",
	[PART_ACCESS] = "Enable partition not permitted",
	[PART_REMOTE] = "Have remote partition underneath",
};

static void change_begin(struct change *c, const struct cgroup *cg, const struct caller *writer)
{
	struct emul *e = cg->emul;

	c->emul = e;
	c->root = cpuset_of(e->root);
	c->words = e->cpu_words;
	c->admin = !writer || writer == &TREE_SELF || !writer->uid ||
		   writer->uid == e->config.uid;
	c->moved = false;
}

static void change_end(const struct change *c)
{
	if (c->moved)
		emul_affinity(c->emul->root);
}

/* The cgroup whose cpuset members of cg go by. */
static const struct cgroup *holder(const struct cgroup *cg)
{
	while (!cpuset_of(cg))
		cg = cg->parent;
	return cg;
}

int cpuset_can_attach(const struct cgroup *from, const struct cgroup *to,
		      const struct caller *writer, uid_t owner)
{
	struct change c;
	const uint64_t *cpus;

	if (!cpuset_of(to->emul->root))
		return 0; /* not available */
	from = holder(from);
	to = holder(to);
	if (from == to)
		return 0;
	change_begin(&c, to, writer);
	cpus = cpuset_mask(cpuset_of(to), MASK_EFFECTIVE);
	if (mask_empty(&c, cpus))
		return refuse(ENOSPC, "partitions below the cgroup have all its CPUs");
	if (!c.admin && !owner &&
	    !mask_equal(&c, cpus, cpuset_mask(cpuset_of(from), MASK_EFFECTIVE)))
		return refuse(EPERM, "uid %u may not change the CPUs of a process of uid 0",
			      (unsigned)writer->uid);
	return 0;
}

/* --- lists --- */

static int parse_list(const char *file, const char *text, unsigned end, struct cpulist *ret_list)
{
	int r = cpulist_parse_below(text, end, ret_list);

	if (r == -ERANGE)
		return refuse(ERANGE, "%s: numbers are below %u", file, end);
	if (r == -EOVERFLOW)
		return refuse(EOVERFLOW, "%s: a number is too large", file);
	return r < 0 ? refuse(-r, "%s takes a list such as 0-2,7", file) : 0;
}

static int refuse_list(int r, const char *file)
{
	if (r == -ENOSPC)
		return refuse(ENOSPC, "%s cannot be cleared: the cgroup has members", file);
	if (r == -EBUSY)
		return refuse(EBUSY, "%s cannot be cleared: the cgroup is a partition", file);
	return refuse(-r, "%s: a sibling has some of these CPUs", file);
}

static int update_mask(struct change *c, struct cpuset *cs, struct trial *trial,
		       enum cpuset_mask which)
{
	if (which == MASK_EXCLUSIVE)
		return update_exclusive(c, cs, trial);
	if (c->emul->config.version == EMUL_6_1)
		return update_cpus_old(c, cs, trial);
	return update_cpus(c, cs, trial);
}

/* Writes a list to cpuset.cpus or cpuset.cpus.exclusive. */
static int write_cpus(struct emul_open *f, const struct caller *writer, char *text,
		      enum cpuset_mask which)
{
	struct cpuset *cs = cpuset_of(f->cg);
	struct cpulist list = { 0 };
	struct change c;
	struct trial trial;
	int r;

	text = parse_strip(text);
	r = *text ? parse_list(f->row->name, text, f->cg->emul->n_cpus, &list) : 0;
	if (r < 0)
		return r;
	change_begin(&c, f->cg, writer);
	claim_now(&c, cs, &trial);
	trial.cleared = !*text;
	mask_copy(&c, which == MASK_CPUS ? trial.cpus : trial.exclusive, list.bits);
	r = update_mask(&c, cs, &trial, which);
	change_end(&c);
	return r < 0 ? refuse_list(r, f->row->name) : 0;
}

static int cpus_write(struct emul_open *f, const struct caller *writer, char *text)
{
	return write_cpus(f, writer, text, MASK_CPUS);
}

static int exclusive_write(struct emul_open *f, const struct caller *writer, char *text)
{
	return write_cpus(f, writer, text, MASK_EXCLUSIVE);
}

static int mems_write(struct emul_open *f, const struct caller *writer, char *text)
{
	struct cpuset *cs = cpuset_of(f->cg);
	struct cpulist list = { 0 };
	struct change c;
	struct trial trial;
	int r;

	text = parse_strip(text);
	r = *text ? parse_list(f->row->name, text, NODES_MAX, &list) : 0;
	if (r < 0)
		return r;
	if (cpulist_next(&list, 0) >= 0)
		return refuse(EINVAL, "the only memory node is 0");
	change_begin(&c, f->cg, writer);
	claim_now(&c, cs, &trial);
	trial.mems = cpulist_has(&list, 0);
	r = trial.mems == cs->mems ? 0 : claim_check(&c, cs, &trial);
	if (r < 0)
		return refuse_list(r, f->row->name);
	cs->mems = trial.mems;
	return 0;
}

static int show_mask(const struct emul_open *f, enum cpuset_mask which, struct buf *out)
{
	struct cpuset *cs = cpuset_of(f->cg);
	struct cpulist list = { 0 };

	memcpy(list.bits, cpuset_mask(cs, which), cs->words * sizeof *list.bits);
	cpulist_show(&list, out);
	buf_adds(out, "\n");
	return 0;
}

static int cpus_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return show_mask(f, MASK_CPUS, out);
}

static int effective_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return show_mask(f, MASK_EFFECTIVE, out);
}

static int exclusive_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return show_mask(f, MASK_EXCLUSIVE, out);
}

static int xcpus_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return show_mask(f, MASK_XCPUS, out);
}

static int isolated_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return show_mask(f, MASK_ISOLATED, out);
}

static int mems_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_adds(out, cpuset_of(f->cg)->mems ? "0\n" : "\n");
	return 0;
}

static int effective_mems_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)f;
	(void)reader;
	buf_adds(out, "0\n");
	return 0;
}

/* --- cpuset.cpus.partition --- */

static const char *const part_names[] = { "member", "root", "isolated" };

static const char *part_reason(const struct cpuset *cs)
{
	if (cs->cg->emul->config.version == EMUL_6_1 && cs->error == PART_INVCPUS)
		return "Invalid cpu list in cpuset.cpus";
	if (cs->cg->emul->config.version == EMUL_6_1 && cs->error == PART_CPUSEMPTY)
		return "cpuset.cpus is empty";
	return part_reasons[cs->error];
}

static void set_part(const struct cgroup *cg, const struct caller *writer, int part)
{
	struct cpuset *cs = cpuset_of(cg);
	struct change c;

	change_begin(&c, cg, writer);
	if (c.emul->config.version == EMUL_6_1)
		update_part_old(&c, cs, part);
	else
		update_part(&c, cs, part);
	change_end(&c);
}

static int part_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct cpuset *cs = cpuset_of(f->cg);
	const char *reason = part_reason(cs);

	(void)reader;
	buf_adds(out, part_names[abs(cs->part)]);
	if (part_invalid(cs))
		buf_adds(out, " invalid");
	if (part_invalid(cs) && reason)
		buf_addf(out, " (%s)", reason);
	buf_adds(out, "\n");
	return 0;
}

static int part_write(struct emul_open *f, const struct caller *writer, char *text)
{
	text = parse_strip(text);
	for (size_t i = 0; i < ARRAY_SIZE(part_names); i++) {
		if (strcmp(text, part_names[i]))
			continue;
		set_part(f->cg, writer, (int)i);
		return 0;
	}
	return refuse(EINVAL, "%s takes member, root or isolated", f->row->name);
}

/* --- life --- */

static size_t cpuset_extra(const struct cgroup *cg)
{
	size_t masks = cgroup_is_root(cg) ? MASKS_ROOT : MASKS;

	return masks * cg->emul->cpu_words * sizeof(uint64_t);
}

static void cpuset_init(struct cgroup *cg, struct css *css)
{
	struct cpuset *cs = (struct cpuset *)css;
	const struct emul *e = cg->emul;
	struct change c = { .words = e->cpu_words };
	struct cpulist possible;

	cs->cg = cg;
	cs->words = (uint8_t)e->cpu_words;
	if (!cgroup_is_root(cg)) {
		struct cpuset *parent = cpuset_parent(cs);

		cs->balance = parent->balance;
		cs->inherits = true;
		mask_copy(&c, cpuset_mask(cs, MASK_EFFECTIVE),
			  cpuset_mask(parent, MASK_EFFECTIVE));
		return;
	}
	cs->part = PART_ROOT;
	cs->exclusive = cs->balance = true;
	cpulist_first(&possible, e->n_cpus);
	mask_copy(&c, cpuset_mask(cs, MASK_CPUS), possible.bits);
	mask_copy(&c, cpuset_mask(cs, MASK_EFFECTIVE), e->cpus.bits);
	if (e->config.version == EMUL_6_1)
		return;
	mask_copy(&c, cpuset_mask(cs, MASK_XCPUS), possible.bits);
	mask_copy(&c, cpuset_mask(cs, MASK_EXCLUSIVE), possible.bits);
}

static void cpuset_exit(struct cgroup *cg, struct css *css)
{
	struct cpuset *cs = (struct cpuset *)css;

	/* When all ends, parents end first: nobody is left to give CPUs back to. */
	if (!cgroup_is_root(cg) && cpuset_parent(cs) && part_valid(cs))
		set_part(cg, NULL, PART_MEMBER);
}

#define SINCE_6_12 EMUL_BIT(EMUL_6_1)

const struct emul_file cpuset_files[] = {
	{ .name = "cpuset.cpus",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT | EMUL_LONG | EMUL_MEMBERS_WRITE,
	  .show = cpus_show,
	  .write = cpus_write },
	{ .name = "cpuset.mems",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT | EMUL_LONG | EMUL_MEMBERS_WRITE,
	  .show = mems_show,
	  .write = mems_write },
	{ .name = "cpuset.cpus.effective", .mode = 0444, .show = effective_show },
	{ .name = "cpuset.mems.effective", .mode = 0444, .show = effective_mems_show },
	{ .name = "cpuset.cpus.partition",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES | EMUL_MEMBERS_WRITE,
	  .show = part_show,
	  .write = part_write },
	{ .name = "cpuset.cpus.exclusive",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT | EMUL_LONG | EMUL_MEMBERS_WRITE,
	  .show = exclusive_show,
	  .write = exclusive_write,
	  .not_in = SINCE_6_12 },
	{ .name = "cpuset.cpus.exclusive.effective",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = xcpus_show,
	  .not_in = SINCE_6_12 },
	{ .name = "cpuset.cpus.isolated",
	  .mode = 0444,
	  .flags = ROW_ONLY_ON_ROOT,
	  .show = isolated_show,
	  .not_in = SINCE_6_12 },
	{ 0 },
};

const struct controller cpuset_controller = {
	.name = "cpuset",
	.id = CTRL_CPUSET,
	.threaded = true,
	.css_size = sizeof(struct cpuset),
	.css_extra = cpuset_extra,
	.css_init = cpuset_init,
	.css_exit = cpuset_exit,
};
