# clips.sh: what scripts about a growing product share, to be sourced:
#   take_clips SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR FIRST LATER
# makes and enters DIR with words/ of the first FIRST clips by speaker, all.txt and more.txt naming
# LATER clips of other speakers (add_clips more.txt), and words_test/ of 100 clips a class, all links.
# Sets sotto (SOTTO, or build/sotto).

add_clips() { # LIST: its clips become links in words/
    while read -r clip; do
        mkdir -p "words/${clip%/*}"
        ln -s "$from/$clip" "words/$clip"
    done <"$1"
}

take_clips() {
    sotto=${SOTTO:-$(cd "$(dirname "$0")/.." && pwd)/build/sotto}
    from=$(cd "$1" && pwd)
    test=$(cd "$2" && pwd)
    mkdir "$3"
    cd "$3"
    (cd "$from" && find . -name '*_nohash_*' | sed 's|^\./||' | LC_ALL=C sort -t/ -k2) >all.txt
    head -n "$4" all.txt >first.txt
    awk -F '[/_]' 'NR == FNR { had[$2] = 1; next } !($2 in had)' first.txt all.txt |
        head -n "$5" >more.txt
    add_clips first.txt
    ln -s "$from/_background_noise_" words/_background_noise_
    for word in yes no up down left right go stop _unknown_ _silence_; do
        mkdir -p "words_test/$word"
        ls "$test/$word" | LC_ALL=C sort | head -n 100 | while read -r clip; do
            ln -s "$test/$word/$clip" "words_test/$word/$clip"
        done
    done
}
