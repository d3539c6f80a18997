/* sotto estimate --measure: the exported model compiled and run, beside what was estimated. */
#include "quantize/cmd_estimate.h"
#include "quantize/measure.h"
#include "quantize/pipeline.h"

#include <stdlib.h>

static cli_table *measured_table(cli *c)
{
    static const cli_column columns[] = {
        {"target", NULL, CLI_TEXT, 0},
        {"machine", "ran on", CLI_TEXT, 0},
        {"opt", NULL, CLI_TEXT, 0},
        {"code_bytes", "code", CLI_BYTES, 1},
        {"table_bytes", "tables", CLI_BYTES, 1},
        {"flash_bytes", "flash", CLI_BYTES, 1},
        {"flash_estimated_bytes", "estimated", CLI_BYTES, 1},
        {"ram_bytes", "RAM", CLI_BYTES, 1},
        {"ram_estimated_bytes", "estimated", CLI_BYTES, 1},
        {"stack_bytes", "stack", CLI_BYTES, 1},
        {"instructions", NULL, CLI_INT, 0},
        {"instructions_estimated", "estimated", CLI_REAL, 0},
        {"basis", NULL, CLI_TEXT, 0},
    };
    return cli_table_new(c, "measured", columns, BASE_COUNT(columns));
}

static void put_measured(cli_table *t, const char *opt, const estimate_result *r,
                         const quant_measured *m)
{
    cli_cell_text(t, r->target.name);
    cli_cell_text(t, m->machine);
    cli_cell_text(t, opt);
    cli_cell_int(t, m->code);
    cli_cell_int(t, m->tables);
    cli_cell_int(t, m->flash);
    cli_cell_int(t, (int64_t)r->e.flash.value);
    cli_cell_int(t, m->ram);
    cli_cell_int(t, (int64_t)r->e.ram.value);
    cli_cell_int(t, m->stack);
    cli_cell_int(t, m->instructions);
    cli_cell_real(t, r->e.instructions);
    cli_cell_text(t, "measured here");
}

/* From samples to words. */
static cli_table *whole_table(cli *c)
{
    static const cli_column columns[] = {
        {"target", NULL, CLI_TEXT, 0},
        {"flash_bytes", "flash", CLI_BYTES, 1},
        {"ram_bytes", "RAM", CLI_BYTES, 1},
        {"frame_instructions", "instructions a frame", CLI_INT, 0},
        {"instructions_per_second", "a second of audio", CLI_INT, 0},
    };
    return cli_table_new(c, "measured_with_front_end", columns, BASE_COUNT(columns));
}

static void put_whole(cli_table *t, const char *target, const quant_measured *m)
{
    cli_cell_text(t, target);
    cli_cell_int(t, m->whole_flash);
    cli_cell_int(t, m->whole_ram);
    cli_cell_int(t, m->frame);
    cli_cell_int(t, m->second);
}

static cli_table *stage_table(cli *c)
{
    static const cli_column columns[] = {{"target", NULL, CLI_TEXT, 0},
                                         {"stage", NULL, CLI_TEXT, 0},
                                         {"instructions", NULL, CLI_INT, 0}};
    return cli_table_new(c, "measured_stages", columns, BASE_COUNT(columns));
}

static void put_stages(cli_table *t, const char *target, const quant_measured *m)
{
    for (size_t i = 0; i < m->n_stages; i++) {
        cli_cell_text(t, target);
        cli_cell_text(t, m->stages[i].name);
        cli_cell_int(t, m->stages[i].instructions);
    }
}

/* An int8 model of a file, or of an architecture that nobody trained. */
static base_status load_int8(cli *c, const char *what, q8_model **m, base_err *err)
{
    char *file = NULL;
    nn_graph *g = NULL;
    if (cli_is_net(what) || !base_exists(what)) {
        BASE_TRY(cli_graph(c, what, 0, &g, err));
        const base_status status = quant_untrained(g, m, err);
        nn_graph_free(g);
        return status;
    }
    BASE_TRY(nn_model_path(what, &file, err));
    const base_status status = q8_load(file, m, err);
    free(file);
    return status;
}

base_status estimate_measure(cli *c, const estimate_options *o, const estimate_result *r, size_t n,
                             base_err *err)
{
    q8_model *model = NULL;
    char why[160];
    BASE_TRY(load_int8(c, c->args[0], &model, err));
    quant_measurements all = {.m = model, .opt = o->opt, .stop = cli_interrupt(c)};
    cli_table *t = measured_table(c), *stages = o->layers ? stage_table(c) : NULL;
    cli_table *whole = quant_pipeline_possible(model, NULL) ? whole_table(c) : NULL;
    base_status status = BASE_OK;
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        const quant_target *target = &r[i].target;
        const quant_measured *m = NULL;
        if (r[i].runtime != QUANT_SOTTO) continue;
        if (o->fit && estimate_exceeds(o, &r[i].e, why, sizeof why)) continue;
        status = quant_measure_core(&all, target->core_name, &m, err);
        if (status == BASE_OK && !m)
            cli_say(c, "%s: no emulator of its core, %s", target->name, target->core_name);
        if (status == BASE_OK && m) put_measured(t, o->opt, &r[i], m);
        if (status == BASE_OK && m && whole) put_whole(whole, target->name, m);
        if (status == BASE_OK && m && stages) put_stages(stages, target->name, m);
    }
    quant_measurements_free(&all);
    q8_model_free(model);
    return status;
}
