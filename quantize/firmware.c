/* firmware: files of quantize/firmware/ with @KEY@ replaced, beside the exported model. */
#include "quantize/firmware.h"

#include "dsp/dsp.h"
#include "nn/embedded.h"
#include "quantize/evaluate.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct pair {
    const char *key, *value;
} pair;

enum { MAX_WAV_SECONDS = 600 };

/* ---- one file ---- */

/* A text with every @KEY@ replaced that pairs (ended by a NULL key) has. */
static void fill(base_str *out, const char *text, const pair *pairs)
{
    while (*text) {
        const size_t plain = strcspn(text, "@");
        base_str_add_n(out, text, plain);
        text += plain;
        if (!*text) break;
        const size_t n = strcspn(text + 1, "@ \n");
        const pair *p = pairs;
        while (p->key && (strlen(p->key) != n || strncmp(p->key, text + 1, n) != 0)) p++;
        if (p->key && text[n + 1] == '@') {
            base_str_add(out, "%s", p->value);
            text += n + 2;
        } else {
            base_str_add(out, "@");
            text++;
        }
    }
}

static base_status put(const char *dir, const char *name, const char *text, size_t n, base_err *err)
{
    char *path = base_path(dir, name);
    if (!path) return base_nomem(err, strlen(dir));
    const base_status status = base_write_file(path, text, n, err);
    free(path);
    return status;
}

/* File `from` of quantize/firmware/ as dir/name. */
static base_status put_file(const char *dir, const char *from, const char *name, const pair *pairs,
                            base_err *err)
{
    char path[64];
    base_str text = {0};
    snprintf(path, sizeof path, "quantize/firmware/%s", from);
    const nn_embedded *file = nn_embedded_find(path);
    if (!file) return base_fail(err, BASE_FAILED, "this program lacks the file %s", path);
    fill(&text, file->text, pairs);
    const base_status status =
        text.failed ? base_nomem(err, file->size) : put(dir, name, text.s, text.len, err);
    base_str_free(&text);
    return status;
}

static base_status put_model(const q8_model *m, const q8_export *how, const char *dir,
                             base_err *err)
{
    base_str text = {0};
    base_status status = q8_emit(m, how, &text, err);
    if (status == BASE_OK) status = put(dir, "model.h", text.s, text.len, err);
    base_str_free(&text);
    return status;
}

/* Samples a second that the model's features take; 0: it says nothing of features. */
static int rate_of(const q8_model *m)
{
    dsp_config c;
    base_err err = {0};
    return quant_features(&m->folded, &c, &err) == BASE_OK ? c.rate : 0;
}

static base_status put_audio(const q8_model *m, const char *wav, const char *dir, base_err *err)
{
    dsp_audio audio;
    const int rate = rate_of(m);
    if (!wav) return BASE_OK;
    if (rate == 0) {
        base_fail(err, BASE_DATA, "the model has no feature settings: it cannot hear '%s'", wav);
        return base_hint(err, "leave --wav out");
    }
    BASE_TRY(dsp_audio_read(wav, rate, MAX_WAV_SECONDS, &audio, err));
    char *path = base_path(dir, "audio.wav");
    const base_status status =
        path ? dsp_audio_write(path, rate, audio.pcm, audio.n, err) : base_nomem(err, strlen(dir));
    free(path);
    dsp_audio_free(&audio);
    return status;
}

/* ---- the two kinds of folders ---- */

static base_status fill_machine(const q8_model *m, const q8_export *how, const quant_machine *k,
                                const char *dir, base_err *err)
{
    static const char *const names[] = {"main.c",   "machine.c", "machine.h",  "string.c",
                                        "string.h", "wav.awk",   "machine.ld", "Makefile"};
    const bool arm = strncmp(k->compiler, "arm", 3) == 0;
    char rate[16], flags[3 * QUANT_TEXT + sizeof FIRMWARE_FLAGS];
    char emulator[QUANT_TEXT + sizeof FIRMWARE_EMULATOR];
    snprintf(rate, sizeof rate, "%d", rate_of(m));
    snprintf(flags, sizeof flags, "%s %s -DTICK_HZ=%s -I.", k->flags, FIRMWARE_FLAGS, k->tick_hz);
    snprintf(emulator, sizeof emulator, "%s %s", k->emulator, FIRMWARE_EMULATOR);
    const pair pairs[] = {{"TITLE", k->title},
                          {"COMPILER", k->compiler},
                          {"COMPILER_PACKAGE", quant_machine_package(k->compiler)},
                          {"FLAGS", flags},
                          {"EMULATOR", emulator},
                          {"EMULATOR_PACKAGE", quant_machine_package(k->emulator)},
                          {"RATE", rate},
                          {"VECTORS", k->vectors},
                          {"ROM", k->rom},
                          {"ROM_KB", k->rom_kb},
                          {"RAM", k->ram},
                          {"RAM_KB", k->ram_kb},
                          {NULL, NULL}};
    BASE_TRY(put_model(m, how, dir, err));
    BASE_TRY(put_file(dir, arm ? "arm.c" : "riscv.c", "port.c", pairs, err));
    for (size_t i = 0; i < BASE_COUNT(names); i++)
        BASE_TRY(put_file(dir, names[i], names[i], pairs, err));
    return BASE_OK;
}

static base_status fill_board(const q8_model *m, const q8_export *how, const quant_target *b,
                              const char *dir, base_err *err)
{
    char mhz[32], flash[32], ram[32], rate[16], emulated[2 * QUANT_TEXT + 100];
    quant_machine k;
    bool found = false;
    BASE_TRY(quant_machine_of_core(b->core_name, &k, &found, err));
    snprintf(mhz, sizeof mhz, "%g", b->mhz);
    snprintf(flash, sizeof flash, "%lld", (long long)(b->flash / 1024));
    snprintf(ram, sizeof ram, "%lld", (long long)(b->ram / 1024));
    snprintf(rate, sizeof rate, "%d", rate_of(m));
    snprintf(emulated, sizeof emulated,
             found ? "GCC's options for the core are `%s`. `--board %s` instead makes a program "
                     "that\nruns in an emulator of this core."
                   : "There is no emulator of the core %s here.",
             found ? k.flags : b->core_name, k.name);
    const pair pairs[] = {{"TITLE", b->title}, {"MCU", b->mcu},        {"CORE", b->core_name},
                          {"MHZ", mhz},        {"FLASH", flash},       {"RAM", ram},
                          {"RATE", rate},      {"EMULATED", emulated}, {NULL, NULL}};
    BASE_TRY(put_model(m, how, dir, err));
    BASE_TRY(put_file(dir, "board.c", "main.c", pairs, err));
    return put_file(dir, "board.md", "README.md", pairs, err);
}

/* ---- a folder as a whole ---- */

void firmware_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *path = base_path(dir, e->d_name);
        if (path && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(path);
        free(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

/* Whether dir may be written: it is not there, or an empty folder. */
static base_status check_free(const char *dir, base_err *err)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    if (d ? n <= 2 : !base_exists(dir)) return BASE_OK;
    base_fail(err, BASE_USAGE, d ? "'%s' is not empty" : "'%s' is there and is no folder", dir);
    return base_hint(err, "name a new folder, or remove this one");
}

/* An empty folder of a temporary name beside dir. */
static base_status make_temp(const char *dir, char **temp, base_err *err)
{
    base_str s = {0};
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    base_str_add(&s, "%.*s.XXXXXX", (int)n, dir);
    if (s.failed) return base_nomem(err, n);
    if (!mkdtemp(s.s)) {
        base_fail(err, BASE_FAILED, "'%s' cannot be made: %s", dir, strerror(errno));
        base_str_free(&s);
        return base_hint(err, "choose another place");
    }
    const mode_t mask = umask(0);
    umask(mask);
    chmod(s.s, 0777 & ~mask);
    *temp = s.s;
    return BASE_OK;
}

static base_status write_folder(const q8_model *m, const q8_export *how,
                                const quant_machine *machine, const quant_target *board,
                                const char *wav, const char *dir, base_err *err)
{
    char *temp = NULL;
    BASE_TRY(check_free(dir, err));
    BASE_TRY(make_temp(dir, &temp, err));
    base_status status =
        machine ? fill_machine(m, how, machine, temp, err) : fill_board(m, how, board, temp, err);
    if (status == BASE_OK) status = put_audio(m, wav, temp, err);
    if (status == BASE_OK && rename(temp, dir) != 0)
        status = base_fail(err, BASE_FAILED, "'%s' cannot be made: %s", dir, strerror(errno));
    if (status != BASE_OK) firmware_remove(temp);
    free(temp);
    return status;
}

base_status firmware_write_machine(const q8_model *m, const q8_export *how,
                                   const quant_machine *machine, const char *wav, const char *dir,
                                   base_err *err)
{
    return write_folder(m, how, machine, NULL, wav, dir, err);
}

base_status firmware_write_board(const q8_model *m, const q8_export *how, const quant_target *board,
                                 const char *wav, const char *dir, base_err *err)
{
    return write_folder(m, how, NULL, board, wav, dir, err);
}

/* A name that is neither a machine nor a board. */
static base_status unknown(const char *name, base_err *err)
{
    const char **boards = NULL, **machines = NULL;
    size_t n_boards = 0, n_machines = 0;
    base_status status = quant_target_names(&boards, &n_boards, err);
    if (status == BASE_OK) status = quant_machine_names(&machines, &n_machines, err);
    const char **all = calloc(n_boards + n_machines + 1, sizeof *all);
    if (status == BASE_OK && !all) status = base_nomem(err, n_boards * sizeof *all);
    if (status == BASE_OK) {
        memcpy(all, machines, n_machines * sizeof *all);
        memcpy(all + n_machines, boards, n_boards * sizeof *all);
        const char *near = base_nearest(name, all, n_boards + n_machines);
        status = base_fail(err, BASE_USAGE, "unknown board '%.60s'", name);
        if (near)
            base_hint(err, "did you mean %s?", near);
        else
            base_hint(err, "emulated are microbit, mps2-an385, -an386, -an500, -an505, mps3-an547 "
                           "and virt; `sotto estimate --list` names the others");
    }
    free(all);
    free(boards);
    free(machines);
    return status;
}

base_status firmware_write(const q8_model *m, const q8_export *how, const char *board,
                           const char *wav, const char *dir, bool *emulated, base_err *err)
{
    quant_machine machine;
    quant_target target;
    base_err no = {0};
    const size_t n = strlen(board);
    const bool file = strchr(board, '/') || (n > 4 && !strcmp(board + n - 4, ".ini"));
    *emulated = quant_machine_load(board, &machine, &no) == BASE_OK;
    if (*emulated) return firmware_write_machine(m, how, &machine, wav, dir, err);
    const base_status status = quant_target_load(board, &target, err);
    if (status == BASE_USAGE && !file) return unknown(board, err);
    return status == BASE_OK ? firmware_write_board(m, how, &target, wav, dir, err) : status;
}
