/* page: see page.h. */
#include "data/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The colours c0 .. c7 stay apart for people without one of the three kinds of cones (by the
 * matrices of Machado et al., "A physiologically-based model for simulation of color vision
 * deficiency", 2009: 9 of 100 or more in OKLab for any two of them) and from the ground (contrast
 * 3 or more). */
static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6570;--ground:#fff;--line:#d5dae0;"
    "--card:#f5f7f9;--c0:#6367d5;--c1:#721400;--c2:#007200;--c3:#56117c;--c4:#a18900;--c5:#0096b8;-"
    "-c6:#d75782;--c7:#484e58;"
    "--hit:37,99,201;--miss:200,60,20}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--dim:#9aa5b1;--ground:#14171b;"
    "--line:#353c45;--card:#1d2228;--c0:#406ad1;--c1:#f9981f;--c2:#97f58c;--c3:#a88bff;"
    "--c4:#8b6d00;--c5:#35cccf;--c6:#d25587;--c7:#ecf2fb;--hit:90,150,255;--miss:255,120,70}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:70rem;padding:1rem;color:var(--ink);"
    "background:var(--ground);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;margin:.5rem 0;overflow-wrap:anywhere}"
    "h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}"
    "p{margin:.5rem 0;overflow-wrap:anywhere}.dim{color:var(--dim)}\n"
    ".scroll{overflow-x:auto;margin:.75rem 0}table{border-collapse:collapse;font-size:.9rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;text-align:left;"
    "border-bottom:1px solid var(--line);white-space:nowrap}th{color:var(--dim);font-weight:600}"
    "th:first-child,td:first-child{position:sticky;left:0;background:var(--ground)}"
    "@media(max-width:30rem){th,td{padding:.15rem .4rem}table{font-size:.8rem}}\n"
    ".n{text-align:right}.hit{background:rgba(var(--hit),var(--p))}"
    ".miss{background:rgba(var(--miss),var(--p))}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));"
    "gap:1rem;margin:.75rem 0}figure{margin:0;padding:.6rem;background:var(--card);"
    "border-radius:.5rem;break-inside:avoid;min-width:0;max-width:34rem}figcaption{font-size:."
    "85rem;"
    "overflow-wrap:anywhere;margin:.2rem 0}figure img{display:block;width:100%;height:7rem;"
    "image-rendering:pixelated;border-radius:.25rem}audio{display:block;width:100%;height:2.2rem;"
    "margin-top:.4rem}\n"
    "svg{display:block;width:100%;height:auto;font-size:12px}svg text{fill:var(--dim)}"
    ".grid{stroke:var(--line)}.wide{max-width:none;grid-column:1/-1}"
    ".ghost{filter:grayscale(1);opacity:.28}.ring{fill:none;stroke:var(--ink);stroke-width:1.5}"
    ".narrow{grid-template-columns:repeat(auto-fill,minmax(min(100%,13rem),1fr))}"
    ".map{shape-rendering:geometricPrecision;stroke:var(--card);stroke-width:.4}"
    "pre{overflow-x:auto;background:var(--card);padding:.6rem;font-size:.8rem}\n"
    "@media print{body{max-width:none;padding:0;font-size:11pt}.scroll{overflow:visible}"
    "table{font-size:7.5pt}th,td{padding:.1rem .25rem;white-space:normal}"
    "audio{display:none}h2{break-after:avoid}tr{break-inside:avoid}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

/* Bytes of the UTF-8 sequence at s, 0 when there is none. */
static int sequence(const unsigned char *s)
{
    const int n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (n > 1 && (s[0] < 0xc2 || s[0] > 0xf4)) return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    /* overlong, surrogates, beyond U+10FFFF */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void page_text(base_str *out, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        const int n = sequence(s);
        const bool control = *s == 0x7f || (*s < 0x20 && *s != '\n' && *s != '\t');
        if (n == 0 || control)
            base_str_add(out, "\xef\xbf\xbd");
        else if (strchr("<>&\"'", *s))
            base_str_add(out, "&#%d;", *s);
        else
            base_str_add_n(out, (const char *)s, (size_t)n);
        s += n ? n : 1;
    }
}

void page_begin(base_str *out, const char *title)
{
    base_str_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<title>");
    page_text(out, title);
    base_str_add(out, "</title>\n<style>\n%s</style></head>\n<body>\n<h1>", style);
    page_text(out, title);
    base_str_add(out, "</h1>\n");
}

void page_end(base_str *out)
{
    base_str_add(out, "</body></html>\n");
}

void page_section(base_str *out, const char *id, const char *title)
{
    base_str_add(out, "<h2 id=\"%s\">", id);
    page_text(out, title);
    base_str_add(out, "</h2>\n");
}

void page_paragraph(base_str *out, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        out->failed = true;
        return;
    }
    base_str_add(out, "<p>");
    page_text(out, text);
    base_str_add(out, "</p>\n");
    free(text);
}

/* ---- tables ---- */

void page_table(base_str *out, const char *id, const char *const *heads, size_t n)
{
    base_str_add(out, "<div class=\"scroll\"><table id=\"%s\"><thead><tr>", id);
    for (size_t i = 0; i < n; i++) {
        const bool number = heads[i][0] == '#';
        base_str_add(out, "<th%s>", number ? " class=\"n\"" : "");
        page_text(out, heads[i] + number);
        base_str_add(out, "</th>");
    }
    base_str_add(out, "</tr></thead><tbody>");
}

void page_row(base_str *out)
{
    base_str_add(out, "\n<tr>");
}

void page_cell(base_str *out, const char *text)
{
    base_str_add(out, "<td>");
    page_text(out, text ? text : "");
    base_str_add(out, "</td>");
}

static void number(base_str *out, double v, double factor, int digits, const char *unit)
{
    if (!isfinite(v)) {
        base_str_add(out, "<td class=\"n\"></td>");
        return;
    }
    base_str_add(out, "<td class=\"n\" data-value=\"");
    base_str_add_real(out, v);
    base_str_add(out, "\">%.*f%s</td>", digits, v * factor, unit);
}

void page_number(base_str *out, double v, int digits)
{
    number(out, v, 1, digits, "");
}

void page_short(base_str *out, double v)
{
    const int before = isfinite(v) && v != 0 ? (int)floor(log10(fabs(v))) + 1 : 1;
    number(out, v, 1, before < 4 ? 4 - before : 0, "");
}

void page_percent(base_str *out, double fraction, int digits)
{
    number(out, fraction, 100, digits, " %");
}

void page_shade(base_str *out, int64_t count, double share, bool right)
{
    base_str_add(out, "<td class=\"n %s\" style=\"--p:%.3f\" data-value=\"%lld\">",
                 right ? "hit" : "miss", share > 0 ? 0.08 + 0.52 * share : 0, (long long)count);
    if (count) base_str_add(out, "%lld", (long long)count);
    base_str_add(out, "</td>");
}

void page_table_end(base_str *out)
{
    base_str_add(out, "\n</tbody></table></div>\n");
}

void page_figures(base_str *out)
{
    base_str_add(out, "<div class=\"figures\">\n");
}
void page_figures_narrow(base_str *out)
{
    base_str_add(out, "<div class=\"figures narrow\">\n");
}
void page_figures_end(base_str *out)
{
    base_str_add(out, "</div>\n");
}
