# sotto report: one page about a model, from a run with names that would break a careless page.
bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    mv tones/low 'tones/lo<b>&w'
    "$SOTTO" data import -q tones -o tones.h5
    # two epochs: few enough to make mistakes
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 'data.keywords=lo<b>&w,high' model.width=8 \
        data.unknown_share=0.5 train.epochs=2 train.batch=20 train.warmup_epochs=0 \
        'problem.task=lights </table><script>' target.board=rp2040-pico 'gates.accuracy>=0.9' \
        'gates.recall.high>=0.01' 'gates.accuracy_int8>=0.01' 'gates.flash_kb<=2000' \
        'gates.ram_kb<=0.5' 'gates.frr<=0.1' -o 'r<i>&"n'
    "$SOTTO" quantize -q 'r<i>&"n' --calibrate tones.h5 -o run.int8.h5
    cp -r 'r<i>&"n' other
    sed -i '/^board/d; / [<>]= /d' other/config.ini
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 'data.keywords=lo<b>&w' model.width=8 \
        train.epochs=1 train.batch=20 train.warmup_epochs=0 -o less
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 'data.keywords=lo<b>&w,high' model.width=8 \
        data.unknown_share=0.5 train.epochs=40 train.batch=20 train.warmup_epochs=0 -o more
    "$SOTTO" report -q 'r<i>&"n' other more less --pack tones.h5 --int8 run.int8.h5 \
        --target nucleo-l4r5zi,rp2040-pico -o page.html --format json >report.json
}

values() { # ID: the numbers of a table, a row a line
    perl -0777 -ne 'BEGIN { $id = shift } ($t) = /<table id="\Q$id\E">.*?<tbody>(.*?)<\/tbody>/s or die;
        for (split /<tr>/, $t) { print join(" ", /data-value="([^"]*)"/g), "\n" if /data-value/ }' "$1" page.html
}

same() { # A B: numbers that agree to rounding in double
    paste -d' ' <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") | awk '
        NF != 2 || ($1 - $2) ^ 2 > 1e-24 * ($2 ^ 2 + 1) { print "not equal:", $0; bad = 1 } END { exit bad }'
}

@test "one page that fetches nothing, is sound HTML, and not large" {
    run ! grep -Eq 'https?://|<script|<link|@import|url\(' page.html
    [ "$(jq .bytes report.json)" = "$(stat -c %s page.html)" ]
    [ "$(stat -c %s page.html)" -lt 1000000 ]
    for id in problem data curves classes errors int8 layers boards compare config; do
        grep -q "<h2 id=\"$id\">" page.html
    done
    tail -c 8 page.html | grep -q '</html>'
    command -v xmllint >/dev/null || skip "xmllint is not there"
    # HTML 5's elements are new to it
    [ -z "$(xmllint --html --noout page.html 2>&1 | grep error | grep -v 'Tag [a-z]* invalid')" ]
}

@test "names of classes and paths, and what a config says, stay text" {
    run ! grep -Eq '<i>|lo<b>|</table><script' page.html
    grep -q 'r&#60;i&#62;&#38;&#34;n</h1>' page.html
    grep -q '<td>lo&#60;b&#62;&#38;w</td>' page.html
    grep -q '<td>lights &#60;/table&#62;&#60;script&#62;</td>' page.html
    grep -q '<td>accuracy &#62;= 0.9</td>' page.html
    grep -q '<td>recall.high &#62;= 0.01</td>' page.html
}

texts() { # ID COLUMN: the texts of a column of a table, a row a line
    perl -0777 -ne 'BEGIN { ($id, $k) = splice @ARGV, 0, 2 }
        ($t) = /<table id="\Q$id\E">.*?<tbody>(.*?)<\/tbody>/s or die;
        for (split /<tr>/, $t) { my @c = /<td[^>]*>(.*?)<\/td>/g; print "$c[$k - 1]\n" if @c }' "$1" "$2" page.html
}

@test "gates have the value, interval and verdict that sotto problem check gives them" {
    run -4 --separate-stderr "$SOTTO" problem check 'r<i>&"n' --pack tones.h5 --int8 run.int8.h5 --format json
    echo "$output" >"$out/check.json"
    [ "$(jq '.gates | length' "$out/check.json")" = 6 ]
    jq -e '[.gates[].verdict] | contains(["pass", "fail", "not measured"])' "$out/check.json"
    same "$(values gates)" "$(jq -r '.gates[] | select(.value != null) | [.value, .lo, .hi] | join(" ")' "$out/check.json")"
    [ "$(texts gates 5)" = "$(jq -r '.gates[].verdict' "$out/check.json")" ]
    [ "$(texts gates 6)" = "$(jq -r '.gates[].met | if . == null then "" elif . then "yes" else "no" end' "$out/check.json")" ]
    [ "$(texts gates 7)" = "$(jq -r '.gates[].note' "$out/check.json")" ]
}

@test "models beside the first are tested as sotto runs compare tests them" {
    for i in 1 2 3; do
        model=$(sed -n ${i}p <<<$'other\nmore\nrun.int8.h5')
        "$SOTTO" runs compare 'r<i>&"n' "$model" --pack tones.h5 --format json >"$out/$i.json"
    done
    texts pairs 9 >"$out/verdicts" # "less" is the third: it has other classes
    [ "$(texts pairs 1 | tr '\n' ' ')" = "other more less run.int8.h5 " ]
    [ "$(sed -n 1p "$out/verdicts") $(sed -n 2p "$out/verdicts") $(sed -n 3p "$out/verdicts")" = \
        "noise better of other classes" ]
    # of the winner there, of the other model here
    want=$(jq -r '.pairs[0] | if .against == "r<i>&\"n" then [.only_model, .only_against, .difference, .difference_lo, .difference_hi]
        else [.only_against, .only_model, 0 - .difference, 0 - .difference_hi, 0 - .difference_lo] end | join(" ")' "$out"/[123].json)
    same "$(values pairs | cut -d' ' -f 1-5)" "$want"
    # Holm's: the least of three p three times
    same "$(values pairs | sed -n 2p | cut -d' ' -f 6)" "$(jq -r '3 * .pairs[0].p' "$out/2.json")"
    jq -e '.pairs[0] | .only_model > .only_against and .p < 0.01' "$out/2.json"
}

@test "the board is that of the config, --config takes another" {
    "$SOTTO" report -q 'r<i>&"n' --pack tones.h5 -o "$out/a.html"
    grep -q 'On rp2040-pico: ' "$out/a.html"
    "$SOTTO" report -q other --pack tones.h5 -o "$out/a.html"
    grep -q 'On nucleo-l4r5zi: ' "$out/a.html"
    run ! grep -q 'id="gates"' "$out/a.html"
    printf '[problem]\ntask = of another file\n[gates]\nflash_kb <= 1\n' >"$out/kws.ini"
    "$SOTTO" report -q run.int8.h5 --pack tones.h5 --config "$out/kws.ini" -o "$out/a.html"
    grep -q '<td>of another file</td>' "$out/a.html"
    grep -q '<td>flash_kb &#60;= 1</td>' "$out/a.html"
}

@test "accuracy, intervals, confusion and figures by class are those of sotto eval" {
    "$SOTTO" eval 'r<i>&"n' tones.h5 --format json >"$out/float.json"
    "$SOTTO" eval run.int8.h5 tones.h5 --format json >"$out/int8.json"
    jq -e '.correct < .n' "$out/float.json"
    same "$(values per-class)" "$(jq -r '.per_class[] | [.n, .precision, .recall, .f1] |
        map(select(. != null)) | join(" ")' "$out/float.json")"
    same "$(values confusion)" "$(jq -r '.labels as $l | .confusion[] | [.[$l[]]] | join(" ")' "$out/float.json")"
    row='[.correct, .n, .accuracy, .accuracy_lo, .accuracy_hi] | join(" ")'
    same "$(values int8-accuracy | sed -n 1p)" "$(jq -r "$row" "$out/float.json")"
    same "$(values int8-accuracy | sed -n 2p)" "$(jq -r "$row" "$out/int8.json")"
    same "$(values int8-accuracy | sed -n 3p | cut -d' ' -f 1-3)" \
        "$(jq -r '[.correct_fixed, .n, .accuracy_fixed] | join(" ")' "$out/int8.json")"
    [ "$(jq .accuracy report.json)" = "$(jq .accuracy "$out/float.json")" ]
}

@test "clips by class and split are those that the run was trained with" {
    jq -r '.data | [.training, .validation, .test] | join(" ")' other/manifest.json >"$out/want"
    same "$(values data-counts | tail -n 1)" "$(cat "$out/want")"
}

@test "boards and layers are those of sotto estimate" {
    "$SOTTO" estimate run.int8.h5 --target nucleo-l4r5zi,rp2040-pico --layers --format json >"$out/e.json"
    same "$(values board-estimates | cut -d' ' -f 1-3)" "$(jq -r '.targets[] |
        [.whole_flash_bytes / 1024, .whole_ram_bytes / 1024, .latency_ms] | join(" ")' "$out/e.json")"
    same "$(values layer-costs | cut -d' ' -f 1-4)" "$(jq -r '.layers[] | select(.target == "nucleo-l4r5zi") |
        [.macs, .flash_bytes, .ram_bytes, .latency_ms] | join(" ")' "$out/e.json")"
}

@test "sounds are the clips as they were imported, pictures are sound PNG" {
    perl -I"$BATS_TEST_DIRNAME" -MPage -0777 -ne '
        my @figures = figures($_);
        for (@figures) {
            my ($name, $wav) = @$_;
            next if $name eq "made from noise";
            open my $f, "<:raw", "tones/$name" or die "tones/$name: $!";
            my $file = do { local $/; <$f> };
            my $pcm = substr $file, 44;
            substr($wav, 44, length $pcm) eq $pcm or die "$name sounds otherwise";
            length($wav) == 44 + 2 * 16000 && unpack("V", substr $wav, 40) == 32000 or die "length";
        }
        @figures >= 1 && @figures <= 12 or die @figures . " errors shown";' page.html
}

@test "a model file alone has no curves; --errors 0 shows none" {
    "$SOTTO" report -q run.int8.h5 --pack tones.h5 --errors 0 -o "$out/a.html"
    run ! grep -Eq 'id="(curves|problem|compare|errors|config)"' "$out/a.html"
    grep -q 'id="int8-accuracy"' "$out/a.html"
}

@test "what is wrong is named, and no page is begun" {
    refused 2 "--pack is missing" report other -o "$out/a.html"
    refused 3 "none.h5" report other --pack none.h5 -o "$out/a.html"
    refused 3 "tones.h5" report tones.h5 --pack tones.h5 -o "$out/a.html"
    refused 2 "is a float model" report other --int8 other/model.h5 --pack tones.h5 -o "$out/a.html"
    refused 2 "nucleo-l4r5zj" report other --pack tones.h5 --target nucleo-l4r5zj -o "$out/a.html"
    refused 2 "names no board" report other --pack tones.h5 --target , -o "$out/a.html"
    refused 2 "--errors" report other --pack tones.h5 --errors 101 -o "$out/a.html"
    refused 2 "go together" report other --pack tones.h5 --labels x.tsv -o "$out/a.html"
    refused 3 "none.ini" report other --pack tones.h5 --config none.ini -o "$out/a.html"
    printf '[gates]\naccuracy <= 0.9\n' >"$BATS_TEST_TMPDIR/bad.ini"
    refused 2 "accuracy" report other --pack tones.h5 --config "$BATS_TEST_TMPDIR/bad.ini" -o "$out/a.html"
    refused 1 "/dev/full" report -q other --pack tones.h5 -o /dev/full
}

@test "a damaged journal costs its lines only" {
    cp -r other "$out/cut"
    printf 'nonsense\n{"epoch":3,"loss":' >>"$out/cut/metrics.jsonl"
    "$SOTTO" report -q "$out/cut" --pack tones.h5 -o "$out/a.html"
    grep -q 'id="curves"' "$out/a.html"
}
