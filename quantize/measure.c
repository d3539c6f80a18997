/* measure: the project that `sotto export --firmware` writes, in a temporary folder; compiler and
 * emulator are run without a shell.
 */
#include "quantize/measure.h"

#include "data/process.h"
#include "nn/embedded.h"
#include "quantize/firmware.h"
#include "quantize/pipeline.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ARGS = 64, SECONDS = 300, MAX_ELF = 1 << 26 };

typedef struct bench {
    const q8_model *m;
    const quant_pipeline *pipeline; /* NULL: there is none */
    quant_machine machine;
    const char *opt, *dir;
    const volatile int *stop;
} bench;

/* ---- programs ---- */

/* A command line; its words live in an arena. */
typedef struct command {
    const char *v[MAX_ARGS]; /* ended by NULL */
    int n;
    base_arena *arena;
    bool failed;
} command;

static void add_word(command *c, char *word)
{
    c->failed = c->failed || !word || c->n == MAX_ARGS - 1;
    if (!c->failed) c->v[c->n++] = word;
}

/* What stands between single spaces. */
static void add_words(command *c, const char *text)
{
    for (size_t n; *text; text += n + (text[n] == ' ')) {
        n = strcspn(text, " ");
        if (n > 0) add_word(c, base_arena_printf(c->arena, "%.*s", (int)n, text));
    }
}

/* dir/name, behind a prefix. */
static void add_path(command *c, const char *prefix, const char *dir, const char *name)
{
    add_word(c, base_arena_printf(c->arena, "%s%s/%s", prefix, dir, name));
}

typedef struct watch {
    double until;
    const volatile int *asked;
    volatile int stop;
} watch;

static void look(void *ctx)
{
    watch *w = ctx;
    if ((w->asked && *w->asked) || base_seconds() > w->until) w->stop = 1;
}

/* Run a command, whose arena is freed; what it says goes to out and errors. */
static base_status run(const bench *b, command *c, base_str *out, base_str *errors, int *code,
                       base_err *err)
{
    watch w = {.until = base_seconds() + SECONDS, .asked = b->stop};
    const data_process process = {
        .argv = c->v, .out = out, .errors = errors, .stop = &w.stop, .tick = look, .ctx = &w};
    base_status status = BASE_OK;
    if (c->failed) {
        status = base_nomem(err, sizeof *c);
    } else if (!data_process_found(c->v[0])) {
        base_fail(err, BASE_FAILED, "%s is not there", c->v[0]);
        status = base_hint(err, "as root: apt-get install %s", quant_machine_package(c->v[0]));
    } else {
        status = data_process_run(&process, code, err);
        if (status == BASE_INTERRUPTED && base_seconds() > w.until)
            status = base_fail(err, BASE_FAILED, "%s took more than %d s", c->v[0], SECONDS);
    }
    base_arena_free(c->arena);
    return status;
}

/* The first line with a word in it that tells what is wrong, else the last. */
static const char *complaint(base_str *errors)
{
    static const char *const signs[] = {"overflowed by", "is left for the stack", "undefined",
                                        "error:"};
    for (size_t i = 0; errors->s && i < BASE_COUNT(signs); i++) {
        char *at = strstr(errors->s, signs[i]);
        if (!at) continue;
        while (at > errors->s && at[-1] != '\n') at--;
        at[strcspn(at, "\n")] = 0;
        return at;
    }
    return data_process_last_line(errors);
}

/* Compile `source` with the rest of the project into dir/elf. *small: it does not fit. */
static base_status compile(const bench *b, const char *source, const char *define, const char *elf,
                           bool *small, base_err *err)
{
    static const char *const others[] = {"machine.c", "port.c", "string.c"};
    command c = {.arena = base_arena_new()};
    base_str errors = {0};
    int code = 0;
    add_words(&c, b->machine.compiler);
    add_words(&c, b->machine.flags);
    add_words(&c, FIRMWARE_FLAGS);
    add_words(&c, b->opt);
    add_words(&c, define);
    add_word(&c, base_arena_printf(c.arena, "-DTICK_HZ=%s", b->machine.tick_hz));
    add_path(&c, "-I", b->dir, ".");
    add_path(&c, "-T", b->dir, "machine.ld");
    add_path(&c, "", b->dir, source);
    for (size_t i = 0; i < BASE_COUNT(others); i++) add_path(&c, "", b->dir, others[i]);
    add_words(&c, "-lgcc -o");
    add_path(&c, "", b->dir, elf);
    base_status status = run(b, &c, NULL, &errors, &code, err);
    *small = false;
    if (status == BASE_OK && code != 0) {
        *small =
            errors.s && (strstr(errors.s, "overflowed by") || strstr(errors.s, "for the stack"));
        status = base_fail(err, BASE_FAILED, "%s: %.300s", b->machine.compiler, complaint(&errors));
    }
    base_str_free(&errors);
    return status;
}

/* ---- the ELF file ---- */

typedef struct sizes {
    int64_t text, rodata, data, bss;
} sizes;

static bool add_sections(const char *bytes, size_t n, sizes *s)
{
    Elf32_Ehdr head;
    if (n < sizeof head) return false;
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS32)
        return false;
    if (head.e_shoff > n || (size_t)head.e_shnum * sizeof(Elf32_Shdr) > n - head.e_shoff)
        return false;
    for (size_t i = 0; i < head.e_shnum; i++) {
        Elf32_Shdr h;
        memcpy(&h, bytes + head.e_shoff + i * sizeof h, sizeof h);
        if (!(h.sh_flags & SHF_ALLOC)) continue;
        int64_t *const kind = h.sh_type == SHT_NOBITS      ? &s->bss
                              : h.sh_flags & SHF_WRITE     ? &s->data
                              : h.sh_flags & SHF_EXECINSTR ? &s->text
                                                           : &s->rodata;
        *kind += h.sh_size;
    }
    return true;
}

static base_status elf_sizes(const bench *b, const char *elf, sizes *s, base_err *err)
{
    char *path = base_path(b->dir, elf), *bytes = NULL;
    size_t n = 0;
    *s = (sizes){0};
    base_status status = path ? base_read_file(path, MAX_ELF, &bytes, &n, err) : base_nomem(err, 0);
    if (status == BASE_OK && !add_sections(bytes, n, s))
        status = base_fail(err, BASE_FAILED, "%s made no 32-bit ELF file", b->machine.compiler);
    free(bytes);
    free(path);
    return status;
}

/* ---- what is measured ---- */

/* Sections of size.c. define: which of its programs. */
static base_status size_of(const bench *b, const char *define, sizes *s, base_err *err)
{
    bool small;
    BASE_TRY(compile(b, "size.c", define, "size.elf", &small, err));
    return elf_sizes(b, "size.elf", s, err);
}

static int64_t flash_of(const sizes *s)
{
    return s->text + s->rodata + s->data;
}

static base_status measure_size(const bench *b, quant_measured *r, base_err *err)
{
    sizes whole, net, empty;
    BASE_TRY(size_of(b, "-DNET", &net, err));
    BASE_TRY(size_of(b, "-DEMPTY", &empty, err));
    r->code = net.text - empty.text;
    r->tables = net.rodata - empty.rodata;
    r->flash = flash_of(&net) - flash_of(&empty);
    r->ram = net.data + net.bss - empty.data - empty.bss;
    if (!b->pipeline) return BASE_OK;
    BASE_TRY(size_of(b, "-DWHOLE", &whole, err));
    r->whole_flash = flash_of(&whole) - flash_of(&empty);
    r->whole_ram = whole.data + whole.bss - empty.data - empty.bss;
    return BASE_OK;
}

/* One line of the program: a name, and one or two values, between tabs. */
static base_status take_line(const bench *b, char *line, quant_measured *r, base_err *err)
{
    char *rest = NULL, *name = strtok_r(line, "\t", &rest), *first = strtok_r(NULL, "\t", &rest);
    const char *second = strtok_r(NULL, "\t", &rest);
    int64_t value = 0;
    if (!name || !first) return BASE_OK;
    if (!strcmp(name, "selftest") && strcmp(first, "ok") != 0)
        return base_fail(err, BASE_MISMATCH, "self-test on %s: %s", b->machine.name, first);
    if (!base_parse_int(second ? second : first, 0, INT64_MAX, &value)) return BASE_OK;
    if (!strcmp(name, "stage") && second) {
        void *stages = r->stages;
        if (!base_grow(&stages, &r->cap, r->n_stages + 1, sizeof *r->stages))
            return base_nomem(err, sizeof *r->stages);
        r->stages = stages;
        quant_stage *stage = &r->stages[r->n_stages++];
        snprintf(stage->name, sizeof stage->name, "%s", first);
        stage->instructions = value;
    }
    if (!strcmp(name, "inference")) r->instructions = value;
    if (!strcmp(name, "frame")) r->frame = value;
    if (!strcmp(name, "second")) r->second = value;
    if (!strcmp(name, "stack")) r->stack = value;
    return BASE_OK;
}

static base_status take_output(const bench *b, base_str *out, quant_measured *r, base_err *err)
{
    char *rest = NULL;
    for (char *line = strtok_r(out->s ? out->s : "", "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        BASE_TRY(take_line(b, line, r, err));
    return BASE_OK;
}

static base_status measure_run(const bench *b, quant_measured *r, base_err *err)
{
    command c = {.arena = base_arena_new()};
    base_str out = {0}, errors = {0};
    int code = 0;
    add_words(&c, b->machine.emulator);
    add_words(&c, FIRMWARE_EMULATOR " -kernel");
    add_path(&c, "", b->dir, "main.elf");
    base_status status = run(b, &c, &out, &errors, &code, err);
    if (status == BASE_OK && out.failed) status = base_nomem(err, out.len);
    if (status == BASE_OK && out.s) status = take_output(b, &out, r, err);
    if (status == BASE_OK && (code != 0 || r->instructions == 0)) {
        const char *said = data_process_last_line(errors.len ? &errors : &out);
        status = base_fail(err, BASE_FAILED, "the program on %s ended with %d: %.300s",
                           b->machine.name, code, *said ? said : "it said nothing");
    }
    base_str_free(&out);
    base_str_free(&errors);
    return status;
}

/* ---- the folder ---- */

static base_status put(const char *dir, const char *name, const char *text, base_err *err)
{
    char *path = base_path(dir, name);
    const base_status status =
        path ? base_write_file(path, text, strlen(text), err) : base_nomem(err, strlen(dir));
    free(path);
    return status;
}

static base_status write_project(const bench *b, base_err *err)
{
    const nn_embedded *size = nn_embedded_find("quantize/firmware/size.c");
    if (!size) return base_fail(err, BASE_FAILED, "this program lacks quantize/firmware/size.c");
    const q8_export how = {.prefix = "kws", .pipeline = b->pipeline};
    BASE_TRY(firmware_write_machine(b->m, &how, &b->machine, NULL, b->dir, err));
    BASE_TRY(put(b->dir, "size.c", size->text, err));
    base_str net = {0};
    base_status status = q8_emit(b->m, &(q8_export){.prefix = "kws"}, &net, err);
    if (status == BASE_OK) status = put(b->dir, "net.h", net.s, err);
    base_str_free(&net);
    BASE_TRY(status);
    return put(b->dir, "audio.h", "#define AUDIO_SAMPLES 0\n", err);
}

/* In b->dir, an empty folder. *small: the machine's memory does not hold it. */
static base_status measure_in(const bench *b, quant_measured *r, bool *small, base_err *err)
{
    *small = false;
    BASE_TRY(write_project(b, err));
    BASE_TRY(compile(b, "main.c", "-DMODEL", "main.elf", small, err));
    BASE_TRY(measure_size(b, r, err));
    return measure_run(b, r, err);
}

/* On b->machine, or the next larger ones while it does not hold the program. */
static base_status measure_on(bench *b, quant_measured *measured, base_err *err)
{
    bool small = true, last = false;
    base_status status = BASE_FAILED;
    const char *tmp = getenv("TMPDIR");
    while (small && !last) {
        char dir[512];
        quant_measured_free(measured);
        snprintf(dir, sizeof dir, "%s/sotto-measure-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(dir))
            return base_fail(err, BASE_FAILED, "no folder in %s: %s", dir, strerror(errno));
        b->dir = dir;
        status = measure_in(b, measured, &small, err);
        firmware_remove(dir);
        last = !b->machine.larger[0];
        if (small && !last) BASE_TRY(quant_machine_enlarge(&b->machine, err));
    }
    return status;
}

base_status quant_measure(const q8_model *m, const quant_machine *machine, const char *opt,
                          const volatile int *stop, quant_measured *measured, base_err *err)
{
    bench b = {.m = m, .machine = *machine, .opt = opt, .stop = stop};
    quant_pipeline pipeline;
    const quant_posterior usual = quant_posterior_default();
    base_err none = {0};
    if (quant_pipeline_new(m, &usual, NULL, &pipeline, &none) == BASE_OK) b.pipeline = &pipeline;
    const base_status status = measure_on(&b, measured, err);
    snprintf(measured->machine, sizeof measured->machine, "%s", b.machine.name);
    if (status != BASE_OK) quant_measured_free(measured);
    quant_pipeline_free(&pipeline);
    return status;
}

base_status quant_measure_core(quant_measurements *all, const char *core,
                               const quant_measured **found, base_err *err)
{
    quant_machine machine;
    bool is = false;
    *found = NULL;
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->of[i].core, core) == 0) *found = &all->of[i].result;
    if (*found) return BASE_OK;
    BASE_TRY(quant_machine_of_core(core, &machine, &is, err));
    if (!is || all->n == BASE_COUNT(all->of)) return BASE_OK;
    quant_measured *result = &all->of[all->n].result;
    BASE_TRY(quant_measure(all->m, &machine, all->opt, all->stop, result, err));
    snprintf(all->of[all->n].core, sizeof all->of[0].core, "%s", core);
    all->n++;
    *found = result;
    return BASE_OK;
}

void quant_measurements_free(quant_measurements *all)
{
    for (size_t i = 0; i < all->n; i++) quant_measured_free(&all->of[i].result);
    all->n = 0;
}

base_status quant_untrained(nn_graph *g, q8_model **m, base_err *err)
{
    enum { CALIBRATION = 16 };
    const size_t n = CALIBRATION * (size_t)nn_count(nn_graph_input(g, 0)->shape);
    const q8_options how = {.range = Q8_RANGE_MINMAX};
    nn_model model = {.graph = g};
    model.weights = base_alloc(nn_graph_params(g), sizeof *model.weights);
    nn_real *x = base_alloc(n, sizeof *x);
    base_status status = BASE_OK;
    if (model.weights && x) {
        base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
        for (size_t i = 0; i < n; i++) x[i] = (nn_real)base_rng_normal(&r);
        nn_init_weights(g, 1, model.weights);
        status = q8_quantize(&model, x, CALIBRATION, how, NULL, m, err);
    } else {
        status = base_nomem(err, n * sizeof *x);
    }
    base_free(model.weights);
    base_free(x);
    return status;
}

void quant_measured_free(quant_measured *measured)
{
    free(measured->stages);
    *measured = (quant_measured){0};
}
