# sotto data stats, explore and record: counts, a page, and takes that are good or not.
bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    mv tones/low 'tones/lo<b>&w'
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" data explore -q tones.h5 --words 'lo<b>&w,high' -o page.html --format json >explore.json
}

@test "stats counts what the folder holds" {
    "$SOTTO" data stats tones.h5 --format json >"$out/stats.json"
    for word in 'lo<b>&w' high; do
        n=$(find "tones/$word" -name '*.wav' | wc -l)
        speakers=$(find "tones/$word" -name '*.wav' | sed 's/.*\///; s/_nohash.*//' | sort -u | wc -l)
        [ "$(jq --arg w "$word" '.groups[] | select(.class == $w) | .clips' "$out/stats.json")" = "$n" ]
        [ "$(jq --arg w "$word" '.groups[] | select(.class == $w) | .speakers' "$out/stats.json")" = "$speakers" ]
    done
    "$SOTTO" data ls tones.h5 --format json >"$out/ls.json"
    [ "$(jq '.groups[-1] | [.train, .validation, .test] | join(" ")' "$out/stats.json")" = \
        "$(jq '[.words[]] | [map(.train), map(.validation), map(.test)] | map(add) | join(" ")' "$out/ls.json")" ]
    "$SOTTO" data stats tones.h5 --by split --format json >"$out/split.json"
    [ "$(jq '.groups[-1].clips' "$out/split.json")" = "$(jq '.groups[-1].clips' "$out/stats.json")" ]
    "$SOTTO" data stats tones.h5 --by speaker --split test >"$out/speakers.tsv"
    [ "$(awk -F'\t' '$1 == "all" { print $2 }' "$out/speakers.tsv")" = "$(jq '.groups[-1].test' "$out/stats.json")" ]
    "$SOTTO" data stats tones --words high --threads 1 --format json >"$out/one.json"
    [ "$(jq -r '[.groups[].class] | join(" ")' "$out/one.json")" = "high _unknown_ all" ]
}

@test "one page that fetches nothing, is sound HTML, and not large" {
    run ! grep -Eq 'https?://|<script|<link|@import|url\(' page.html
    [ "$(jq .bytes explore.json)" = "$(stat -c %s page.html)" ]
    [ "$(stat -c %s page.html)" -lt 2000000 ]
    for id in counts speakers levels means map outliers examples; do
        grep -q "<h2 id=\"$id\">" page.html
    done
    run ! grep -Eq '<i>|lo<b>' page.html
    grep -q '<td>lo&#60;b&#62;&#38;w</td>' page.html
    # what is pointed at is there, once
    grep -o 'href="#[^"]*"' page.html | sort -u | sed 's/href="#//; s/"//' | while read -r id; do
        [ "$(grep -o " id=\"$id\"" page.html | wc -l)" -eq 1 ]
    done
    tail -c 8 page.html | grep -q '</html>'
    command -v xmllint >/dev/null || skip "xmllint is not there"
    [ -z "$(xmllint --html --noout page.html 2>&1 | grep error | grep -v 'Tag [a-z]* invalid')" ]
}

@test "every clip is a point of the map or left out by --points, and the page does not depend on threads" {
    [ "$(jq .mapped explore.json)" = "$(jq .clips explore.json)" ]
    [ "$(grep -c '<use href="#tsne-s' page.html)" -eq "$(jq .clips explore.json)" ]
    for n in 1 3; do
        "$SOTTO" data explore -q tones.h5 --points 20 --threads $n -o "$out/$n.html" >/dev/null
    done
    cmp "$out/1.html" "$out/3.html"
    [ "$(grep -c '<use href="#tsne-s' "$out/1.html")" -eq 20 ]
}

@test "a run's embedding is mapped, and what it hears is told" {
    "$SOTTO" train -q tc_resnet8 data.pack=tones.h5 'data.keywords=lo<b>&w,high' train.epochs=8 \
        train.warmup_epochs=1 -o "$out/run" >/dev/null
    "$SOTTO" data explore -q tones.h5 --words 'lo<b>&w,high' --run "$out/run" -o "$out/a.html" --format json \
        >"$out/a.json"
    grep -Eq 'clips by the [0-9]+ numbers that .*/run has before its last layer' "$out/a.html"
    [ "$(grep -c 'heard as high</title>' "$out/a.html")" -gt 10 ]
    # clips that differ are at places that differ
    [ "$(grep -o '<use href="#pca-s[0-9]" x="[0-9.]*" y="[0-9.]*"' "$out/a.html" | sort -u | wc -l)" -gt \
        $(($(jq .mapped "$out/a.json") * 8 / 10)) ]
    "$SOTTO" data explore -q tones --words 'lo<b>&w,high' --threads 1 --run "$out/run" -o "$out/b.html" >/dev/null
    grep -q 'heard as <b>' "$out/b.html"
}

@test "colours of a page stay apart for colour-blind readers, and from the ground" {
    perl -0777 -ne '
        sub linear { map { my $c = hex($_) / 255; $c <= 0.04045 ? $c / 12.92 : (($c + 0.055) / 1.055) ** 2.4 } $_[0] =~ /../g }
        sub bright { my @c = linear @_; 0.2126 * $c[0] + 0.7152 * $c[1] + 0.0722 * $c[2] }
        sub root { my $x = shift; $x <= 0 ? 0 : $x ** (1 / 3) }
        sub lab { # OKLab of what somebody sees who sees by this matrix
            my ($m, @c) = @_;
            my @v = map { my $r = $_; my $s = 0; $s += $m->[3 * $r + $_] * $c[$_] for 0 .. 2; $s < 0 ? 0 : $s > 1 ? 1 : $s } 0 .. 2;
            my ($l, $n, $s) = map { root $_ } 0.4122214708 * $v[0] + 0.5363325363 * $v[1] + 0.0514459929 * $v[2],
                0.2119034982 * $v[0] + 0.6806995451 * $v[1] + 0.1073969566 * $v[2],
                0.0883024619 * $v[0] + 0.2817188376 * $v[1] + 0.6299787005 * $v[2];
            (0.2104542553 * $l + 0.7936177850 * $n - 0.0040720468 * $s, 1.9779984951 * $l - 2.4285922050 * $n + 0.4505937099 * $s,
                0.0259040371 * $l + 0.7827717662 * $n - 0.8086757660 * $s)
        }
        my @eyes = ([1, 0, 0, 0, 1, 0, 0, 0, 1],
            [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
            [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
            [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900]);
        my @modes = /:root\{([^}]*)\}/g;
        @modes == 2 or die "modes";
        for my $mode (@modes) {
            my @c = $mode =~ /--c\d:#([0-9a-f]{6})/g;
            my ($card) = $mode =~ /--card:#([0-9a-f]{6})/;
            @c == 8 or die "colours";
            for my $i (0 .. 7) {
                my ($x, $y) = sort { $a <=> $b } bright($c[$i]), bright($card);
                ($y + 0.05) / ($x + 0.05) >= 3 or die "contrast of $c[$i]";
                for my $k (0 .. $i - 1) { for my $eye (@eyes) {
                    my @p = lab($eye, linear $c[$i]); my @q = lab($eye, linear $c[$k]);
                    my $d = 100 * sqrt(($p[0] - $q[0]) ** 2 + ($p[1] - $q[1]) ** 2 + ($p[2] - $q[2]) ** 2);
                    $d >= 8.5 or die "$c[$i] $c[$k]: $d";
                } }
            }
        }' page.html
}

@test "sounds are the clips by mu-law, pictures are sound PNG" {
    perl -I"$BATS_TEST_DIRNAME" -MPage -0777 -ne '
        my @figures = figures($_);
        for (@figures) {
            my ($name, $wav) = @$_;
            open my $f, "<:raw", "tones/$name" or die "tones/$name: $!";
            my @pcm = unpack "s<*", substr do { local $/; <$f> }, 44;
            my ($tag, $channels, $rate, undef, $align, $bits) = unpack "x20vvVVvv", $wav;
            $tag == 7 && $channels == 1 && $rate == 16000 && $bits == 8 or die "format";
            my @code = unpack "x44C*", $wav;
            @code == 16000 or die "length";
            for my $i (0 .. $#pcm) { # G.711
                my $u = ~$code[$i] & 255;
                my $v = ((($u & 15) * 8 + 132) << ($u >> 4 & 7)) - 132;
                $v = -$v if $u & 128;
                abs($v - $pcm[$i]) <= (abs($pcm[$i]) + 132) / 32 or die "$name, $i: $v for $pcm[$i]";
            }
        }
        @figures >= 8 or die @figures . " clips";' page.html
}

@test "what is wrong is named, and no page is begun" {
    refused 3 "none.h5" data explore none.h5 -o "$out/a.html"
    refused 2 "-o" data explore tones.h5
    refused 2 "there is no word 'hihg'" data explore tones.h5 --words hihg -o "$out/a.html"
    refused 2 "did you mean" data explore tones.h5 --words hihg -o "$out/a.html"
    refused 2 "--points" data explore tones.h5 --points 0 -o "$out/a.html"
    refused 1 "/dev/full" data explore -q tones.h5 -o /dev/full
    refused 2 "--by" data stats tones.h5 --by word
    refused 2 "--words says what classes are" data stats tones.h5 --by split --words high
    head -c 5000 tones.h5 >"$BATS_TEST_TMPDIR/cut.h5"
    refused 3 "cut.h5" data explore "$BATS_TEST_TMPDIR/cut.h5" -o "$out/a.html"
    refused 3 "cut.h5" data stats "$BATS_TEST_TMPDIR/cut.h5"
    mkdir "$BATS_TEST_TMPDIR/few" "$BATS_TEST_TMPDIR/few/one"
    cp "$(find tones/high -name '*.wav' | head -n 1)" "$BATS_TEST_TMPDIR/few/one/a_nohash_0.wav"
    [ "$("$SOTTO" data stats "$BATS_TEST_TMPDIR/few" | wc -l)" -eq 3 ]
    for split in train validation test; do
        "$SOTTO" data stats "$BATS_TEST_TMPDIR/few" --split $split >/dev/null || echo $split
    done >"$out/empty" 2>"$out/why"
    [ "$(wc -l <"$out/empty")" -eq 2 ]
    grep -q "no readable clip in split" "$out/why"
}

# Takes of two seconds: a word of this loudness from this second on in this much noise.
takes() {
    perl -e 'srand 1;
        for (@ARGV) {
            my ($loud, $from, $noise, $long) = split /,/;
            for my $i (0 .. 31999) {
                my ($t, $v) = ($i / 16000, $noise * (rand() + rand() - 1));
                if ($t >= $from && $t < $from + $long) {
                    $v += $loud * sin(6.2832 * 170 * $_ * $t + $_ * $_) / 8 for 1 .. 20;
                }
                print pack "s<", $v > 32767 ? 32767 : $v < -32768 ? -32768 : $v;
            }
        }' "$@"
}

@test "good takes are kept, others are asked for again, nothing is written over" {
    takes 9000,0.9,6,0.4 0,0,0,0 9000,0.1,6,0.4 150000,0.8,6,0.4 600,0.8,3,0.4 9000,0.8,1500,0.4 \
        9000,0.0,6,0.4 9000,1.0,6,0.4 9000,0.3,6,1.4 9000,1.3,6,0.4 >"$out/raw"
    "$SOTTO" data record --words yes --speaker s01 -n 4 --from - -o "$out/mine" <"$out/raw" >"$out/table" 2>"$out/talk" ||
        { cat "$out/talk"; false; }
    [ "$(cut -f1 "$out/table" | tail -n 4 | tr '\n' ' ')" = \
        "yes/s01_nohash_0.wav yes/s01_nohash_1.wav yes/s01_nohash_2.wav yes/s01_nohash_3.wav " ] || { cat "$out/table" "$out/talk"; false; }
    [ "$(grep -o 'please: [a-z_]*' "$out/talk" | cut -d' ' -f2 | tr '\n' ' ')" = \
        "silent clipped quiet noisy cut long " ] || { cat "$out/talk"; false; }
    [ "$(ls "$out/mine/yes" | wc -l)" -eq 4 ]
    for f in "$out"/mine/yes/*.wav; do [ "$(stat -c %s "$f")" -eq 32044 ]; done
    # the word is in the middle
    perl -e 'for (@ARGV) { open my $f, "<:raw", $_ or die; my @v = unpack "x44s<*", do { local $/; <$f> };
            my ($e, $m) = (0, 0); for (0 .. $#v) { $e += $v[$_] ** 2; $m += $_ * $v[$_] ** 2 }
            $m /= 16000 * $e; my $want = /_1.wav/ ? 0.3 : 0.5; abs($m - $want) < 0.03 or die "$_: $m" }' \
        "$out"/mine/yes/*.wav
    cp -r "$out/mine" "$out/before"
    takes 9000,0.9,6,0.4 >"$out/raw"
    "$SOTTO" data record -q --words yes --speaker s01 -n 1 --from "cat '$out/raw'" -o "$out/mine" >/dev/null
    [ -f "$out/mine/yes/s01_nohash_4.wav" ]
    rm "$out/mine/yes/s01_nohash_4.wav"
    diff -r "$out/mine" "$out/before"
    run --separate-stderr "$SOTTO" data record --check "$out/mine"
    [ "$status" -eq 0 ]
}

@test "words come in random order, as many of each, and are what import takes" {
    takes $(yes 9000,0.9,6,0.4 | head -n 8) >"$out/raw"
    "$SOTTO" data record --words yes,no --speaker s01 -n 4 --seed 2 --from - -o "$out/mine" <"$out/raw" >/dev/null 2>"$out/talk"
    [ "$(ls "$out/mine/yes" "$out/mine/no" | grep -c nohash)" -eq 8 ]
    [ "$(grep -o "say '[a-z]*'" "$out/talk" | uniq | wc -l)" -gt 2 ]
    "$SOTTO" data import -q "$out/mine" -o "$out/mine.h5" >/dev/null
    [ "$("$SOTTO" data stats "$out/mine.h5" | awk -F'\t' '$1 == "all" { print $2, $6 }')" = "8 1" ]
}

@test "a session that cannot go on says why; existing clips are checked" {
    run --separate-stderr "$SOTTO" data record --words yes --speaker s01 --from - -o "$out/mine" </dev/null
    [ "$status" -eq 3 ] && [[ "$stderr" == *"the sound ended after 0 clips"* ]]
    run --separate-stderr "$SOTTO" data record --words yes --speaker s01 --from 'head -c 64000 /dev/zero' -o "$out/mine"
    [ "$status" -eq 3 ] && [[ "$stderr" == *"'yes' was not good 5 times, the last time silent"*"microphone"* ]]
    run --separate-stderr "$SOTTO" data record --words yes --speaker s01 --from 'echo no sound card >&2; exit 3' -o "$out/mine"
    [ "$status" -eq 1 ] && [[ "$stderr" == *"ended with 3: no sound card"* ]]
    [ ! -e "$out/mine" ]
    refused 2 "--speaker is missing" data record --words yes -o "$out/mine"
    refused 2 "cannot be a speaker" data record --words yes --speaker a/b --from - -o "$out/mine"
    refused 2 "is no word" data record --words a/b --speaker s --from - -o "$out/mine"
    [ "$("$SOTTO" data record --guide | wc -l)" -gt 8 ]
    run --separate-stderr env PATH=/nowhere "$SOTTO" data record --words yes --speaker s01 -o "$out/mine"
    [ "$status" -eq 1 ] && [[ "$stderr" == *"arecord is not there"*"alsa-utils"* ]]
    mkdir -p "$out/w/a"
    { head -c 44 "$(find tones/high -name '*.wav' | head -n 1)"; head -c 32000 /dev/zero; } >"$out/w/a/s_nohash_0.wav"
    run --separate-stderr "$SOTTO" data record --check "$out/w"
    [ "$status" -eq 4 ]
    [[ "$output" == *"a/s_nohash_0.wav"*silent* ]]
}
