/* emit_text: numbers, names, strings, comments and the runtime's files as C text. The kernels' text
 * comes out of the program itself (nn/embedded.h), each with its include guard, so that several
 * models fit into one translation unit.
 */
#include "nn/embedded.h"
#include "quantize/emit.h"

#include <ctype.h>
#include <string.h>

void emit_numbers(base_str *out, const void *v, bool bytes, size_t n)
{
    size_t column = 4;
    base_str_add(out, "    ");
    for (size_t i = 0; i < n; i++) {
        char text[24];
        const int32_t value = bytes ? ((const int8_t *)v)[i] : ((const int32_t *)v)[i];
        /* INT32_MIN has no literal of its own type */
        const int length = value == INT32_MIN ? snprintf(text, sizeof text, "-2147483647 - 1,")
                                              : snprintf(text, sizeof text, "%d,", (int)value);
        if (column + (size_t)length > 100) {
            base_str_add(out, "\n    ");
            column = 4;
        }
        base_str_add(out, "%s", text);
        column += (size_t)length;
    }
    base_str_add(out, "\n");
}

const char *emit_layer_name(const emitter *e, int k, char name[EMIT_NAME])
{
    const int n = snprintf(name, EMIT_NAME, "%s_%d_%s", e->prefix, k, e->m->layers[k].name);
    for (int i = 0; i < n && name[i]; i++)
        if (!isalnum((unsigned char)name[i])) name[i] = '_';
    return name;
}

const char *emit_array_name(const emitter *e, int k, const nn_q8_field *f, char name[EMIT_NAME])
{
    emit_layer_name(e, k, name);
    const size_t n = strlen(name);
    snprintf(name + n, EMIT_NAME - n, "_%s", f->name);
    for (char *c = name + n; *c; c++)
        if (*c == '.') *c = '_';
    return name;
}

void emit_string(base_str *out, const char *s)
{
    base_str_add(out, "\"");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\' || c == '?')
            base_str_add(out, "\\%c", c);
        else if (c < 32 || c >= 127)
            base_str_add(out, "\\%03o", c);
        else
            base_str_add(out, "%c", c);
    }
    base_str_add(out, "\"");
}

/* Text inside a comment: nothing in it may end it or open another, nor end its line unseen. */
static void put_comment(base_str *out, const char *line, size_t n)
{
    base_str_add(out, " *   ");
    for (size_t i = 0; i < n; i++) {
        const bool mark = i > 0 && ((line[i] == '/' && line[i - 1] == '*') ||
                                    (line[i] == '*' && line[i - 1] == '/'));
        if (mark) base_str_add(out, " ");
        base_str_add(out, "%c", line[i] == '\\' ? '/' : line[i] == '\r' ? ' ' : line[i]);
    }
    base_str_add(out, "\n");
}

void emit_comment(base_str *out, const char *text)
{
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = strchr(text, '\n');
        if (!end) end = text + strlen(text);
        if (end > text) put_comment(out, text, (size_t)(end - text));
    }
}

/* What every header includes itself. */
static bool is_at_the_top(const char *line)
{
    static const char ints[] = "#include <stdint.h>", strings[] = "#include <string.h>";
    return strncmp(line, ints, sizeof ints - 1) == 0 ||
           strncmp(line, strings, sizeof strings - 1) == 0;
}

base_status emit_runtime(emitter *e, const char *path, base_err *err)
{
    static const char local[] = "#include \"";
    char line[128];
    snprintf(line, sizeof line, "%s\n", path);
    if (e->included.s && strstr(e->included.s, line)) return BASE_OK;
    base_str_add(&e->included, "%s", line);
    const nn_embedded *file = nn_embedded_find(path);
    if (!file) return base_fail(err, BASE_FAILED, "this program lacks the runtime file %s", path);
    base_str text = {0};
    base_status status = BASE_OK;
    for (const char *at = file->text, *end; *at && status == BASE_OK; at = *end ? end + 1 : end) {
        end = strchr(at, '\n');
        if (!end) end = at + strlen(at);
        if (strncmp(at, local, sizeof local - 1) == 0) {
            const char *name = at + sizeof local - 1;
            snprintf(line, sizeof line, "%.*s", (int)strcspn(name, "\"\n"), name);
            status = emit_runtime(e, line, err);
        } else if (!is_at_the_top(at)) {
            base_str_add_n(&text, at, (size_t)(end - at));
            base_str_add(&text, "\n");
        }
    }
    if (text.s) base_str_add(e->out, "%s\n", text.s);
    if (text.failed) e->out->failed = true;
    base_str_free(&text);
    return status;
}
