/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup.controllers and cgroup.subtree_control: which cgroup has which controllers. A controller's
 * state in a cgroup lives as long as the parent's subtree_control enables it.
 */
#include <errno.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

#define BIT_OF(ctrl) (1u << (ctrl))

uint16_t control_of(const struct cgroup *cg)
{
	uint16_t mask = 0;

	for (int i = 0; i < CTRL_COUNT; i++) {
		const struct controller *c = emul_controllers[i];

		if (!emul_has(cg->emul, i) || c->implicit || (cg->threaded && !c->threaded))
			continue;
		if (cgroup_is_root(cg) || (cg->parent->subtree_control & BIT_OF(i)))
			mask |= (uint16_t)BIT_OF(i);
	}
	return mask;
}

void control_show(uint16_t mask, struct buf *out)
{
	const char *gap = "";

	for (int i = 0; i < CTRL_COUNT; i++) {
		if (mask & BIT_OF(i)) {
			buf_addf(out, "%s%s", gap, emul_ctrl_names[i]);
			gap = " ";
		}
	}
	if (*gap)
		buf_adds(out, "\n");
}

/* What cgroup.stat counts: where io is on, the kernel has memory on, hidden if not asked for. */
static bool counts(const struct cgroup *cg, int ctrl)
{
	return cg->css[ctrl] || (ctrl == CTRL_MEMORY && cg->css[CTRL_IO]);
}

/* A controller of cg comes or goes. */
static void set_css(struct cgroup *cg, int ctrl, struct css *css)
{
	bool memory = counts(cg, CTRL_MEMORY), before = counts(cg, ctrl);

	cg->css[ctrl] = css;
	for (struct cgroup *up = cg; up; up = up->parent) {
		up->nr_css[ctrl] += (unsigned)counts(cg, ctrl) - (unsigned)before;
		if (ctrl != CTRL_MEMORY)
			up->nr_css[CTRL_MEMORY] += (unsigned)counts(cg, CTRL_MEMORY) -
						   (unsigned)memory;
	}
}

static int css_new(struct cgroup *cg, int ctrl, const struct caller *who)
{
	const struct controller *c = emul_controllers[ctrl];
	const char *name;
	struct css *css;

	if (rows_clash(cg, c->id, &name))
		return refuse(EEXIST,
			      "the child cgroup \"%s\" of \"%s\" has the name of a file of %s",
			      name, cg->name, c->name);
	css = calloc(1, c->css_size + (c->css_extra ? c->css_extra(cg) : 0));
	if (!css)
		return -ENOMEM;
	css->serial = ++cg->emul->next_serial;
	css->uid = who->uid;
	css->gid = who->gid;
	set_css(cg, ctrl, css);
	if (c->css_init)
		c->css_init(cg, css);
	return 0;
}

static void css_free(struct cgroup *cg, int ctrl)
{
	const struct controller *c = emul_controllers[ctrl];
	struct css *css;

	for (size_t i = 0; (cg->attrs || cg->xattrs) && i < emul_n_tables; i++) {
		const struct emul_table *table = &emul_tables[i];
		unsigned n = 0;

		while (table->rows[n].name)
			n++;
		if (table->ctrl == c->id)
			node_drop(cg, table->first, table->first + n);
	}
	if (c->css_exit)
		c->css_exit(cg, cg->css[ctrl]);
	css = cg->css[ctrl];
	set_css(cg, ctrl, NULL);
	free(css);
}

/* Makes what is in want and not there yet; *ret_made says what that was, also on failure. */
static int css_make(struct cgroup *cg, uint16_t want, const struct caller *who, uint16_t *ret_made)
{
	*ret_made = 0;
	for (int i = 0; i < CTRL_COUNT; i++) {
		int r;

		if (!(want & BIT_OF(i)) || cg->css[i])
			continue;
		r = css_new(cg, i, who);
		if (r < 0)
			return r;
		*ret_made |= (uint16_t)BIT_OF(i);
	}
	return 0;
}

static void css_drop(struct cgroup *cg, uint16_t mask)
{
	for (int i = 0; i < CTRL_COUNT; i++) {
		if ((mask & BIT_OF(i)) && cg->css[i])
			css_free(cg, i);
	}
}

int control_apply(struct cgroup *cg, const struct caller *who)
{
	uint16_t want = control_of(cg), made;
	int r = css_make(cg, want, who, &made);

	if (r < 0)
		css_drop(cg, made);
	else
		css_drop(cg, (uint16_t)~want);
	return r;
}

void control_dying(struct cgroup *cg, int by)
{
	for (int i = 0; by > 0 && i < CTRL_COUNT; i++) {
		if (counts(cg, i) || (emul_has(cg->emul, i) && emul_controllers[i]->implicit))
			cg->dying_css |= (uint16_t)BIT_OF(i);
	}
	for (struct cgroup *up = cg->parent; up; up = up->parent) {
		for (int i = 0; i < CTRL_COUNT; i++) {
			if (cg->dying_css & BIT_OF(i))
				up->nr_dying_css[i] += (unsigned)by;
		}
	}
}

void control_exit(struct cgroup *cg)
{
	css_drop(cg, UINT16_MAX);
}

/* Which controllers to switch on and off. */
struct change {
	uint16_t enable, disable;
};

static int ctrl_find(const struct emul *e, const char *name)
{
	for (int i = 0; i < CTRL_COUNT; i++) {
		if (((e->machine.known >> i) & 1) && !strcmp(emul_ctrl_names[i], name))
			return i;
	}
	return -1;
}

static int parse_change(const struct emul *e, char *text, struct change *ret_change)
{
	struct change change = { 0 };
	char *token;

	text = parse_strip(text);
	while ((token = strsep(&text, " "))) {
		int ctrl;

		if (!*token)
			continue;
		if (*token != '+' && *token != '-')
			return refuse(EINVAL, "\"%s\" begins neither with + nor with -", token);
		ctrl = ctrl_find(e, token + 1);
		if (ctrl < 0)
			return refuse(EINVAL, "\"%s\" is no controller of this kernel", token + 1);
		if (*token == '+') {
			change.enable |= (uint16_t)BIT_OF(ctrl);
			change.disable &= (uint16_t)~BIT_OF(ctrl);
		} else {
			change.disable |= (uint16_t)BIT_OF(ctrl);
			change.enable &= (uint16_t)~BIT_OF(ctrl);
		}
	}
	*ret_change = change;
	return 0;
}

static const struct cgroup *child_using(const struct cgroup *cg, int ctrl)
{
	for (const struct cgroup *child = cg->children; child; child = child->hh.next) {
		if (child->subtree_control & BIT_OF(ctrl))
			return child;
	}
	return NULL;
}

/* Drops from change what is so already, and refuses what parent or children do not allow. */
static int reduce_change(const struct cgroup *cg, struct change *change)
{
	uint16_t granted = control_of(cg);

	change->enable &= (uint16_t)~cg->subtree_control;
	change->disable &= cg->subtree_control;
	for (int i = 0; i < CTRL_COUNT; i++) {
		const struct cgroup *user;

		if ((change->enable & BIT_OF(i)) && !(granted & BIT_OF(i)))
			return refuse(ENOENT, "%s is not in cgroup.controllers: %s",
				      emul_ctrl_names[i],
				      emul_has(cg->emul, i) ?
					      "the parent's subtree_control lacks it" :
					      "it is not available here");
		if (!(change->disable & BIT_OF(i)))
			continue;
		user = child_using(cg, i);
		if (user)
			return refuse(EBUSY, "the child \"%s\" has %s in its subtree_control",
				      user->name, emul_ctrl_names[i]);
	}
	return 0;
}

/* cgroup_vet_subtree_control_enable() */
static int vet_enable(const struct cgroup *cg, uint16_t enable)
{
	bool domain = false;

	if (!enable)
		return 0;
	if (!type_is_valid_domain(type_domain(cg)))
		return refuse(EOPNOTSUPP, "the cgroup's type is \"%s\"", type_name(cg));
	if (cgroup_is_root(cg))
		return 0;
	for (int i = 0; i < CTRL_COUNT; i++)
		domain |= (enable & BIT_OF(i)) && !emul_controllers[i]->threaded;
	if (domain && (cg->threaded || type_is_thread_root(cg)))
		return refuse(EOPNOTSUPP, "a \"%s\" cgroup can enable only threaded controllers",
			      type_name(cg));
	if (!domain && (cg->threaded || type_can_be_thread_root(cg)))
		return 0;
	if (cgroup_has_tasks(cg))
		return refuse(EBUSY, "the cgroup has %u processes (no internal processes rule)",
			      cg->n_members);
	return 0;
}

/* All children get and lose state, or none does. */
static int apply_children(struct cgroup *cg, uint16_t enable, uint16_t disable,
			  const struct caller *who)
{
	struct cgroup *child, *undo;
	int r = 0;

	for (child = cg->children; child && r == 0; child = child->hh.next) {
		uint16_t made;

		r = css_make(child, control_of(child) & enable, who, &made);
		if (r < 0)
			css_drop(child, made);
		if (r < 0)
			break;
	}
	if (r < 0) {
		for (undo = cg->children; undo != child; undo = undo->hh.next)
			css_drop(undo, enable);
		return r;
	}
	for (child = cg->children; child; child = child->hh.next)
		css_drop(child, disable);
	return 0;
}

int control_write(struct emul_open *f, const struct caller *who, char *text)
{
	struct cgroup *cg = f->cg;
	uint16_t before = cg->subtree_control;
	struct change change = { 0 };
	int r = parse_change(cg->emul, text, &change);

	if (r == 0)
		r = reduce_change(cg, &change);
	if (r == 0)
		r = vet_enable(cg, change.enable);
	if (r < 0)
		return r;
	cg->subtree_control |= change.enable;
	cg->subtree_control &= (uint16_t)~change.disable;
	r = apply_children(cg, change.enable, change.disable, who);
	if (r < 0)
		cg->subtree_control = before;
	else if (change.disable & BIT_OF(CTRL_CPUSET))
		emul_affinity(cg); /* members have the CPUs of cg itself again */
	return r;
}
