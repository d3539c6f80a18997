/* plugin: counts executed guest instructions in QEMU (TCG plugin interface 1, which Debian's
 * package has but ships no header for: the few functions that are used are declared here). Each
 * time the instruction at `at` is executed it writes how many were before it, a line each.
 *   qemu-system-arm ... -plugin plugin.so,at=0x1234,out=FILE
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*on_translate)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*on_execute)(unsigned cpu, void *ctx);
typedef void (*on_end)(qemu_plugin_id_t, void *ctx);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, on_translate f);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, on_execute f,
                                            enum qemu_plugin_cb_flags flags, void *ctx);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *to, uint64_t by);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, on_end f, void *ctx);

__attribute__((visibility("default"))) extern int qemu_plugin_version;
int qemu_plugin_version = 1;

static struct {
    uint64_t executed, at;
    FILE *out;
} count;

static void here(unsigned cpu, void *ctx)
{
    (void)cpu;
    (void)ctx;
    fprintf(count.out, "%" PRIu64 "\n", count.executed);
}

static void block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        if (qemu_plugin_insn_vaddr(insn) == count.at)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, here, QEMU_PLUGIN_CB_NO_REGS, NULL);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                   &count.executed, 1);
    }
}

static void finish(qemu_plugin_id_t id, void *ctx)
{
    (void)id;
    (void)ctx;
    fclose(count.out);
}

__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "at=", 3)) count.at = strtoull(argv[i] + 3, NULL, 0);
        if (!strncmp(argv[i], "out=", 4)) count.out = fopen(argv[i] + 4, "w");
    }
    if (!count.out) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, block);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
