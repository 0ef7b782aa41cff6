/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The path of a node, for messages: "/a/memory.max" in the tree, "proc/meminfo" and others from the
 * root of the mount. */
#include <stdio.h>

#include "session.h"

#define VIEW_DEPTH 8 /* no view lies deeper */
#define VIEW_SEARCHED 64 /* entries of a directory: of many CPUs not all */

/* The entry of a view that is slot, by a number if its name is not found. */
static void find_entry(struct server *s, uint64_t container, unsigned slot,
		       struct view_entry *ret_entry)
{
	for (size_t n = 0; n < VIEW_SEARCHED; n++) {
		if (view_list(s->config.view, container, view_parent(slot), n, ret_entry) < 0)
			break;
		if (ret_entry->slot == slot)
			return;
	}
	snprintf(ret_entry->name, sizeof ret_entry->name, "slot%u", slot);
}

static void view_path(struct server *s, uint64_t node, struct buf *out)
{
	uint64_t container = node_container(node);
	uint64_t whose = container == NODE_CALLER ? TREE_ROOT : container;
	struct view_entry e[VIEW_DEPTH];
	unsigned slot = node_slot(node), depth = 0;

	for (; slot != VIEW_TOP && depth < VIEW_DEPTH; slot = view_parent(slot))
		find_entry(s, whose, slot, &e[depth++]);
	if (container != NODE_CALLER)
		buf_addf(out, "view/%llu", (unsigned long long)container);
	while (depth-- > 0)
		buf_addf(out, "%s%s", out->len ? "/" : "", e[depth].name);
}

static void tree_node_path(struct server *s, uint64_t node, struct buf *out)
{
	size_t before = out->len;

	if (tree_path(s->config.tree, node, out) < 0) {
		buf_cut(out, before);
		buf_addf(out, "node %llu", (unsigned long long)node);
	}
}

void node_path(struct server *s, uint64_t node, struct buf *out)
{
	switch (node_kind(node)) {
	case NODE_TREE:
		tree_node_path(s, node_rest(node), out);
		break;
	case NODE_VIEW:
		view_path(s, node, out);
		break;
	case NODE_LINK:
		buf_addf(out, "view/%llu/cgroup", (unsigned long long)node_rest(node));
		break;
	default:
		if (node >= TOP_CTL_FILE)
			buf_addf(out, "ctl/%s", ctl_name(s, node - TOP_CTL_FILE) ?: "");
		else if (node != TOP_ROOT)
			buf_adds(out, node == TOP_CTL ? "ctl" : "view");
	}
}
