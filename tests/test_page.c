/* Charts of pages: where the names of points stand. */
#include "tests/check.h"

#include "data/page.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 40, WIDE = 420, HIGH = 270 };

typedef struct label {
    double x0, x1, y;
} label;

/* Where the names stand, which all begin with '@', with letters of 7. */
static int labels_of(const char *svg, label list[MOST])
{
    int n = 0;
    for (const char *at = svg; (at = strstr(at, "<text ")); at++) {
        double x, y;
        const char *text = strchr(at, '>') + 1;
        if (*text != '@' || n == MOST) continue;
        assert_int_equal(sscanf(at, "<text x=\"%lf\" y=\"%lf\"", &x, &y), 2);
        const double width = 7 * (double)strcspn(text, "<");
        const char *end = strstr(at, "text-anchor=\"end\"");
        const double from = end && end < text ? x - width : x;
        list[n++] = (label){from, from + width, y};
    }
    return n;
}

static void check_apart(const char *svg, int wanted)
{
    label l[MOST];
    assert_int_equal(labels_of(svg, l), wanted);
    for (int i = 0; i < wanted; i++) {
        assert_true(l[i].x0 >= 0 && l[i].x1 <= WIDE && l[i].y >= 10 && l[i].y <= HIGH);
        for (int k = 0; k < i; k++)
            assert_true(l[i].x1 <= l[k].x0 || l[k].x1 <= l[i].x0 || l[i].y - l[k].y >= 13 ||
                        l[k].y - l[i].y >= 13);
    }
}

static void names_at_the_right_end_stay_on_the_chart(void **state)
{
    (void)state;
    const double x[] = {3, 7.9, 8}, y[] = {0.82, 0.9, 0.86};
    const char *const names[] = {"@mfcc_25x10", "@mfcc_20x49", "@logmel_40x101"};
    const page_series s = {.x = x, .y = y, .label = names, .n = 3, .points = true};
    const page_axes axes = {.title = "t", .x = "x", .percent = true};
    base_str out = {0};
    page_chart(&out, &axes, &s, 1);
    check_apart(out.s, 3);
    base_str_free(&out);
}

static void names_of_near_points_stand_apart(void **state)
{
    (void)state;
    const double x[] = {3, 6.5, 7, 7.95, 14.9}, y[] = {0.484, 0.4946, 0.4949, 0.4936, 0.4935};
    const double x2[] = {15.3}, y2[] = {0.4946};
    const char *const names[] = {"@mfcc_49x10", "@logmel_40x101", "@mfcc_20x49", "@mfcc_40x98",
                                 "@mfcc_32x101"};
    const char *const other[] = {"@logmel_40x99"};
    const page_series s[] = {{.x = x, .y = y, .label = names, .n = 5, .points = true},
                             {.x = x2, .y = y2, .label = other, .n = 1, .points = true}};
    for (int log_x = 0; log_x < 2; log_x++) {
        const page_axes axes = {.title = "t", .x = "x", .percent = true, .log_x = log_x};
        base_str out = {0};
        page_chart(&out, &axes, s, BASE_COUNT(s));
        check_apart(out.s, 6);
        base_str_free(&out);
    }
}

/* A crowd has no room for all: they are there all the same, on the chart. */
static void a_crowd_is_drawn(void **state)
{
    (void)state;
    enum { CROWD = 300 };
    double x[CROWD], y[CROWD];
    const char *names[CROWD];
    for (int i = 0; i < CROWD; i++) {
        x[i] = i % 3;
        y[i] = i % 2;
        names[i] = i < MOST ? "@crowd" : "<&>";
    }
    const page_series s = {.x = x, .y = y, .label = names, .n = CROWD, .points = true};
    base_str out = {0};
    label l[MOST];
    page_chart(&out, &(page_axes){.title = "t", .x = "x"}, &s, 1);
    assert_int_equal(labels_of(out.s, l), MOST);
    for (int i = 0; i < MOST; i++) assert_true(l[i].x0 >= 0 && l[i].x1 <= WIDE);
    assert_null(strstr(out.s, "<&>"));
    base_str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_at_the_right_end_stay_on_the_chart),
        cmocka_unit_test(names_of_near_points_stand_apart),
        cmocka_unit_test(a_crowd_is_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
