/* plot: pictures, drawn by gnuplot; the explanation as one: what each layer adds to the error of
 * the output, and the signal-to-noise ratio of its values, in the order they are computed.
 */
#include "data/process.h"
#include "quantize/explain.h"
#include "quantize/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *quant_plot_terminal(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && strcmp(end, ".png") == 0   ? "pngcairo"
           : end && strcmp(end, ".svg") == 0 ? "svg"
                                             : NULL;
}

base_status quant_plot_check(const char *path, base_err *err)
{
    if (!quant_plot_terminal(path)) {
        base_fail(err, BASE_USAGE, "'%s' is neither a .png nor a .svg file", path);
        return base_hint(err, "the picture is drawn in the format that the name ends in");
    }
    if (data_process_found("gnuplot")) return BASE_OK;
    base_fail(err, BASE_FAILED, "cannot draw '%s': gnuplot is not installed", path);
    return base_hint(err, "apt-get install gnuplot-nox");
}

static void add_number(base_str *script, double v)
{
    if (isfinite(v))
        base_str_add(script, "%.6g", v);
    else
        base_str_add(script, "NaN");
}

/* Bars or a line of one number of each row, rows in the order they are computed. */
static void add_array(base_str *script, const quant_explanation *x, const quant_row *const *row,
                      const char *name, size_t offset, double times)
{
    base_str_add(script, "array %s[%d] = [", name, x->n);
    for (int i = 0; i < x->n; i++) {
        double v;
        memcpy(&v, (const char *)row[i] + offset, sizeof v);
        base_str_add(script, i ? "," : "");
        add_number(script, v * times);
    }
    base_str_add(script, "]; ");
}

static void add_labels(base_str *script, const quant_explanation *x, const quant_row *const *row)
{
    base_str_add(script, "set xtics rotate by -60 noenhanced (");
    for (int i = 0; i < x->n; i++)
        base_str_add(script, "%s\"%s\" %d", i ? "," : "", row[i]->name, i + 1);
    base_str_add(script, "); ");
}

static void write_script(const quant_explanation *x, const quant_row *const *row, const char *path,
                         base_str *s)
{
    base_str_add(s,
                 "set terminal %s size %d,720 font 'Sans,11' background '#ffffff'; "
                 "set multiplot layout 2,1; set grid ytics lt 1 lc '#cccccc'; set border 3; "
                 "set tics nomirror; set xrange [0.4:%d.6]; set lmargin 9; set rmargin 3; ",
                 quant_plot_terminal(path), x->n * 26 < 900 ? 900 : 140 + x->n * 26, x->n);
    add_array(s, x, row, "share", offsetof(quant_row, share), 100.0);
    add_array(s, x, row, "whole", offsetof(quant_row, sqnr), 1.0);
    add_array(s, x, row, "own", offsetof(quant_row, own_sqnr), 1.0);
    add_labels(s, x, row);
    base_str_add(s, "set title 'Share of the error at the output, layer by layer'; "
                    "set ylabel '%%'; set yrange [0:*]; set boxwidth 0.7; "
                    "plot share using 1:2 with boxes fs solid fc '#c44e52' notitle; "
                    "set title 'Signal to quantization noise of its values'; set ylabel 'dB'; "
                    "set yrange [*:*]; set key outside bottom center horizontal samplen 2; "
                    "plot own using 1:2 with linespoints pt 7 lw 2 lc '#55a868' "
                    "title 'only this layer in int8', "
                    "whole using 1:2 with linespoints pt 7 lw 2 lc '#4c72b0' "
                    "title 'whole model in int8'; unset multiplot");
}

/* What gnuplot drew, in image. */
static base_status run_gnuplot(const char *script, base_str *image, base_err *err)
{
    const char *const argv[] = {"gnuplot", "-d", "-e", script, NULL};
    base_str errors = {0};
    int code = 0;
    const data_process gnuplot = {.argv = argv, .out = image, .errors = &errors};
    base_status status = data_process_run(&gnuplot, &code, err);
    if (status == BASE_OK && (code != 0 || image->len == 0))
        status = base_fail(err, BASE_FAILED, "gnuplot failed: %s", data_process_last_line(&errors));
    if (status == BASE_OK && (image->failed || errors.failed)) status = base_nomem(err, image->len);
    base_str_free(&errors);
    return status;
}

base_status quant_plot_draw(base_str *script, const char *path, base_err *err)
{
    base_str image = {0};
    base_status status =
        script->failed ? base_nomem(err, script->len) : run_gnuplot(script->s, &image, err);
    if (status == BASE_OK) status = base_write_file(path, image.s, image.len, err);
    base_str_free(script);
    base_str_free(&image);
    return status;
}

base_status quant_plot(const quant_explanation *x, const char *path, base_err *err)
{
    BASE_TRY(quant_plot_check(path, err));
    const quant_row **row = base_arena_alloc(x->arena, (size_t)x->n, sizeof *row);
    if (!row) return base_nomem(err, (size_t)x->n);
    for (int i = 0; i < x->n; i++) row[x->row[i].place] = &x->row[i];
    base_str script = {0};
    write_script(x, row, path, &script);
    return quant_plot_draw(&script, path, err);
}
