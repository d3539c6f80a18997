/* bench/fit.h and bench/latency.h: coefficients that are known come back from made-up counts, and
 * made-up boards of known CPI are estimated as the model says, the held-out one from the others.
 */
#include "bench/latency.h"
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s", err->message);
}

/* ---- the fit ---- */

static fit_sample made_up(const char *kernel, const char *net, double macs, double out,
                          double pixels, const double per[QUANT_TERMS])
{
    fit_sample s = {.work = {macs, out * 3, out, pixels, macs * pixels / out, 1}};
    snprintf(s.kernel, sizeof s.kernel, "%s", kernel);
    snprintf(s.net, sizeof s.net, "%s", net);
    for (int i = 0; i < QUANT_TERMS; i++) s.instructions += per[i] * s.work[i];
    return s;
}

static void known_coefficients_come_back(void **state)
{
    (void)state;
    static const double conv[QUANT_TERMS] = {2, 0, 300, 4000, 0, 1e5}, dense[QUANT_TERMS] = {3};
    fit_sample s[12];
    quant_table t = {0};
    for (int i = 0; i < 10; i++)
        s[i] = made_up("conv2d", i < 5 ? "one" : "two", 1e5 * (1 + i * i % 7), 500 + 900 * (i % 4),
                       10 + 37 * (i % 5), conv);
    s[10] = made_up("dense", "two", 4000, 40, 1, dense);
    s[11] = s[0]; /* the same layer elsewhere counts once */
    const fit_samples all = {s, 12};
    assert_true(fit_table(&all, &t));
    assert_int_equal(t.n, 2);
    assert_int_equal(t.rule[0].samples, 10);
    for (int i = 0; i < QUANT_TERMS; i++)
        assert_true(fabs(t.rule[0].per[i] - conv[i]) <= 1e-6 * (1 + conv[i]));
    assert_true(t.rule[0].worst < 1e-6);
    assert_true(fabs(t.rule[1].per[QUANT_MAC] - 3) < 1e-9); /* one layer: one coefficient */
    const fit_summary nets = fit_nets(&all, &t, NULL);
    assert_int_equal(nets.n, 2);
    assert_true(nets.worst < 1e-6 && nets.median < 1e-6);
    assert_int_equal(nets.n_held, 1); /* without "two" nothing is known of dense */
    assert_true(nets.held_worst < 0.5);
    s[3].instructions *= 1.3; /* a layer that is off shows */
    t = (quant_table){0};
    assert_true(fit_table(&all, &t));
    assert_true(t.rule[0].worst > 5);
}

/* ---- boards ---- */

static const char COUNTS[] =
    "core,kernel_library,opt,net,op,in,kernel,out,macs,instructions,ins_per_mac\n"
    "Cortex-M4,L,-O3,n,FC,1x1x10,1x1,1x1x100,1000,2000,2\n"
    "Cortex-M4,L,-O3,n,FC,1x1x20,1x1,1x1x100,2000,4000,2\n"
    "Cortex-M4,L,-O3,n,TOTAL,,,,,6000,\n";
static const char NET[] = "x = input 1000\ny = dense(x) out=1000\n"; /* 2,000,000 instructions */
static const char RULES[] = "framework,board,model,core,library,opt,net,why\n"
                            "TFLM + CMSIS-NN,bad,*,,,,,it is bad\n"
                            "TFLM + CMSIS-NN,*,*,Cortex-M4,L,-O3,net,\n";
static const char HEAD[] = "framework,board,core,clock_mhz,model,macs,latency_ms,note\n";
static const char EXTRA[] = "TFLM + CMSIS-NN,x,Cortex-Z,1,net,1000000,2000,\n"; /* CPI 1 */

/* Boards a, b of one core with CPI 1.5 and 2, c of another with CPI 3, w of none with flash that
 * takes 0 or 1 cycles a byte; clock 1 MHz. */
static const char TRUTH[] =
    "TFLM + CMSIS-NN,a,Cortex-A,1,net,1000000,%g,\n"
    "TFLM + CMSIS-NN,b,Cortex-A,1,net,1000000,4000,\n"
    "TFLM + CMSIS-NN,c,Cortex-B,1,net,1000000,6000,\n"
    "TFLM + CMSIS-NN,bad,Cortex-B,1,net,1000000,1,\n"
    "microTVM native,d,Cortex-B,1,net,1000000,1,\n"
    "TFLM + CMSIS-NN,a,Cortex-A,1,net,1000000,1,reproduction\n"
    "Bosch HALE 1.0.175,w,Cortex-A,1,the AD net,1000000,%g,\n"
    "Bosch HALE 1.0.175,w,Cortex-A,1,the AD net,1000000,1000,copied to RAM\n";

static void put(const char *folder, const char *name, const char *head, const char *text)
{
    char *path = base_path(folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s%s", head, text);
    assert_int_equal(fclose(f), 0);
    free(path);
}

/* Read the made-up tables; board a takes ms, flash costs cycles a byte. */
static latency *made_up_boards(double ms, double flash, bool extra)
{
    char folder[] = "/tmp/sotto_latency_XXXXXX", truth[2000];
    static const char *const files[] = {"mcu_qemu_instr.csv", "latency_rows.csv",
                                        "latency_extra.csv", "mcu_latency_truth.csv",
                                        "nets/net.net"};
    latency *l = calloc(1, sizeof *l);
    base_err err = {0};
    assert_non_null(l);
    assert_non_null(mkdtemp(folder));
    char *nets = base_path(folder, "nets");
    assert_int_equal(mkdir(nets, 0700), 0);
    snprintf(truth, sizeof truth, TRUTH, ms, 1000 + 1000 * flash);
    put(folder, files[0], "", COUNTS);
    put(folder, files[1], "", RULES);
    put(folder, files[2], HEAD, EXTRA);
    put(folder, files[3], HEAD, truth);
    put(folder, files[4], "", NET);
    base_status status = latency_read(folder, folder, extra, l, &err);
    for (size_t i = 0; i < BASE_COUNT(files); i++) {
        char *path = base_path(folder, files[i]);
        unlink(path);
        free(path);
    }
    rmdir(nets);
    free(nets);
    rmdir(folder);
    check(status, &err);
    return l;
}

static void release(latency *l)
{
    latency_free(l);
    free(l);
}

static void rows_are_used_or_say_why_not(void **state)
{
    (void)state;
    latency *l = made_up_boards(3000, 0, true);
    int used = 0;
    assert_int_equal(l->n, 7); /* all of CMSIS-NN and microTVM */
    for (int i = 0; i < l->n; i++) {
        used += l->row[i].used;
        assert_true(l->row[i].used || *l->row[i].why);
        if (l->row[i].used) assert_true(fabs(l->row[i].instructions / 2e6 - 1) < 1e-9);
    }
    assert_int_equal(used, 4);
    assert_string_equal(l->row[3].why, "it is bad");
    assert_non_null(strstr(l->row[4].why, "no rule"));
    assert_non_null(strstr(l->row[5].why, "measured again"));
    assert_true(l->row[6].extra);
    release(l);
}

static void cpi_of_boards_cores_and_the_prior(void **state)
{
    (void)state;
    latency *l = made_up_boards(3000, 0, false);
    int boards;
    assert_true(fabs(latency_board_log(l, "a", NULL) - log(1.5)) < 1e-9);
    assert_true(isnan(latency_board_log(l, "a", "a")));
    /* all of core A; held out, a leaves b; c's core only has the prior */
    assert_true(fabs(latency_cpi(l, "Cortex-A", NULL, &boards) - sqrt(1.5 * 2)) < 1e-9);
    assert_int_equal(boards, 2);
    assert_true(fabs(latency_cpi(l, "Cortex-A", "a", &boards) - 2) < 1e-9);
    assert_int_equal(boards, 1);
    assert_true(fabs(latency_cpi(l, "Cortex-B", "c", &boards) - sqrt(1.5 * 2)) < 1e-9);
    assert_int_equal(boards, 0);
    release(l);
    l = made_up_boards(3000, 0, true); /* a core with CPI 1 joins the prior */
    assert_true(fabs(latency_cpi(l, "Cortex-B", "c", &boards) - sqrt(sqrt(3.0))) < 1e-9);
    release(l);
}

/* Nothing of a board that is held out shows in its estimate. */
static void held_out_board_does_not_leak(void **state)
{
    (void)state;
    latency *fast = made_up_boards(300, 0, true), *slow = made_up_boards(9000, 0, true);
    int boards;
    const double cpi = latency_cpi(fast, "Cortex-A", "a", &boards);
    assert_true(cpi == latency_cpi(slow, "Cortex-A", "a", &boards));
    assert_true(latency_cpi(fast, "Cortex-A", "b", &boards) <
                latency_cpi(slow, "Cortex-A", "b", &boards));
    release(fast);
    release(slow);
}

static void flash_is_timed_or_the_mean(void **state)
{
    (void)state;
    latency *l = made_up_boards(4000, 1, false);
    assert_true(fabs(latency_flash_timed(l, "w") - 1) < 1e-9);
    assert_true(isnan(latency_flash_timed(l, "a")));
    assert_true(fabs(latency_flash(l, "a", NULL) - 1) < 1e-9);
    assert_true(latency_flash(l, "w", "w") == 0); /* nothing left when it is held out */
    /* a million bytes take a million of a's four million cycles */
    assert_true(fabs(latency_board_log(l, "a", NULL) - log(1.5)) < 1e-9);
    release(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_coefficients_come_back),
        cmocka_unit_test(rows_are_used_or_say_why_not),
        cmocka_unit_test(cpi_of_boards_cores_and_the_prior),
        cmocka_unit_test(held_out_board_does_not_leak),
        cmocka_unit_test(flash_is_timed_or_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
