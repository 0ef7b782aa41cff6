/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc/diskstats and proc/partitions: the disks that io.stat of the container names, by the names
 * and in the order of the host. Cgroups count no partitions, no times and no merges.
 */
#include "disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "rows.h"

#define SECTOR 512

static struct disk *add_disk(struct disks *d, unsigned major, unsigned minor)
{
	struct disk *grown = reallocarray(d->disk, d->n + 1, sizeof *grown);

	if (!grown)
		return NULL;
	d->disk = grown;
	grown[d->n] = (struct disk){ .major = major, .minor = minor };
	return &grown[d->n++];
}

/* Those that are unknown are of a policy (io.cost) or a later kernel. */
static void set_value(struct disk *disk, const char *word)
{
	const struct {
		const char *key;
		uint64_t *value;
	} keys[] = {
		{ "rbytes=", &disk->rbytes }, { "wbytes=", &disk->wbytes },
		{ "dbytes=", &disk->dbytes }, { "rios=", &disk->rios },
		{ "wios=", &disk->wios },     { "dios=", &disk->dios },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strncmp(word, keys[i].key, strlen(keys[i].key)) == 0)
			*keys[i].value = strtoull(word + strlen(keys[i].key), NULL, 10);
	}
}

int disks_parse(const char *text, struct disks *ret_disks)
{
	struct disks d = { 0 };
	struct disk *disk = NULL;
	size_t len;

	for (text += strspn(text, " \n"); *text; text += len + strspn(text + len, " \n")) {
		unsigned major, minor;

		len = strcspn(text, " \n");
		if (sscanf(text, "%u:%u", &major, &minor) == 2)
			disk = add_disk(&d, major, minor);
		else if (disk)
			set_value(disk, text);
		if (!disk) {
			free(d.disk);
			return d.n ? -ENOMEM : -EIO;
		}
	}
	*ret_disks = d;
	return 0;
}

static const struct disk *find_disk(const struct disks *d, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->disk[i].major == major && d->disk[i].minor == minor)
			return &d->disk[i];
	}
	return NULL;
}

/* The length of a line with its end: 0 behind the last one. */
static size_t line_len(const char *line)
{
	size_t len = strcspn(line, "\n");

	return len + (line[len] == '\n');
}

/* As diskstats_show(): 20 fields, of which cgroups know eight. */
static void show_disk(const struct disk *d, const char *name, int name_len, struct buf *out)
{
	buf_addf(out, "%4u %7u %.*s %llu 0 %llu 0 %llu 0 %llu 0 0 0 0 %llu 0 %llu 0 0 0\n",
		 d->major, d->minor, name_len, name, (unsigned long long)d->rios,
		 (unsigned long long)d->rbytes / SECTOR, (unsigned long long)d->wios,
		 (unsigned long long)d->wbytes / SECTOR, (unsigned long long)d->dios,
		 (unsigned long long)d->dbytes / SECTOR);
}

void render_diskstats(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	for (const char *line = buf_text(&s->text); *line; line += line_len(line)) {
		const struct disk *disk;
		unsigned major, minor;
		int at = 0;

		if (sscanf(line, "%u %u %n", &major, &minor, &at) < 2 || !at)
			continue;
		disk = find_disk(&s->disks, major, minor);
		if (disk)
			show_disk(disk, line + at, (int)strcspn(line + at, " \n"), out);
	}
}

/* The head stays, and lines of the container's disks. */
void render_partitions(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	for (const char *line = buf_text(&s->text); *line; line += line_len(line)) {
		unsigned major, minor;
		bool of_disk = *line != '\n' && sscanf(line, "%u %u", &major, &minor) == 2;

		if (!of_disk || find_disk(&s->disks, major, minor))
			buf_add(out, line, line_len(line));
	}
}
