/* The judge of sweeps: see train/cmd_worker.h. */
#include "train/cmd_worker.h"

#include "quantize/gauge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const figures[] = {"flash_kb",  "ram_kb",       "latency_ms",
                                      "energy_uj", "duty_percent", "current_ma"};

/* The setup of a trial; BASE_USAGE when its values do not go together. */
static base_status setup_of(const sweep *s, const json_t *values, train_setup *setup, base_err *err)
{
    config *cfg;
    char *path = base_path(s->dir, "config.ini");
    if (!path) return base_nomem(err, 1);
    *setup = train_setup_default();
    base_status status = train_config_new(setup, &cfg, err);
    if (status == BASE_OK) {
        status = config_read(cfg, path, err);
        const char *key;
        json_t *v;
        json_object_foreach((json_t *)(uintptr_t)values, key, v)
        {
            base_str assignment = {0};
            base_str_add(&assignment, "%s=%s", key, json_string_value(v));
            if (status == BASE_OK && strchr(key, '.'))
                status = config_override(cfg, assignment.s, err);
            base_str_free(&assignment);
        }
        if (status == BASE_OK) status = config_check(cfg, err);
        config_free(cfg);
    }
    free(path);
    return status;
}

static base_status measure(const train_setup *setup, json_t *costs, base_err *err)
{
    const quant_gauge g = {.board = setup->target.board,
                           .per_second = setup->target.inferences_per_second,
                           .volts = setup->target.volts};
    quant_reading readings[BASE_COUNT(figures)];
    nn_graph *graph;
    int classes;
    BASE_TRY(train_setup_classes(setup, &classes, err));
    BASE_TRY(train_graph_new(setup, classes, &graph, err));
    json_object_set_new(costs, "parameters", json_integer((json_int_t)nn_graph_trainable(graph)));
    json_object_set_new(costs, "macs", json_integer(nn_graph_cost(graph).macs));
    BASE_TRY(quant_gauge_graph(&g, graph, &setup->features, figures, BASE_COUNT(figures), readings,
                               err));
    for (size_t i = 0; i < BASE_COUNT(figures); i++)
        if (isfinite(readings[i].value))
            json_object_set_new(costs, figures[i], json_real(readings[i].value));
    return BASE_OK;
}

/* The first limit that is not met, as "flash_kb 40.1 > 32". */
static void check(const train_setup *setup, const json_t *costs, char reason[SWEEP_TEXT])
{
    for (int i = 0; i < setup->gates.n && !reason[0]; i++) {
        const gate *g = &setup->gates.list[i];
        const json_t *v = json_object_get(costs, g->name);
        if (!v || gate_holds(g, json_number_value(v))) continue;
        snprintf(reason, SWEEP_TEXT, "%s %.4g %c %g", g->name, json_number_value(v),
                 g->most ? '>' : '<', g->limit);
    }
}

base_status cmd_worker_judge(const sweep *s, const json_t *values, json_t **costs,
                             char reason[SWEEP_TEXT], base_err *err)
{
    train_setup setup;
    base_err why = {0};
    *costs = json_object();
    base_status status = setup_of(s, values, &setup, &why);
    if (status == BASE_OK) status = measure(&setup, *costs, &why);
    if (status == BASE_OK)
        check(&setup, *costs, reason);
    else if (status == BASE_USAGE)
        snprintf(reason, SWEEP_TEXT, "%.*s", SWEEP_TEXT - 1, why.message);
    else if (err)
        *err = why;
    return status == BASE_USAGE ? BASE_OK : status;
}
