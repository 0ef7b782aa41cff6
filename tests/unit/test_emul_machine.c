/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Controllers whose files speak of what the machine has: io, hugetlb, rdma, misc, dmem. And what
 * the versions of the kernel differ in beyond the recordings.
 */
#include <malloc.h>

#include "emul/cgroup.h"
#include "emul_fixture.h"
#include "suite.h"

/* "c" in "p", both with every controller. */
static void setup(struct emul_config config)
{
	cleanup_buf struct buf have = { 0 }, text = { 0 };
	char *rest, *word;

	emul_setup_config(config);
	ck_assert_int_eq(do_read("cgroup.controllers", &have), 0);
	rest = have.data;
	while ((word = strsep(&rest, " \n"))) {
		if (*word)
			buf_addf(&text, "+%s ", word);
	}
	ck_assert_int_eq(do_write("cgroup.subtree_control", buf_text(&text)), 0);
	make_dirs("p");
	ck_assert_int_eq(do_write("p/cgroup.subtree_control", buf_text(&text)), 0);
	make_dirs("p/c");
}

static void setup_rich(void)
{
	setup((struct emul_config){
		.version = EMUL_6_18,
		.devices = "8:0/mq 8:16/mq 9:0",
		.misc = "sev=10 gadgets=3",
		.rdma = "mlx4_0 rxe0",
		.dmem = "drm/card0/vram0=4294967296 drm/card0/stolen=67108864",
	});
}

static struct cgroup *cgroup_at(const char *path)
{
	return cgroup_by_id(emul_of(tree), (uint32_t)((node_at(path) - TREE_ROOT) / 256));
}

/* Texts written to one file after the other, each with what is answered and what is read then. */
struct written {
	const char *text;
	int error;
	const char *reads;
};

static void play(const char *path, const struct written *w)
{
	for (; w->text; w++) {
		cleanup_buf struct buf got = { 0 };
		int r = do_write(path, w->text);

		ck_assert_msg(r == -w->error, "%s: \"%s\" gives %s, not %s", path, w->text,
			      strerror(-r), strerror(w->error));
		if (w->error)
			ck_assert_str_ne(why_take(), "");
		ck_assert_int_eq(do_read(path, &got), 0);
		ck_assert_msg(!strcmp(buf_text(&got), w->reads), "%s: \"%s\": reads \"%s\"", path,
			      w->text, buf_text(&got));
	}
}

/* --- io ------------------------------------------------------------------------------------- */

#define IO_LINE "8:0 rbps=7 wbps=max riops=max wiops=max\n"

static const struct written io_max[] = {
	{ "8:0 rbps=7", 0, IO_LINE },
	{ "8:0 rbps=9 wbps=x", EINVAL, IO_LINE }, /* all or nothing */
	{ "8:1 rbps=7", ENODEV, IO_LINE },
	{ "8:0\vrbps=7", 0, IO_LINE },
	{ "0:8388608 rbps=7", 0, IO_LINE }, /* 8 << 20 */
	{ "4294967304:0 rbps=7", 0, IO_LINE }, /* mod 2^32 */
	{ "8: 0 rbps=7", 0, IO_LINE },
	{ "8 :0 rbps=7", EINVAL, IO_LINE },
	/* A token ends after 26 bytes, and the next one begins. */
	{ "8:0 rbps=00000000000000000000000012", ERANGE, IO_LINE },
	{ "9:0 wiops=3 riops=5", 0, "9:0 rbps=max wbps=max riops=5 wiops=3\n" IO_LINE },
	{ "8:0 rbps=max", 0, "9:0 rbps=max wbps=max riops=5 wiops=3\n" },
	{ NULL },
};

START_TEST(io_limits)
{
	setup_rich();
	play("p/c/io.max", io_max);
	/* Whatever was asked of a device, it is in io.stat from then on, also above. */
	assert_read("p/c/io.stat", "9:0 \n8:0 \n");
	assert_read("p/io.stat", "9:0 \n8:0 \n");
	assert_read("io.stat", "9:0 \n8:16 \n8:0 \n");
	ck_assert_int_eq(do_write("p/io.max", "8:16 foo=1"), -EINVAL);
	assert_read("p/io.stat", "8:16 \n9:0 \n8:0 \n");
	assert_read("p/c/io.stat", "9:0 \n8:0 \n");
	emul_teardown();
}
END_TEST

START_TEST(io_accounting)
{
	const struct io_stats some = { .rbytes = 4096, .rios = 1 }, more = { .wbytes = 512,
									     .wios = 2,
									     .dbytes = 7,
									     .dios = 1 };

	setup_rich();
	make_dirs("p/c/no");
	ck_assert_int_eq(io_account(cgroup_at("p/c/no"), 8, 0, &some), 0);
	ck_assert_int_eq(io_account(cgroup_at("p"), 8, 0, &more), 0);
	ck_assert_int_eq(io_account(cgroup_at("p"), 8, 1, &more), -ENODEV);
	assert_read("p/c/io.stat",
		    "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
	assert_read("p/io.stat",
		    "8:0 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=7 dios=1\n");
	assert_read("io.stat", "9:0 \n8:16 \n"
			       "8:0 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=7 dios=1\n");
	emul_teardown();
}
END_TEST

#define AUTO "rpct=0.00 rlat=250000 wpct=0.00 wlat=250000 min=1.00 max=10000.00\n"
#define QOS(enable, ctrl, rest) "8:0 enable=" enable " ctrl=" ctrl " " rest

static const struct written io_qos[] = {
	{ "8:0", EINVAL, "" },
	{ "9:0 enable=1", EOPNOTSUPP, "" },
	{ "8:0 enable", EINVAL, QOS("0", "auto", AUTO) },
	{ "8:0 enable=1x", EINVAL, QOS("0", "auto", AUTO) },
	{ "8:0 enable=+1", EINVAL, QOS("0", "auto", AUTO) },
	{ "8:0 enable=2", 0, QOS("1", "auto", AUTO) },
	{ "8:0 ctrl=foo", EINVAL, QOS("1", "auto", AUTO) },
	{ "8:0 rpct=95.5 rlat=75000", 0,
	  QOS("1", "user", "rpct=95.50 rlat=75000 wpct=0.00 wlat=250000 min=1.00 max=10000.00\n") },
	{ "8:0 ctrl=auto", 0, QOS("1", "auto", AUTO) },
	{ "8:0 min=50 max=150.00 enable=0", 0,
	  QOS("0", "user", "rpct=0.00 rlat=250000 wpct=0.00 wlat=250000 min=50.00 max=150.00\n") },
	{ "8:0 min=200", EINVAL,
	  QOS("0", "user", "rpct=0.00 rlat=250000 wpct=0.00 wlat=250000 min=50.00 max=150.00\n") },
	{ "8:0 min=0 max=1000000", 0, QOS("0", "user", AUTO) },
	{ "8:0 rpct=100.01", EINVAL, QOS("0", "user", AUTO) },
	{ "8:0 rpct=-1", EINVAL, QOS("0", "user", AUTO) },
	{ "8:0 rlat=99999999999999999999", EINVAL, QOS("0", "user", AUTO) },
	{ "8:0 foo=1", EINVAL, QOS("0", "user", AUTO) },
	{ "8:0 rpct=50.-05", EINVAL, QOS("0", "user", AUTO) },
	{ "8:0 rpct=.5", EINVAL, QOS("0", "user", AUTO) },
	{ "8:0 rpct=-0.005x wpct=99.995", 0,
	  QOS("0", "user",
	      "rpct=0.01 rlat=250000 wpct=100.00 wlat=250000 min=1.00 max=10000.00\n") },
	{ NULL },
};

#define MODEL(ctrl, rest) "8:0 ctrl=" ctrl " model=linear " rest "\n"
#define DISK \
	"rbps=174019176 rseqiops=41708 rrandiops=370 wbps=178075866 wseqiops=42705 wrandiops=378"

static const struct written io_model[] = {
	{ "8:0 model=cubic", EINVAL, MODEL("auto", DISK) },
	{ "8:0 rbps=1 wbps=2 rseqiops=3 rrandiops=4 wseqiops=5 wrandiops=06", 0,
	  MODEL("user", "rbps=1 rseqiops=3 rrandiops=4 wbps=2 wseqiops=5 wrandiops=6") },
	{ "8:0 ctrl=auto model=linear", 0, MODEL("auto", DISK) },
	{ NULL },
};

static const struct written io_weight[] = {
	{ "8:0 200", 0, "default 100\n8:0 200\n" },
	{ "8:16 200", EOPNOTSUPP, "default 100\n8:0 200\n" },
	{ "8:0 10001", EINVAL, "default 100\n8:0 200\n" },
	{ "default 7", 0, "default 7\n8:0 200\n" },
	{ "8:0 default 5", 0, "default 7\n" },
	{ NULL },
};

START_TEST(io_cost)
{
	setup_rich();
	ck_assert_int_eq(do_write("p/c/io.weight", "8:0 200"), -EOPNOTSUPP);
	play("io.cost.qos", io_qos);
	play("io.cost.model", io_model);
	play("p/c/io.weight", io_weight);
	emul_teardown();
}
END_TEST

/* --- rdma, misc, dmem ----------------------------------------------------------------------- */

#define RDMA(first) \
	"mlx4_0 " first " \nrxe0 hca_handle=max hca_object=max \n"

static const struct written rdma_max[] = {
	{ "mlx4_0", 0, RDMA("hca_handle=max hca_object=max") },
	{ "mlx4_0 hca_handle=2", 0, RDMA("hca_handle=2 hca_object=max") },
	{ "mlx4_0 hca_object=0x10 hca_handle=3junk", 0, RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0 hca_handle=-1", EINVAL, RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0 hca_handle=1 foo=2", EINVAL, RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0 hca_handle=-9223372036854775808", EINVAL, RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0 hca_handle=18446744073709551617", 0, RDMA("hca_handle=1 hca_object=16") },
	{ "mlx4_0 hca_handle=3", 0, RDMA("hca_handle=3 hca_object=16") },
	{ "nothing hca_handle=1", ENODEV, RDMA("hca_handle=3 hca_object=16") },
	{ "nothing foo=1", EINVAL, RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0  hca_handle=1", EINVAL, RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0 hca_handle=000000000000000000000001", EINVAL,
	  RDMA("hca_handle=3 hca_object=16") },
	{ "mlx4_0 hca_handle=ma hca_object=", 0, RDMA("hca_handle=max hca_object=max") },
	{ NULL },
};

static const struct written misc_max[] = {
	{ "gadgets 2", 0, "sev max\ngadgets 2\n" },
	{ "sev 18446744073709551615", 0, "sev max\ngadgets 2\n" },
	{ "sev 18446744073709551616", ERANGE, "sev max\ngadgets 2\n" },
	{ "sev_es 99999999999999999999", ERANGE, "sev max\ngadgets 2\n" },
	{ "sev_es 9", EINVAL, "sev max\ngadgets 2\n" },
	{ "sev  1", EINVAL, "sev max\ngadgets 2\n" },
	{ "gadgets\t2", EINVAL, "sev max\ngadgets 2\n" },
	{ " gadgets 0x3\n", 0, "sev max\ngadgets 3\n" },
	{ "gadgets max", 0, "sev max\ngadgets max\n" },
	{ NULL },
};

#define DMEM(vram) "drm/card0/vram0 " vram "\ndrm/card0/stolen max\n"

static const struct written dmem_max[] = {
	{ "drm/card0/vram0 1M", 0, DMEM("1048576") },
	{ "\n\ndrm/card0/vram0\t2M\n", 0, DMEM("2097152") },
	{ "drm/card0/vram0 3M\nnothing 5\ndrm/card0/vram0 7M", EINVAL, DMEM("3145728") },
	{ "drm/card0/vram0", EINVAL, DMEM("3145728") },
	{ "drm/card0/vram0 1 2", EINVAL, DMEM("3145728") },
	{ "drm/card0/vram0  1M", EINVAL, DMEM("3145728") },
	{ "drm/card0/vram0 2251799813685247", 0, DMEM("max") },
	{ "drm/card0/vram0 2251799813685246", 0, DMEM("2251799813685246") },
	{ "drm/card0/vram0 max", 0, DMEM("max") },
	{ NULL },
};

START_TEST(resources)
{
	setup_rich();
	assert_read("p/c/cgroup.controllers", emul_has(emul_of(tree), CTRL_CPUSET) ?
		    "cpuset cpu io memory hugetlb pids rdma misc dmem\n" :
		    "cpu io memory hugetlb pids rdma misc dmem\n");
	play("p/c/rdma.max", rdma_max);
	assert_read("p/c/rdma.current", "mlx4_0 hca_handle=0 hca_object=0 \n"
					"rxe0 hca_handle=0 hca_object=0 \n");
	play("p/c/misc.max", misc_max);
	assert_read("misc.capacity", "sev 10\ngadgets 3\n");
	play("p/c/dmem.max", dmem_max);
	assert_read("p/c/dmem.low", "drm/card0/vram0 0\ndrm/card0/stolen 0\n");
	assert_read("p/c/dmem.current", "drm/card0/vram0 0\ndrm/card0/stolen 0\n");
	assert_read("dmem.capacity", "drm/card0/vram0 4294967296\ndrm/card0/stolen 67108864\n");
	/* Defaults come back with the controller. */
	ck_assert_int_eq(do_write("p/c/misc.max", "sev 1"), 0);
	ck_assert_int_eq(do_write("p/cgroup.subtree_control", "-misc"), 0);
	ck_assert_int_eq(do_write("p/cgroup.subtree_control", "+misc"), 0);
	assert_read("p/c/misc.max", "sev max\ngadgets max\n");
	emul_teardown();
}
END_TEST

START_TEST(misc_charges)
{
	struct cgroup *p, *c;

	setup_rich();
	p = cgroup_at("p");
	c = cgroup_at("p/c");
	ck_assert_int_eq(do_write("p/misc.max", "gadgets 2"), 0);
	ck_assert_int_eq(misc_charge(c, "gadgets", 2), 0);
	changes_forget();
	assert_refused(misc_charge(c, "gadgets", 1), EBUSY);
	ck_assert_uint_eq(changes_of("p/misc.events"), 1);
	ck_assert_uint_eq(changes_of("p/misc.events.local"), 1);
	ck_assert_uint_eq(changes_of("p/c/misc.events"), 0);
	assert_read("p/c/misc.current", "sev 0\ngadgets 2\n");
	assert_read("misc.current", "sev 0\ngadgets 2\n");
	assert_read("p/misc.events", "sev.max 0\ngadgets.max 1\n");
	assert_read("p/misc.events.local", "sev.max 0\ngadgets.max 1\n");
	assert_read("p/c/misc.events", "sev.max 0\ngadgets.max 0\n");
	misc_uncharge(c, "gadgets", 1);
	assert_read("p/misc.current", "sev 0\ngadgets 1\n");
	assert_read("p/c/misc.peak", "sev 0\ngadgets 3\n"); /* it was there for a moment */
	/* No more than there is, whatever the limits are. */
	ck_assert_int_eq(do_write("p/misc.max", "gadgets max"), 0);
	assert_refused(misc_charge(p, "gadgets", UINT64_MAX), EBUSY);
	assert_refused(misc_charge(p, "sev_es", 1), EINVAL);
	assert_refused(misc_charge(p, "nothing", 1), EINVAL);
	emul_teardown();
}
END_TEST

static const struct emul_config nonsense[] = {
	{ .devices = "8" },
	{ .devices = "08:0" },
	{ .devices = "8:0/nq" },
	{ .devices = "8:0 8:0" },
	{ .misc = "sev" },
	{ .misc = "=1" },
	{ .dmem = "a=x" },
	{ .controllers = "memory bogus" },
	{ .controllers = "memory/v2" },
};

START_TEST(no_machine)
{
	struct emul_config config = nonsense[_i];

	fake = fake_new();
	config.tasks = &fake->tasks;
	assert_refused(emul_new(&config, &tree), EINVAL);
	tasks_free(&fake->tasks);
}
END_TEST

/* --- hugetlb -------------------------------------------------------------------------------- */

START_TEST(hugetlb_events)
{
	setup_rich();
	changes_forget();
	hugetlb_event(cgroup_at("p/c"), 1, 2);
	ck_assert_uint_eq(changes_of("p/hugetlb.1GB.events"), 1);
	ck_assert_uint_eq(changes_of("p/hugetlb.1GB.events.local"), 0);
	ck_assert_uint_eq(changes_of("p/c/hugetlb.1GB.events.local"), 1);
	ck_assert_uint_eq(changes_of("p/c/hugetlb.2MB.events"), 0);
	assert_read("p/hugetlb.1GB.events", "max 2\n");
	assert_read("p/hugetlb.1GB.events.local", "max 0\n");
	assert_read("p/c/hugetlb.1GB.events.local", "max 2\n");
	assert_read("p/c/hugetlb.2MB.events", "max 0\n");
	emul_teardown();
}
END_TEST

/* --- versions ------------------------------------------------------------------------------- */

/* Which cgroups count a fork that was refused: its own, the one with the limit, one above. */
START_TEST(refused_forks)
{
	static const enum emul_version versions[] = { EMUL_6_12, EMUL_6_1 };
	bool old = versions[_i] == EMUL_6_1;

	setup((struct emul_config){ .version = versions[_i] });
	make_dirs("p/c/d");
	ck_assert_int_eq(do_write("p/c/cgroup.subtree_control", "+pids"), 0);
	pids_refused(cgroup_at("p/c/d"), cgroup_at("p/c"), 3);
	assert_read("p/c/d/pids.events", old ? "max 3\n" : "max 0\n");
	assert_read("p/c/pids.events", old ? "max 0\n" : "max 3\n");
	assert_read("p/pids.events", old ? "max 0\n" : "max 3\n");
	ck_assert_int_eq(node_at("p/c/pids.events.local") == 0, old);
	emul_teardown();
}
END_TEST

START_TEST(idle_weight)
{
	static const enum emul_version versions[] = { EMUL_6_12, EMUL_6_1 };

	setup((struct emul_config){ .version = versions[_i] });
	ck_assert_int_eq(do_write("p/c/cpu.idle", "1"), 0);
	assert_read("p/c/cpu.weight", versions[_i] == EMUL_6_1 ? "0\n" : "1\n");
	emul_teardown();
}
END_TEST

START_TEST(names_by_version)
{
	setup((struct emul_config){ .version = EMUL_6_12 });
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+dmem"), -EINVAL);
	ck_assert_int_eq(do_write("p/c/misc.max", "tdx 99999999999999999999"), -EINVAL);
	ck_assert_int_eq(do_write("p/c/memory.reclaim", "0 swappiness=max"), -EINVAL);
	ck_assert_uint_eq(node_at("p/c/cgroup.stat.local"), 0);
	emul_teardown();
	setup((struct emul_config){ .version = EMUL_6_18 });
	ck_assert_int_eq(do_write("p/c/misc.max", "tdx 99999999999999999999"), -ERANGE);
	ck_assert_int_eq(do_write("p/c/memory.reclaim", "0 swappiness=max"), 0);
	emul_teardown();
}
END_TEST

/* frozen_usec counts from the order on, also for what is born frozen, and once. */
START_TEST(frozen_time_counts)
{
	setup((struct emul_config){ .version = EMUL_6_18 });
	fake->now += 5000;
	assert_read("p/c/cgroup.stat.local", "frozen_usec 0\n");
	ck_assert_int_eq(do_write("p/cgroup.freeze", "1"), 0);
	fake->now += 3000;
	ck_assert_int_eq(do_write("p/c/cgroup.freeze", "1"), 0);
	make_dirs("p/new");
	fake->now += 4000;
	assert_read("p/c/cgroup.stat.local", "frozen_usec 7\n");
	assert_read("p/new/cgroup.stat.local", "frozen_usec 4\n");
	ck_assert_int_eq(do_write("p/cgroup.freeze", "0"), 0);
	fake->now += 1000;
	assert_read("p/cgroup.stat.local", "frozen_usec 7\n");
	assert_read("p/new/cgroup.stat.local", "frozen_usec 4\n");
	assert_read("p/c/cgroup.stat.local", "frozen_usec 8\n");
	ck_assert_uint_eq(node_at("cgroup.stat.local"), 0);
	emul_teardown();
}
END_TEST

START_TEST(removed_controllers)
{
	struct tree_file *file;

	setup((struct emul_config){ .controllers = "memory perf_event pids cpu/v1" });
	make_dirs("p/c/d");
	assert_read("p/cgroup.stat", "nr_descendants 2\nnr_subsys_memory 2\n"
				     "nr_subsys_perf_event 3\nnr_subsys_pids 2\n"
				     "nr_dying_descendants 0\nnr_dying_subsys_memory 0\n"
				     "nr_dying_subsys_perf_event 0\nnr_dying_subsys_pids 0\n");
	/* An open file does not keep a cgroup dying, as in the kernel. */
	file = open_file("p/c/cgroup.procs");
	ck_assert_int_eq(do_rmdir("p/c/d"), 0);
	ck_assert_int_eq(do_rmdir("p/c"), 0);
	assert_read("p/cgroup.stat", "nr_descendants 0\nnr_subsys_memory 1\n"
				     "nr_subsys_perf_event 1\nnr_subsys_pids 1\n"
				     "nr_dying_descendants 0\nnr_dying_subsys_memory 0\n"
				     "nr_dying_subsys_perf_event 0\nnr_dying_subsys_pids 0\n");
	file->ops->close(file);
	emul_teardown();
}
END_TEST

/* --- size ----------------------------------------------------------------------------------- */

#define MANY 20000
#define BYTES_EACH 2048

START_TEST(small_cgroups)
{
	size_t before, after;
	char path[32];

	setup((struct emul_config){ .devices = "8:0/mq" });
	before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "p/container-%d", i);
		ck_assert_int_eq(do_mkdir(path), 0);
	}
	after = mallinfo2().uordblks;
	printf("a cgroup with every controller: %zu bytes\n", (after - before) / MANY);
	/* A sanitizer's allocator does not count. */
	ck_assert(after > before || !before);
	ck_assert_uint_le((after - before) / MANY, BYTES_EACH);
	emul_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_machine");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, io_limits);
	tcase_add_test(tc, io_accounting);
	tcase_add_test(tc, io_cost);
	tcase_add_test(tc, resources);
	tcase_add_test(tc, misc_charges);
	tcase_add_loop_test(tc, no_machine, 0, ARRAY_SIZE(nonsense));
	tcase_add_test(tc, hugetlb_events);
	tcase_add_loop_test(tc, refused_forks, 0, 2);
	tcase_add_loop_test(tc, idle_weight, 0, 2);
	tcase_add_test(tc, names_by_version);
	tcase_add_test(tc, frozen_time_counts);
	tcase_add_test(tc, removed_controllers);
	tcase_add_test(tc, small_cgroups);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
