/* Splits, settings, metrics, import and packs. The split is checked against names whose split the
 * published lists of Speech Commands state, and where the clips are at hand against every one.
 */
#include "data/metrics.h"
#include "tests/check.h"
#include "tests/corpus.h"

#include <math.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- speakers and splits ---- */

static void test_which_set(void **state)
{
    (void)state;
    /* From testing_list.txt and validation_list.txt of Speech Commands v0.02, and the rest. */
    const char *const test[] = {"bb05582b", "97f4c236", "f2e59fea"};
    const char *const validation[] = {"a69b9b3e", "439c84f4", "409c962a", "dbaf8fc6", "a6d586b7"};
    const char *const train[] = {"004ae714", "0132a06d", "0135f3f2", "0137b3f4"};
    for (size_t i = 0; i < BASE_COUNT(test); i++)
        assert_int_equal(data_which_set(test[i]), DATA_TEST);
    for (size_t i = 0; i < BASE_COUNT(validation); i++)
        assert_int_equal(data_which_set(validation[i]), DATA_VALIDATION);
    for (size_t i = 0; i < BASE_COUNT(train); i++)
        assert_int_equal(data_which_set(train[i]), DATA_TRAIN);
    int count[DATA_SPLITS] = {0};
    for (int i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof name, "speaker%d", i);
        count[data_which_set(name)]++;
    }
    assert_in_range(count[DATA_VALIDATION], 850, 1150); /* 5 standard deviations */
    assert_in_range(count[DATA_TEST], 850, 1150);
}

static void test_speaker(void **state)
{
    (void)state;
    const char *const names[][2] = {{"0a7c2a8d_nohash_12.wav", "0a7c2a8d"},
                                    {"anna.wav", "anna"},
                                    {"anna_2.take.flac", "anna_2.take"},
                                    {"anna", "anna"},
                                    {".wav", ".wav"}};
    for (size_t i = 0; i < BASE_COUNT(names); i++) {
        char *speaker = data_speaker(names[i][0]);
        assert_string_equal(speaker, names[i][1]);
        free(speaker);
    }
}

/* A list of the archive says the same as the hash, line by line. */
static void check_list(const char *dir, const char *file, data_split wanted)
{
    char path[512], *text;
    size_t lines = 0;
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    assert_int_equal(base_read_file(path, 1 << 24, &text, NULL, &err), BASE_OK);
    for (char *save = NULL, *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
        char *speaker = data_speaker(strchr(s, '/') + 1);
        assert_int_equal(data_which_set(speaker), wanted);
        free(speaker);
        lines++;
    }
    free(text);
    assert_true(lines > 5000);
}

static void test_published_lists(void **state)
{
    (void)state;
    const char *dir = getenv("SOTTO_SPEECH_COMMANDS");
    if (!dir) dir = "../shared/speech_commands";
    if (!base_is_dir(dir)) {
        print_message("no Speech Commands at '%s' ($SOTTO_SPEECH_COMMANDS)\n", dir);
        skip();
    }
    check_list(dir, "validation_list.txt", DATA_VALIDATION);
    check_list(dir, "testing_list.txt", DATA_TEST);
}

/* ---- settings ---- */

static void test_settings(void **state)
{
    (void)state;
    data_config cfg = data_config_default(), back = data_config_default();
    data_augment aug = data_augment_default();
    base_err err = {0};
    assert_int_equal(data_config_set(&cfg, "unknown_share", "0.30000000000000004", &err), BASE_OK);
    assert_int_equal(data_config_set(&cfg, "keywords", "on, off", &err), BASE_OK);
    assert_int_equal(data_config_set(&cfg, "pack", "a b/c.h5", &err), BASE_OK);
    base_str text = {0};
    data_config_print(&cfg, &text);
    size_t keys = 0;
    for (char *save = NULL, *s = strtok_r(text.s, "\n", &save); s;
         s = strtok_r(NULL, "\n", &save)) {
        char *equals = strstr(s, " = ");
        assert_non_null(equals);
        *equals = '\0';
        assert_string_equal(s, data_config_key(keys));
        assert_non_null(data_config_help(keys++));
        assert_int_equal(data_config_set(&back, s, equals + 3, &err), BASE_OK);
    }
    base_str_free(&text);
    assert_null(data_config_key(keys));
    assert_memory_equal(&cfg, &back, sizeof cfg);
    assert_int_equal(data_config_set(&cfg, "unknown_shar", "0", &err), BASE_USAGE);
    assert_non_null(strstr(err.hint, "data.unknown_share"));
    assert_int_equal(data_config_set(&cfg, "unknown_share", "-1", &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "unknown_share = '-1': expected 0 .. 10"));
    assert_int_equal(data_augment_set(&aug, "speed_lo", "90.5", &err), BASE_USAGE);
    assert_int_equal(data_augment_set(&aug, "speed_lo", "110", &err), BASE_OK);
    assert_int_equal(data_augment_check(&aug, &err), BASE_USAGE);
    assert_int_equal(data_config_check(&cfg, &err), BASE_OK);
    const char *const bad[] = {"", ",", "yes,yes", "a/b", "..", "yes,\"no\""};
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        assert_int_equal(data_config_set(&cfg, "keywords", bad[i], &err), BASE_OK);
        assert_int_equal(data_config_check(&cfg, &err), BASE_USAGE);
    }
}

/* ---- metrics ---- */

static void test_metrics(void **state)
{
    (void)state;
    const int truth[] = {0, 0, 0, 1, 1, 2}, predicted[] = {0, 0, 1, 1, 0, 0};
    int64_t m[16] = {0};
    data_confuse(m, 4, truth, predicted, 6);
    assert_true(m[0] == 2 && m[1] == 1 && m[4] == 1 && m[5] == 1 && m[8] == 1);
    data_class_score s = data_score_class(m, 4, 0);
    assert_true(s.n == 3 && s.predicted == 4 && s.correct == 2);
    assert_true(fabs(s.precision - 0.5) < 1e-12 && fabs(s.recall - 2.0 / 3) < 1e-12);
    assert_true(fabs(s.f1 - 4.0 / 7) < 1e-12);
    s = data_score_class(m, 4, 2);
    assert_true(isnan(s.precision) && s.recall < 1e-12 && s.f1 < 1e-12);
    s = data_score_class(m, 4, 3);
    assert_true(isnan(s.precision) && isnan(s.recall) && isnan(s.f1));
    data_score all = data_score_all(m, 4);
    assert_true(all.n == 6 && all.correct == 3 && fabs(all.accuracy - 0.5) < 1e-12);
    assert_true(fabs(all.macro_f1 - (4.0 / 7 + 0.5) / 3) < 1e-12);
    const int64_t empty[4] = {0};
    all = data_score_all(empty, 2);
    assert_true(isnan(all.accuracy) && isnan(all.lo) && isnan(all.macro_f1));
    const float logits[] = {-1, 3, 3, 2};
    assert_int_equal(data_argmax(logits, 4), 1);
}

/* The Wilson interval by its definition: its ends are the proportions p at which the observed one
 * lies 1.96 standard errors of p away. */
static void test_wilson(void **state)
{
    (void)state;
    const int64_t cases[][2] = {{0, 10}, {10, 10}, {1, 7}, {4729, 4890}, {50, 100}};
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        double n = (double)cases[i][1], seen = (double)cases[i][0] / n, lo, hi;
        data_wilson(cases[i][0], cases[i][1], &lo, &hi);
        assert_true(lo >= 0 && hi <= 1 && lo <= seen && seen <= hi);
        if (cases[i][0] > 0)
            assert_true(fabs((seen - lo) / sqrt(lo * (1 - lo) / n) - 1.959964) < 1e-5);
        if (cases[i][0] < cases[i][1])
            assert_true(fabs((hi - seen) / sqrt(hi * (1 - hi) / n) - 1.959964) < 1e-5);
    }
}

/* ---- import ---- */

static void put_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(base_write_file(path, text, strlen(text), &err), BASE_OK);
}

static data_clip find(const data_pack *pack, const char *name, size_t *index)
{
    for (size_t i = 0; i < data_pack_clips(pack); i++) {
        data_clip clip = data_pack_clip(pack, i);
        if (strcmp(clip.name, name) == 0) return *index = i, clip;
    }
    fail_msg("no clip '%s'", name);
    return (data_clip){0};
}

static void test_import_keeps_samples(void **state)
{
    (void)state;
    char dir[64], name[16], file[64], path[256];
    base_err err = {0};
    data_import_result result;
    corpus_folder(dir);
    corpus_make(dir, "yes,no", 3, 1, 1);
    data_pack *pack = corpus_pack(dir, NULL, &result);
    assert_true(result.clips == 10 && result.words == 2 && result.noises == 2);
    assert_true(result.split[DATA_TRAIN] == 6 && result.split[DATA_VALIDATION] == 2);
    assert_int_equal(result.crossing, 0);
    size_t index, n;
    snprintf(file, sizeof file, "yes/%s_nohash_0.wav", corpus_speaker(DATA_TRAIN, 1, name));
    data_clip clip = find(pack, file, &index);
    assert_string_equal(data_pack_words(pack, &n)[clip.word], "yes");
    assert_string_equal(data_pack_speakers(pack, &n)[clip.speaker], name);
    assert_int_equal(n, 5);
    assert_int_equal(clip.split, DATA_TRAIN);
    assert_int_equal(clip.samples, 14400);
    dsp_audio audio;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    assert_int_equal(dsp_audio_read(path, DATA_RATE, 3, &audio, &err), BASE_OK);
    int16_t wanted[16000] = {0}, got[16000], part[100];
    dsp_to_pcm16(wanted, audio.pcm, audio.n);
    dsp_audio_free(&audio);
    assert_int_equal(data_pack_read_clip(pack, index, 16000, got, &err), BASE_OK);
    assert_memory_equal(got, wanted, sizeof wanted);
    assert_int_equal(data_pack_read(pack, index, 5000, 100, part, &err), BASE_OK);
    assert_memory_equal(part, wanted + 5000, sizeof part);
    assert_int_equal(data_pack_read(pack, index, 14400, 1, part, &err), BASE_DATA);
    assert_int_equal(data_pack_read(pack, index, -1, 1, part, &err), BASE_DATA);
    uint8_t hash[32];
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, 14400 * sizeof *wanted, (const uint8_t *)wanted);
    sha256_digest(&ctx, sizeof hash, hash);
    assert_memory_equal(hash, clip.hash, sizeof hash);
    assert_non_null(strstr(data_pack_provenance(pack), dir));
    data_pack_close(pack);
    corpus_remove(dir);
}

static void test_import_skips(void **state)
{
    (void)state;
    char dir[64], command[300];
    data_import_result result;
    corpus_folder(dir);
    corpus_make(dir, "yes", 2, 0, 0);
    corpus_clip(dir, "yes", "long", 0, DATA_RATE, 4 * DATA_RATE);
    corpus_clip(dir, "yes", "cut", 0, DATA_RATE, DATA_RATE);
    snprintf(command, sizeof command, "truncate -s 10000 %s/yes/cut_nohash_0.wav", dir);
    assert_int_equal(system(command), 0);
    put_text(dir, "yes/text.wav", "this is no sound, it only calls itself one\n");
    put_text(dir, "yes/empty.wav", "");
    put_text(dir, "yes/notes.txt", "not even called a recording\n");
    corpus_clip(dir, "yes", "none", 0, DATA_RATE, 0);
    base_err err = {0};
    const float zeros[8000] = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/yes/silent.wav", dir);
    assert_int_equal(dsp_audio_write(path, DATA_RATE, zeros, 8000, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/useless", dir);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    put_text(dir, "useless/a.wav", "text");
    data_pack *pack = corpus_pack(dir, NULL, &result);
    assert_int_equal(result.clips, 2);
    assert_int_equal(result.words, 1);
    assert_int_equal(result.skipped[DATA_SKIP_UNREADABLE], 3);
    assert_int_equal(result.skipped[DATA_SKIP_EMPTY], 2);
    assert_int_equal(result.skipped[DATA_SKIP_LONG], 1);
    assert_int_equal(result.skipped[DATA_SKIP_SILENT], 1);
    size_t n;
    const char *const *why = data_pack_skipped(pack, &n);
    assert_int_equal(n, 7);
    const char *const names[] = {"long_nohash_0", "cut_nohash_0", "text.wav",     "empty.wav",
                                 "none_nohash_0", "silent.wav",   "useless/a.wav"};
    for (size_t k = 0; k < BASE_COUNT(names); k++) {
        int named = 0;
        for (size_t i = 0; i < n; i++) named += strstr(why[i], names[k]) != NULL;
        assert_int_equal(named, 1);
    }
    data_pack_close(pack);
    corpus_remove(dir);
}

static void test_import_converts(void **state)
{
    (void)state;
    char dir[64];
    size_t index;
    data_import_result result;
    corpus_folder(dir);
    corpus_clip(dir, "yes", "a", 0, 44100, 44100);
    corpus_clip(dir, "yes", "b", 0, 8000, 4000);
    corpus_clip(dir, "yes", "c", 0, 16000, 33000);
    data_pack *pack = corpus_pack(dir, NULL, &result);
    assert_int_equal(result.clips, 3);
    assert_in_range(find(pack, "yes/a_nohash_0.wav", &index).samples, 15999, 16001);
    assert_in_range(find(pack, "yes/b_nohash_0.wav", &index).samples, 7999, 8001);
    assert_int_equal(find(pack, "yes/c_nohash_0.wav", &index).samples, 33000);
    assert_int_equal(result.noises, 0);
    data_pack_close(pack);
    corpus_remove(dir);
}

/* A long clip is used where it is loudest. */
static void test_loudest_window(void **state)
{
    (void)state;
    char dir[64], path[128];
    base_err err = {0};
    static float pcm[40000];
    corpus_folder(dir);
    for (int i = 0; i < 40000; i++) {
        bool loud = i >= 20000 && i < 30000;
        pcm[i] = (float)((loud ? 0.5 : 0.01) * sin(0.3 * i));
    }
    snprintf(path, sizeof path, "%s/yes", dir);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/yes/a.wav", dir);
    assert_int_equal(dsp_audio_write(path, DATA_RATE, pcm, 40000, &err), BASE_OK);
    data_pack *pack = corpus_pack(dir, NULL, NULL);
    int16_t got[16000], all[40000];
    assert_int_equal(data_pack_read_clip(pack, 0, 16000, got, &err), BASE_OK);
    assert_int_equal(data_pack_read(pack, 0, 0, 40000, all, &err), BASE_OK);
    int at = -1;
    for (int i = 0; i + 16000 <= 40000 && at < 0; i++)
        if (memcmp(got, all + i, sizeof got) == 0) at = i;
    assert_in_range(at, 30000 - 16000, 20000);
    data_pack_close(pack);
    corpus_remove(dir);
}

static void test_lists_win(void **state)
{
    (void)state;
    char dir[64], name[16], list[200], file[80];
    size_t index;
    corpus_folder(dir);
    corpus_clip(dir, "yes", corpus_speaker(DATA_TRAIN, 0, name), 0, DATA_RATE, 8000);
    snprintf(list, sizeof list, "yes/%s_nohash_0.wav\r\nyes/named.flac\n", name);
    snprintf(file, sizeof file, "yes/%s_nohash_0.wav", name);
    put_text(dir, "validation_list.txt", list);
    put_text(dir, "testing_list.txt", "");
    char unlisted[80];
    corpus_clip(dir, "yes", corpus_speaker(DATA_TEST, 0, name), 0, DATA_RATE, 8000);
    snprintf(unlisted, sizeof unlisted, "yes/%s_nohash_0.wav", name);
    char path[128];
    base_err err = {0};
    const float pcm[100] = {0.5f, -0.5f};
    const char *const plain[] = {"named", "tom", "ann", "joe", "sue", "kim", "pat", "lee"};
    for (size_t i = 0; i < BASE_COUNT(plain); i++) {
        snprintf(path, sizeof path, "%s/yes/%s.wav", dir, plain[i]);
        assert_int_equal(dsp_audio_write(path, DATA_RATE, pcm, 100, &err), BASE_OK);
    }
    data_pack *pack = corpus_pack(dir, NULL, NULL);
    assert_int_equal(find(pack, file, &index).split, DATA_VALIDATION);
    assert_int_equal(find(pack, unlisted, &index).split, DATA_TEST);
    assert_int_equal(find(pack, "yes/named.wav", &index).split, DATA_VALIDATION);
    for (size_t i = 1; i < BASE_COUNT(plain); i++) {
        snprintf(path, sizeof path, "yes/%s.wav", plain[i]);
        assert_int_equal(find(pack, path, &index).split, DATA_TRAIN);
    }
    data_pack_close(pack);
    corpus_remove(dir);
}

static void test_test_folder(void **state)
{
    (void)state;
    char dir[64], test[64], name[16], file[80];
    data_import_result result;
    base_err err = {0};
    corpus_folder(dir);
    corpus_folder(test);
    corpus_make(dir, "yes,no,on", 4, 1, 2);
    corpus_clip(test, "yes", corpus_speaker(DATA_TEST, 0, name), 7, DATA_RATE, 16000);
    corpus_clip(test, "yes", corpus_speaker(DATA_TRAIN, 0, name), 0, DATA_RATE, 16000);
    corpus_clip(test, "on", corpus_speaker(DATA_TEST, 1, name), 0, DATA_RATE, 16000);
    snprintf(file, sizeof file, "backward_%s", corpus_speaker(DATA_TEST, 2, name));
    corpus_clip(test, DATA_UNKNOWN, file, 0, DATA_RATE, 16000);
    corpus_clip(test, DATA_SILENCE, "1", 0, DATA_RATE, 16000);
    data_pack *pack = corpus_pack(dir, test, &result);
    assert_int_equal(result.split[DATA_TEST], 5);
    assert_int_equal(result.skipped[DATA_SKIP_HELD_OUT], 6);
    assert_int_equal(result.crossing, 0);
    size_t index, n;
    snprintf(file, sizeof file, DATA_UNKNOWN "/backward_%s_nohash_0.wav", name);
    assert_string_equal(data_pack_speakers(pack, &n)[find(pack, file, &index).speaker], name);
    /* Explicit clips are then all there is of the two classes: "on" is in no class of the test. */
    data_config cfg = data_config_default();
    data_task *task;
    snprintf(cfg.keywords, sizeof cfg.keywords, "yes,no");
    assert_int_equal(data_task_new(pack, &cfg, &task, &err), BASE_OK);
    const size_t wanted[] = {2, 0, 1, 1};
    for (int k = 0; k < 4; k++) assert_int_equal(data_task_count(task, DATA_TEST, k), wanted[k]);
    assert_int_equal(data_task_count(task, DATA_TRAIN, 2), 1);
    data_task_free(task);
    data_pack_close(pack);
    corpus_remove(test);
    corpus_remove(dir);
}

static void test_twins(void **state)
{
    (void)state;
    char dir[64], train[16], test[16], command[400];
    data_import_result result;
    corpus_folder(dir);
    corpus_make(dir, "yes", 2, 1, 1);
    corpus_speaker(DATA_TRAIN, 0, train);
    corpus_speaker(DATA_TEST, 5, test);
    snprintf(command, sizeof command, "cp %s/yes/%s_nohash_0.wav %s/yes/%s_nohash_0.wav", dir,
             train, dir, test);
    assert_int_equal(system(command), 0);
    data_pack_close(corpus_pack(dir, NULL, &result));
    assert_int_equal(result.crossing, 2);
    corpus_remove(dir);
}

/* The same folder gives the same pack with any number of threads. */
static void test_import_threads(void **state)
{
    (void)state;
    char dir[64], out[2][128];
    base_err err = {0};
    data_pack *pack[2];
    corpus_folder(dir);
    corpus_make(dir, "yes,no,up", 60, 2, 2);
    for (int i = 0; i < 2; i++) {
        data_import_result result;
        const data_import what = {.dir = dir, .max_seconds = 3, .threads = 1 + 2 * i};
        snprintf(out[i], sizeof out[i], "%s/%d.h5", dir, i);
        assert_int_equal(data_import_run(&what, out[i], &result, &err), BASE_OK);
        assert_int_equal(data_pack_open(out[i], &pack[i], &err), BASE_OK);
    }
    size_t n = data_pack_clips(pack[0]);
    assert_int_equal(n, 3 * 64);
    assert_int_equal(data_pack_clips(pack[1]), n);
    for (size_t i = 0; i < n; i++) {
        data_clip a = data_pack_clip(pack[0], i), b = data_pack_clip(pack[1], i);
        assert_string_equal(a.name, b.name);
        assert_memory_equal(a.hash, b.hash, DATA_HASH_BYTES);
        assert_true(a.offset == b.offset && a.word == b.word && a.speaker == b.speaker);
    }
    data_pack_close(pack[0]);
    data_pack_close(pack[1]);
    corpus_remove(dir);
}

static base_status import_status(const char *dir, const char *out, base_err *err)
{
    data_import_result result;
    const data_import what = {.dir = dir, .max_seconds = 3, .threads = 1};
    return data_import_run(&what, out, &result, err);
}

static void test_import_refuses(void **state)
{
    (void)state;
    char dir[64], out[128], path[128];
    base_err err = {0};
    corpus_folder(dir);
    snprintf(out, sizeof out, "%s/pack.h5", dir);
    snprintf(path, sizeof path, "%s/missing", dir);
    assert_int_equal(import_status(path, out, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "No such file"));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(import_status(dir, out, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "holds no word"));
    snprintf(path, sizeof path, "%s/yes", dir);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    put_text(dir, "yes/a.wav", "text");
    assert_int_equal(import_status(dir, out, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "no usable word"));
    assert_non_null(strstr(err.hint, "a.wav"));
    assert_false(base_exists(out));
    corpus_clip(dir, "yes", "a", 0, DATA_RATE, 8000);
    assert_int_equal(import_status(dir, "/dev/full", &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "No space left on device"));
    snprintf(path, sizeof path, "%s/yes/a.wav/pack.h5", dir);
    assert_int_equal(import_status(dir, path, &err), BASE_FAILED);
    const volatile int stop = 1;
    data_import_result result;
    const data_import what = {.dir = dir, .max_seconds = 3, .threads = 1, .stop = &stop};
    assert_int_equal(data_import_run(&what, out, &result, &err), BASE_INTERRUPTED);
    snprintf(path, sizeof path, "test \"$(ls -A %s)\" = yes", dir); /* nothing half-written */
    assert_int_equal(system(path), 0);
    corpus_remove(dir);
}

/* ---- damaged packs ---- */

static void test_damaged_pack(void **state)
{
    (void)state;
    char dir[64], path[128], command[300];
    base_err err = {0};
    data_pack *pack;
    struct stat st;
    corpus_folder(dir);
    corpus_make(dir, "yes,no", 2, 1, 1);
    data_pack_close(corpus_pack(dir, NULL, NULL));
    snprintf(path, sizeof path, "%s/pack.h5", dir);
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size > 0; size = size * 3 / 4) {
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(data_pack_open(path, &pack, &err), BASE_DATA);
        assert_null(pack);
        assert_non_null(strstr(err.message, "pack.h5"));
    }
    assert_int_equal(data_pack_open("/nowhere/pack.h5", &pack, &err), BASE_DATA);
    assert_non_null(strstr(err.hint, "sotto data import"));
    assert_int_equal(data_pack_open("", &pack, &err), BASE_USAGE);
    if (system("command -v python3 >/dev/null && python3 -c 'import h5py' 2>/dev/null") == 0) {
        data_pack_close(corpus_pack(dir, NULL, NULL));
        snprintf(command, sizeof command,
                 "python3 -c \"import h5py; h5py.File('%s','a')['clips/word'][0]=7\"", path);
        assert_int_equal(system(command), 0);
        assert_int_equal(data_pack_open(path, &pack, &err), BASE_DATA);
        assert_non_null(strstr(err.message, "damaged"));
    }
    corpus_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_set),
        cmocka_unit_test(test_speaker),
        cmocka_unit_test(test_published_lists),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_import_keeps_samples),
        cmocka_unit_test(test_import_skips),
        cmocka_unit_test(test_import_converts),
        cmocka_unit_test(test_loudest_window),
        cmocka_unit_test(test_lists_win),
        cmocka_unit_test(test_test_folder),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_import_threads),
        cmocka_unit_test(test_import_refuses),
        cmocka_unit_test(test_damaged_pack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
