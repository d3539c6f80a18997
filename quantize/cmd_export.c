/* sotto export: an int8 model as one C99 header; any model as a .tflite or .onnx file. */
#include "quantize/firmware.h"
#include "quantize/onnx.h"
#include "quantize/pipeline.h"
#include "quantize/posterior_options.h"
#include "quantize/stream_plan.h"
#include "quantize/tflite.h"
#include "train/cli.h"
#include "train/version.h"

#include <stdlib.h>
#include <string.h>

base_status cmd_export(cli *c, int argc, char **argv, base_err *err);

typedef enum kind { HEADER, TFLITE, ONNX } kind;
static const char *const kinds[] = {"header", "tflite", "onnx", NULL};

typedef struct options {
    const char *prefix, *stream, *firmware, *board, *wav;
    quant_posterior posterior;
    int hop;  /* frames; 0: no streaming */
    int mode; /* q8_stream_mode */
    int net;  /* it alone */
} options;

/* What a header is made of. */
typedef struct parts {
    q8_model *m;
    quant_pipeline pipeline;
    q8_stream *stream;
    q8_export how;
} parts;

static const cli_spec spec = {
    .usage = "RUN|MODEL",
    .about =
        "Writes one self-contained C99 header: front-end, net and post-processing in integers,\n"
        "constant tables, a planned work buffer; kws_init(), kws_push(samples) and kws_result(),\n"
        "kws_run() for the net alone (which is all there is with --net, or where features cannot\n"
        "be computed in integers), kws_selftest(). It allocates nothing, uses no float, and gives\n"
        "the results of `sotto stream` and `sotto eval` on the same model bit for bit. Header and\n"
        "runtime are 0BSD.\n"
        "--hop FRAMES adds kws_stream_step(), which takes that many new frames of features and\n"
        "computes what they change, and kws_push() uses it: the window moves on, with the results\n"
        "of kws_run() on it, or (recurrent layers) the state goes on.\n"
        "--format tflite, or -o NAME.tflite, writes a TensorFlow Lite model instead, of float\n"
        "models too; TensorFlow Lite's own kernels give the results of an int8 model bit for bit.\n"
        "--format onnx, or -o NAME.onnx, writes ONNX (opset 13), int8 models with QuantizeLinear\n"
        "and DequantizeLinear around float operators. Both write weights of 4 bits as the same\n"
        "numbers in int8.\n"
        "--firmware writes a folder with the header and a program for --board. For the machines\n"
        "that an emulator has (microbit, mps2-an385, mps2-an386, mps2-an500, mps2-an505,\n"
        "mps3-an547, virt) it is complete: `make run` there prints self-test, executed\n"
        "instructions by stage, and stack. For the boards of `sotto estimate --list` it is the\n"
        "frame of one and a README.",
    .min_args = 1,
    .max_args = 1,
    .output = "the file to write",
    .writes = kinds,
    .format =
        "header, tflite or onnx (default: by the name of -o); table, tsv or json: of the result",
};

/* ---- a header ---- */

static void drop(parts *p)
{
    quant_pipeline_free(&p->pipeline);
    q8_stream_free(p->stream);
    q8_model_free(p->m);
}

static base_status plan_stream(const options *o, parts *p, base_err *err)
{
    BASE_TRY(q8_stream_new(p->m, (q8_stream_mode)o->mode, o->hop, &p->stream, err));
    p->how.stream = p->stream;
    return BASE_OK;
}

/* What stands around the net, unless the net alone is wanted, or its features are none that
 * integers compute. */
static base_status plan_pipeline(cli *c, const options *o, parts *p, base_err *err)
{
    base_err why = {0};
    if (o->net) return BASE_OK;
    if (!quant_pipeline_possible(p->m, &why)) {
        cli_say(c, "the net alone: %s", why.message);
        return BASE_OK;
    }
    BASE_TRY(quant_pipeline_new(p->m, &o->posterior, p->stream, &p->pipeline, err));
    p->how.pipeline = &p->pipeline;
    return BASE_OK;
}

static base_status gather(cli *c, const options *o, const char *path, parts *p, base_err *err)
{
    *p = (parts){.how.prefix = o->prefix};
    base_status status = q8_load(path, &p->m, err);
    if (status == BASE_OK && o->hop) status = plan_stream(o, p, err);
    if (status == BASE_OK) status = plan_pipeline(c, o, p, err);
    if (status != BASE_OK) drop(p);
    return status;
}

static void put_stream(cli *c, const q8_stream *s)
{
    cli_put_text(c, "stream", q8_stream_mode_name(s->mode));
    cli_put_int(c, "hop_frames", s->hop);
    cli_put_int(c, "hop_macs", s->macs);
    cli_put_int(c, "run_macs", s->window_macs);
    cli_put_bytes(c, "stream_bytes", (int64_t)s->net.work);
}

static base_status put_result(cli *c, const parts *p, size_t header_bytes, base_err *err)
{
    const q8_model *m = p->m;
    const quant_pipeline *pl = p->how.pipeline;
    size_t weights, tables, work = 0;
    char hash[65], shape[64];
    BASE_TRY(q8_exported_work(m, &work, err));
    q8_table_bytes(m, &weights, &tables);
    cli_put_text(c, "header", c->output);
    cli_put_bytes(c, "header_bytes", (int64_t)header_bytes);
    cli_put_text(c, "prefix", p->how.prefix);
    cli_put_text(c, "input", nn_shape_text(m->values[0].shape, shape));
    cli_put_int(c, "outputs", (int64_t)q8_output_size(m));
    cli_put_text(c, "rounding", q8_rounding_name(m->rounding));
    cli_put_int(c, "layers", m->n_layers);
    cli_put_bytes(c, "weight_bytes", (int64_t)weights);
    cli_put_bytes(c, "table_bytes", (int64_t)tables);
    cli_put_bytes(c, "work_bytes", (int64_t)quant_pipeline_work(p->stream ? NULL : pl, work));
    cli_put_bool(c, "front_end", pl != NULL);
    if (pl) cli_put_bytes(c, "state_bytes", (int64_t)quant_pipeline_state(pl, m));
    if (pl) cli_put_int(c, "hop_samples", pl->hop);
    cli_put_int(c, "golden_inputs", (int64_t)m->n_golden);
    if (q8_hash(m, hash, NULL) == BASE_OK) cli_put_text(c, "model_hash", hash);
    if (p->stream) put_stream(c, p->stream);
    return BASE_OK;
}

static base_status export_header(cli *c, const options *o, const char *path, base_err *err)
{
    base_str text = {0};
    parts p;
    BASE_TRY(gather(c, o, path, &p, err));
    base_status status = q8_emit(p.m, &p.how, &text, err);
    if (status == BASE_OK) status = base_write_file(c->output, text.s, text.len, err);
    if (status == BASE_OK) status = put_result(c, &p, text.len, err);
    base_str_free(&text);
    drop(&p);
    return status;
}

/* ---- another file ---- */

static base_status file_bytes(const char *path, kind k, bool int8, base_str *bytes, base_err *err)
{
    q8_model *q = NULL;
    nn_model *m = NULL;
    base_status status = int8 ? q8_load(path, &q, err) : nn_model_load(path, &m, err);
    if (status == BASE_OK && k == TFLITE)
        status = int8 ? tflite_export_q8(q, bytes, err) : tflite_export_float(m, bytes, err);
    if (status == BASE_OK && k == ONNX)
        status = int8 ? onnx_export_q8(q, SOTTO_VERSION, bytes, err)
                      : onnx_export_float(m, SOTTO_VERSION, bytes, err);
    q8_model_free(q);
    nn_model_free(m);
    return status;
}

static base_status export_file(cli *c, const char *path, kind k, base_err *err)
{
    bool int8 = false;
    base_str bytes = {0};
    BASE_TRY(q8_is_model(path, &int8, err));
    base_status status = file_bytes(path, k, int8, &bytes, err);
    if (status == BASE_OK) status = base_write_file(c->output, bytes.s, bytes.len, err);
    if (status == BASE_OK) {
        cli_put_text(c, "file", c->output);
        cli_put_text(c, "kind", int8 ? "int8" : "float");
        cli_put_bytes(c, "file_bytes", (int64_t)bytes.len);
    }
    base_str_free(&bytes);
    return status;
}

static base_status export_firmware(cli *c, const options *o, const char *path, base_err *err)
{
    bool emulated = false;
    parts p;
    cli_interrupt(c); /* or a folder might be left half-written */
    BASE_TRY(gather(c, o, path, &p, err));
    const base_status status =
        firmware_write(p.m, &p.how, o->board, o->wav, o->firmware, &emulated, err);
    drop(&p);
    if (status != BASE_OK) return status;
    cli_put_text(c, "firmware", o->firmware);
    cli_put_text(c, "board", o->board);
    cli_put_bool(c, "emulated", emulated);
    cli_say(c, emulated ? "make -C %s run" : "see %s/README.md", o->firmware);
    return BASE_OK;
}

static base_status check_stream(options *o, base_err *err)
{
    static const char *const modes[] = QUANT_STREAM_MODES;
    BASE_TRY(cli_check_choice("--stream", o->stream, modes, &o->mode, err));
    if (!o->mode || o->hop) return BASE_OK;
    base_fail(err, BASE_USAGE, "--stream %s without --hop", o->stream);
    return base_hint(err, "say how many frames come at a time: --hop 2");
}

/* Options that do not go together. */
static base_status check_options(const cli *c, options *o, base_err *err)
{
    BASE_TRY(check_stream(o, err));
    if (!o->firmware && (o->board || o->wav)) {
        base_fail(err, BASE_USAGE, "%s is of --firmware, which is not there",
                  o->board ? "--board" : "--wav");
        return base_hint(err, "name its folder: --firmware DIR");
    }
    if (!o->firmware && !c->output) {
        base_fail(err, BASE_USAGE, "what to write is missing");
        return base_hint(err, "add -o FILE, or --firmware DIR --board NAME");
    }
    if (!o->firmware) return BASE_OK;
    if (c->output || c->writes || strcmp(o->prefix, "kws") != 0) {
        base_fail(err, BASE_USAGE, "--firmware takes no -o, --prefix or --format of a file");
        return base_hint(err, "its header is DIR/model.h, with names that begin with kws");
    }
    if (o->board) return BASE_OK;
    base_fail(err, BASE_USAGE, "--board is missing");
    return base_hint(err, "--board mps2-an386 (a Cortex-M4) runs in the emulator");
}

static bool ends_in(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

/* What --format asks for, else what the name of -o does. */
static kind kind_of(const cli *c)
{
    for (int k = 0; c->writes && kinds[k]; k++)
        if (strcmp(c->writes, kinds[k]) == 0) return (kind)k;
    return ends_in(c->output, ".tflite") ? TFLITE : ends_in(c->output, ".onnx") ? ONNX : HEADER;
}

base_status cmd_export(cli *c, int argc, char **argv, base_err *err)
{
    options o = {.prefix = "kws", .stream = "auto", .posterior = quant_posterior_default()};
    const struct poptOption table[] = {
        {"prefix", 'p', POPT_ARG_STRING, &o.prefix, 0, "what all names begin with", "NAME"},
        QUANT_STREAM_OPTIONS(&o.hop, &o.stream),
        {"firmware", 0, POPT_ARG_STRING, &o.firmware, 0, "write a project into this folder", "DIR"},
        {"board", 0, POPT_ARG_STRING, &o.board, 0, "what the project is for", "NAME"},
        {"wav", 0, POPT_ARG_STRING, &o.wav, 0, "a recording that the project hears", "FILE"},
        {"net", 0, POPT_ARG_NONE, &o.net, 0, "the net alone: it takes features", NULL},
        QUANT_POSTERIOR_OPTIONS(&o.posterior),
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, table, err)) return err->status;
    BASE_TRY(check_options(c, &o, err));
    char *path = NULL;
    BASE_TRY(nn_model_path(c->args[0], &path, err));
    const kind k = o.firmware ? HEADER : kind_of(c);
    const base_status status = o.firmware    ? export_firmware(c, &o, path, err)
                               : k == HEADER ? export_header(c, &o, path, err)
                                             : export_file(c, path, k, err);
    free(path);
    return status;
}
