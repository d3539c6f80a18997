/* Profiles of emulated machines: every key is text and is needed, but `larger`. */
#include "quantize/machine.h"

#include "nn/embedded.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

static const char FOLDER[] = "quantize/machines/";

static const struct {
    const char *name;
    size_t offset;
} keys[] = {
    {"title", offsetof(quant_machine, title)},       {"core", offsetof(quant_machine, core)},
    {"compiler", offsetof(quant_machine, compiler)}, {"flags", offsetof(quant_machine, flags)},
    {"emulator", offsetof(quant_machine, emulator)}, {"vectors", offsetof(quant_machine, vectors)},
    {"rom", offsetof(quant_machine, rom)},           {"rom_kb", offsetof(quant_machine, rom_kb)},
    {"ram", offsetof(quant_machine, ram)},           {"ram_kb", offsetof(quant_machine, ram_kb)},
    {"tick_hz", offsetof(quant_machine, tick_hz)},   {"larger", offsetof(quant_machine, larger)},
};
enum { LARGER = BASE_COUNT(keys) - 1 };

/* inih's handler: 0 is an error at this line. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    for (size_t i = 0; i < BASE_COUNT(keys); i++) {
        char *field = (char *)user + keys[i].offset;
        if (strcmp(section, "machine") || strcmp(name, keys[i].name) || field[0]) continue;
        return snprintf(field, QUANT_TEXT, "%s", value) < QUANT_TEXT;
    }
    return 0;
}

static base_status parse(const nn_embedded *file, quant_machine *m, base_err *err)
{
    const char *name = file->path + strlen(FOLDER);
    *m = (quant_machine){0};
    snprintf(m->name, sizeof m->name, "%.*s", (int)strcspn(name, "."), name);
    const int line = ini_parse_string(file->text, on_key, m);
    if (line) return base_fail(err, BASE_FAILED, "%s:%d: no key of a machine", file->path, line);
    for (int i = 0; i < LARGER; i++)
        if (!((char *)m)[keys[i].offset])
            return base_fail(err, BASE_FAILED, "%s: %s is missing", file->path, keys[i].name);
    return BASE_OK;
}

static bool is_machine(const nn_embedded *file)
{
    return strncmp(file->path, FOLDER, strlen(FOLDER)) == 0;
}

base_status quant_machine_names(const char ***names, size_t *n, base_err *err)
{
    size_t count = 0, bytes = 0;
    const nn_embedded *file;
    for (size_t i = 0; (file = nn_embedded_at(i)); i++)
        if (is_machine(file)) count++, bytes += strlen(file->path);
    *names = malloc((count + 1) * sizeof **names + bytes);
    *n = 0;
    if (!*names) return base_nomem(err, bytes);
    char *text = (char *)(*names + count + 1);
    for (size_t i = 0; (file = nn_embedded_at(i)); i++) {
        if (!is_machine(file)) continue;
        const char *name = file->path + strlen(FOLDER);
        const size_t length = strcspn(name, ".");
        (*names)[(*n)++] = memcpy(text, name, length);
        text[length] = 0;
        text += length + 1;
    }
    return BASE_OK;
}

static base_status unknown(const char *name, base_err *err)
{
    const char **names = NULL;
    size_t n = 0;
    BASE_TRY(quant_machine_names(&names, &n, err));
    const char *near = base_nearest(name, names, n);
    base_fail(err, BASE_USAGE, "unknown machine '%.60s'", name);
    if (near) base_hint(err, "did you mean %s?", near);
    free(names);
    return BASE_USAGE;
}

base_status quant_machine_load(const char *name, quant_machine *machine, base_err *err)
{
    char path[300];
    const int n = snprintf(path, sizeof path, "%s%s.ini", FOLDER, name);
    const nn_embedded *file = n < (int)sizeof path ? nn_embedded_find(path) : NULL;
    return file ? parse(file, machine, err) : unknown(name, err);
}

base_status quant_machine_of_core(const char *core, quant_machine *machine, bool *found,
                                  base_err *err)
{
    const nn_embedded *file;
    *found = false;
    for (size_t i = 0; (file = nn_embedded_at(i)); i++) {
        if (!is_machine(file)) continue;
        BASE_TRY(parse(file, machine, err));
        *found = strcmp(machine->core, core) == 0;
        if (*found) return BASE_OK;
    }
    return BASE_OK;
}

base_status quant_machine_enlarge(quant_machine *machine, base_err *err)
{
    quant_machine m;
    if (!machine->larger[0]) return BASE_OK;
    BASE_TRY(quant_machine_load(machine->larger, &m, err));
    memcpy(m.core, machine->core, sizeof m.core);
    memcpy(m.compiler, machine->compiler, sizeof m.compiler);
    memcpy(m.flags, machine->flags, sizeof m.flags);
    *machine = m;
    return BASE_OK;
}

const char *quant_machine_package(const char *command)
{
    static const struct {
        const char *command, *package;
    } packages[] = {{"arm-none-eabi-gcc", "gcc-arm-none-eabi"},
                    {"riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"},
                    {"qemu-system-arm", "qemu-system-arm"},
                    {"qemu-system-riscv32", "qemu-system-misc"}};
    const size_t n = strcspn(command, " ");
    for (size_t i = 0; i < BASE_COUNT(packages); i++)
        if (strlen(packages[i].command) == n && !strncmp(command, packages[i].command, n))
            return packages[i].package;
    return command;
}
