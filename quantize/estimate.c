/* The estimate of a network on a board; the model is described in estimate.h, the origin of its
 * coefficients in bench/fit_instructions.c, bench/fit_latency.c and bench/code_size.sh.
 */
#include "quantize/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNEL_BYTES = 12 }; /* int32 bias, multiplier, shift */

/* Percent by which cycles an instruction differ between programs on one core: TFLM's two networks
 * on STM32L4R5 (bench/RESULTS.md). */
static const double OTHER_CODE = 15;

/* Percent by which instructions of streaming steps differ from counted ones (bench/RESULTS.md). */
static const double STEPS_ERROR = 10;

static const quant_figure UNKNOWN = {(double)NAN, (double)NAN, QUANT_UNKNOWN};

const char *quant_runtime_name(quant_runtime runtime)
{
    return runtime == QUANT_SOTTO ? "sotto" : "cmsis-nn";
}

/* ---- instructions ---- */

static void work_of(const quant_layer_cost *c, double work[QUANT_TERMS])
{
    const bool reduces = c->macs == 0 && c->inputs > c->outputs;
    const bool slides = c->kind == QUANT_CONV || c->kind == QUANT_DEPTHWISE;
    const bool separable = c->kernel && strcmp(c->kernel, "separable") == 0;
    work[QUANT_MAC] = (double)(reduces ? c->inputs : separable ? c->macs - c->rows : c->macs);
    const bool trees = c->kernel && strcmp(c->kernel, "trees") == 0;
    work[QUANT_ROW] = slides || trees ? (double)c->rows : 0;
    work[QUANT_OUT] = (double)c->outputs;
    work[QUANT_PIXEL] = slides ? (double)c->pixels : 0;
    work[QUANT_PATCH] =
        c->kind == QUANT_CONV ? work[QUANT_MAC] * work[QUANT_PIXEL] / work[QUANT_OUT] : 0;
    work[QUANT_LAYER] = c->part > 0 ? c->part : 1;
    if (c->kernel) quant_recurrent_work(c->kernel, (double)c->pixels, (double)c->weights, work);
}

/* What CMSIS-NN calls our kernels: it pools all in the same way. */
static const char *kernel_in(quant_runtime runtime, const quant_layer_cost *c)
{
    const char *name = c->kernel ? c->kernel : c->op;
    const bool averages = strcmp(c->op, "mean") == 0 || strcmp(c->op, "max") == 0;
    return runtime == QUANT_CMSIS_NN && (c->kind == QUANT_POOL || averages) ? "globalpool" : name;
}

void quant_layer_variant(const quant_layer_cost *layer, char variant[32])
{
    *variant = 0;
    if (layer->flat && layer->kernel && strcmp(layer->kernel, "conv2d_gemm") == 0)
        snprintf(variant, 32, "flat");
    else if (layer->kind == QUANT_CONV || layer->kind == QUANT_DEPTHWISE)
        snprintf(variant, 32, "%dx%d", layer->kernel_h, layer->kernel_w);
}

double quant_layer_instructions(const quant_layer_cost *layer, const quant_table *table,
                                quant_runtime runtime)
{
    double work[QUANT_TERMS];
    char variant[32];
    if (layer->is_input) return 0;
    quant_layer_variant(layer, variant);
    const quant_rule *rule = quant_rule_of(table, kernel_in(runtime, layer), variant);
    if (!rule) return (double)NAN;
    work_of(layer, work);
    return quant_instructions(rule, work) * (layer->part > 0 ? layer->padded : 1);
}

/* Of a kernel that was never counted: products as in a dense layer, an element as `work` of add's.
 */
static double guess(const quant_layer_cost *c, const quant_table *own)
{
    const quant_rule *dense = quant_rule_of(own, "dense", ""), *add = quant_rule_of(own, "add", "");
    if (!dense || !add) return (double)NAN;
    return dense->per[QUANT_MAC] * (double)c->macs +
           add->per[QUANT_OUT] * c->work * (double)c->outputs;
}

/* *guessed: instructions of layers whose kernel was not counted in this runtime. */
static void count_instructions(const quant_costs *costs, const quant_core *core,
                               quant_runtime runtime, quant_estimate *e, double *guessed)
{
    const quant_table *table = runtime == QUANT_SOTTO ? &core->own : &core->cmsis;
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        double n = quant_layer_instructions(c, table, runtime);
        if (!isfinite(n)) {
            n = quant_layer_instructions(c, &core->own, QUANT_SOTTO);
            if (!isfinite(n)) n = guess(c, &core->own);
            *guessed += n;
        }
        e->layer[i].instructions = table->n ? n : (double)NAN;
        e->instructions += e->layer[i].instructions;
    }
}

/* ---- flash and RAM ---- */

/* Kernels that are compiled for each shape (quantize/emit_net.c). */
static bool is_shaped(const quant_layer_cost *c)
{
    static const char *const names[] = {"conv2d_gemm", "dwconv2d_taps", "separable"};
    for (size_t i = 0; i < BASE_COUNT(names); i++)
        if (c->kernel && strcmp(c->kernel, names[i]) == 0) return true;
    return false;
}

static bool same_shape(const quant_layer_cost *a, const quant_layer_cost *b)
{
    return a->macs == b->macs && a->rows == b->rows && a->inputs == b->inputs &&
           a->outputs == b->outputs && a->kernel_h == b->kernel_h && a->kernel_w == b->kernel_w &&
           a->pixels == b->pixels && a->in_place == b->in_place;
}

/* Whether no layer before i runs the same code. */
static bool is_first(const quant_costs *costs, int i)
{
    const quant_layer_cost *c = &costs->layer[i];
    const char *kernel = c->kernel ? c->kernel : c->op;
    for (int k = 0; k < i; k++) {
        const quant_layer_cost *o = &costs->layer[k];
        if (!o->is_input && strcmp(kernel, o->kernel ? o->kernel : o->op) == 0 &&
            (!is_shaped(c) || same_shape(c, o)))
            return false;
    }
    return !c->is_input;
}

static double code_of(const quant_layer_cost *c, const quant_core *core)
{
    if (c->kernel && strcmp(c->kernel, "separable") == 0)
        return core->code[QUANT_CONV] + core->code[QUANT_DEPTHWISE];
    return c->size * core->code[c->kind];
}

static void count_bytes(const quant_costs *costs, const quant_core *core, quant_estimate *e)
{
    double code = core->code_base;
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        int64_t tables = c->is_input ? 0 : c->channels * CHANNEL_BYTES + c->constants;
        e->layer[i].flash = c->weights + tables;
        e->macs += c->macs;
        e->weights += c->weights;
        e->tables += tables;
        if (is_first(costs, i)) code += code_of(c, core);
    }
    e->code = (int64_t)code;
    const double flash = (double)(e->weights + e->tables + e->code);
    e->flash = (quant_figure){flash, core->code_error * (double)e->code / flash, QUANT_MEASURED};
}

static base_status plan_memory(const quant_costs *costs, quant_estimate *e, base_err *err)
{
    quant_memory memory;
    int64_t *live = calloc((size_t)costs->n, sizeof *live);
    if (!live) return base_nomem(err, (size_t)costs->n * sizeof *live);
    base_status status = quant_memory_of(costs, 1, &memory, err);
    if (status == BASE_OK) status = quant_live_of(costs, live, err);
    for (int i = 0; i < costs->n && status == BASE_OK; i++) e->layer[i].live = live[i];
    free(live);
    if (status != BASE_OK) return status;
    e->work = memory.work;
    e->ram = (quant_figure){(double)memory.ram, 0, QUANT_EXACT};
    return BASE_OK;
}

/* Layers and memory of whole runs become those of steps. */
static void take_step(const quant_step *step, quant_estimate *e)
{
    e->macs = 0;
    for (int i = 0; i < step->costs.n; i++) {
        e->layer[i] =
            (quant_layer_estimate){.flash = step->costs.layer[i].weights, .live = step->ram};
        e->macs += step->costs.layer[i].macs;
    }
    e->tables += step->constants;
    e->flash.value += (double)step->constants;
    e->work = step->work;
    e->ram = (quant_figure){(double)step->ram, 0, QUANT_EXACT};
}

/* Flash and RAM with what is around the network. */
static void add_front(const quant_core *core, quant_use use, quant_estimate *e)
{
    const quant_front *f = use.front;
    e->whole_flash = e->whole_ram = UNKNOWN;
    if (!f || use.runtime != QUANT_SOTTO) return;
    const int64_t shared = use.step ? 0 : e->work < f->scratch ? e->work : f->scratch;
    e->whole_ram =
        (quant_figure){e->ram.value + (double)(f->kept + f->scratch - shared), 0, QUANT_EXACT};
    if (core->code_frontend <= 0) return;
    const double code = (double)e->code + core->code_frontend;
    const double flash = e->flash.value + (double)f->tables + core->code_frontend;
    e->whole_flash = (quant_figure){flash, core->code_error * code / flash, QUANT_MEASURED};
}

double quant_whole(quant_figure whole, quant_figure net)
{
    return isfinite(whole.value) ? whole.value : net.value;
}

static void judge(const quant_target *target, quant_estimate *e)
{
    const double flash = quant_whole(e->whole_flash, e->flash) - (double)target->flash;
    const double ram = quant_whole(e->whole_ram, e->ram) - (double)target->ram;
    e->fits = flash <= 0 && ram <= 0;
    char *at = e->why, *end = e->why + sizeof e->why;
    if (!isfinite(flash)) snprintf(at, sizeof e->why, "CMSIS-NN has no kernels for this core");
    if (flash > 0)
        at += snprintf(at, (size_t)(end - at), "%.1f KiB of flash too much", flash / 1024);
    if (ram > 0)
        snprintf(at, (size_t)(end - at), "%s%.1f KiB of RAM too much", flash > 0 ? ", " : "",
                 ram / 1024);
}

/* ---- time and energy ---- */

/* Of the time of code that nobody timed on this core. */
static double untimed_error(const quant_target *target)
{
    return hypot(fmax(target->latency_error, target->core.cpi_error), OTHER_CODE);
}

static quant_figure frame_time(const quant_target *target, const dsp_config *features)
{
    double work[QUANT_TERMS];
    const quant_rule *rule = quant_rule_of(&target->core.frontend, "frame", "");
    if (!rule || !features) return UNKNOWN;
    quant_frame_work(features, work);
    const double cycles = quant_instructions(rule, work) * quant_target_cpi(target);
    return (quant_figure){cycles / (target->mhz * 1e3),
                          hypot(untimed_error(target), target->core.frontend.error),
                          QUANT_INFERRED};
}

quant_front_cost quant_front_estimate(const quant_front *front, const dsp_config *features,
                                      const quant_target *target)
{
    int frames, bins;
    const quant_core *core = &target->core;
    dsp_config_shape(features, &frames, &bins);
    quant_front_cost c = {.flash = UNKNOWN, .frame = frame_time(target, features)};
    const double input = (double)frames * bins;
    c.ram = (quant_figure){(double)(front->kept + front->scratch) + input, 0, QUANT_EXACT};
    if (core->code_frontend > 0) {
        const double flash = (double)front->tables + core->code_frontend;
        c.flash =
            (quant_figure){flash, core->code_error * core->code_frontend / flash, QUANT_MEASURED};
    }
    const double rate = (double)features->rate / dsp_config_hop(features); /* frames a second */
    c.share = c.frame.value * 1e-3 * rate;
    c.cycles = c.share * target->mhz * 1e6;
    return c;
}

static void time_and_energy(const quant_costs *costs, const quant_target *target, quant_use use,
                            quant_estimate *e)
{
    const int frames = use.step ? use.step->hop : use.frames > 0 ? use.frames : 1;
    const quant_table *table = use.runtime == QUANT_SOTTO ? &target->core.own : &target->core.cmsis;
    const double cpi = quant_target_cpi(target), khz = target->mhz * 1e3;
    double guessed = 0, cycles = 0;
    count_instructions(costs, &target->core, use.runtime, e, &guessed);
    for (int i = 0; i < costs->n; i++) {
        const double own = e->layer[i].instructions * cpi +
                           (double)costs->layer[i].weights * target->weight_cycles;
        e->layer[i].ms = own / khz;
        cycles += own;
    }
    e->latency = e->frontend = e->duty = e->energy = UNKNOWN;
    e->hop_ms = use.features ? frames * use.features->hop_ms : (double)NAN;
    e->frontend = frame_time(target, use.features);
    if (!isfinite(cycles)) return;
    /* a board was timed with the kernels of CMSIS-NN; ours are other code on the same core */
    const bool timed = use.runtime == QUANT_CMSIS_NN && guessed <= 0;
    const double counted = hypot(table->error, use.step ? STEPS_ERROR : 0);
    const double error = hypot(timed ? target->latency_error : untimed_error(target), counted);
    e->latency =
        (quant_figure){cycles / khz, hypot(error, 100 * guessed / fmax(e->instructions, 1)),
                       timed ? target->basis : QUANT_INFERRED};
    if (use.features) {
        const double frame = isfinite(e->frontend.value) ? e->frontend.value : 0;
        e->duty = e->latency;
        e->duty.value = (e->latency.value + frames * frame) / e->hop_ms;
    }
    const double power = quant_target_power(target);
    if (power > 0) /* both are factors: errors of a product of independent ones */
        e->energy =
            (quant_figure){cycles * power * 1e-3, hypot(e->latency.error, target->power_error),
                           target->mw_per_mhz > 0 ? e->latency.basis : QUANT_INFERRED};
}

base_status quant_estimate_run(const quant_costs *costs, const quant_target *target, quant_use use,
                               quant_estimate *estimate, base_err *err)
{
    quant_estimate *e = estimate;
    const size_t n = (size_t)(use.step ? costs->n + use.step->costs.n : costs->n);
    *e = (quant_estimate){0};
    e->layer = calloc(n, sizeof *e->layer);
    if (!e->layer) return base_nomem(err, n * sizeof *e->layer);
    count_bytes(costs, &target->core, e);
    base_status status = plan_memory(costs, e, err);
    if (status == BASE_OK && use.runtime == QUANT_CMSIS_NN)
        status = quant_tflm_memory(costs, target, use.tflite, e, err);
    if (status != BASE_OK) {
        quant_estimate_free(e);
        return status;
    }
    if (use.step) take_step(use.step, e);
    time_and_energy(use.step ? &use.step->costs : costs, target, use, e);
    add_front(&target->core, use, e);
    judge(target, e);
    return BASE_OK;
}

void quant_estimate_free(quant_estimate *estimate)
{
    free(estimate->layer);
    *estimate = (quant_estimate){0};
}
