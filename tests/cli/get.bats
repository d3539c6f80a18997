# sotto data get: downloading a data set, here from folders and servers that do not have it.
bats_require_minimum_version 1.5.0

setup() {
    command -v curl >/dev/null || skip "curl is not installed"
    cd "$BATS_TEST_TMPDIR" || return 1
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
    unset http_proxy https_proxy all_proxy
}

teardown() {
    [ -z "${server:-}" ] || kill "$server"
}

serve() { # DIR: python's server (which cannot go on in the middle of a file) on $port
    command -v python3 >/dev/null || skip "python3 is not installed"
    : >server.log
    python3 -u -m http.server --bind 127.0.0.1 --directory "$1" 0 >server.log 2>/dev/null 3>&- &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server.log)
        [ -z "$port" ] || return 0
        sleep 0.1
    done
    return 1
}

@test "no server: 75, a hint, nothing left" {
    run --separate-stderr "$SOTTO" data get mini_speech_commands --url http://127.0.0.1:9/x
    [ "$status" -eq 75 ]
    [ -z "$output" ]
    [[ $stderr == *"http://127.0.0.1:9/x/mini_speech_commands.zip: download failed: curl:"* ]]
    [[ $stderr == *"hint: "* ]]
    [ ! -e datasets ]
}

@test "a name that is not known there: 75" {
    mkdir empty
    serve empty
    run "$SOTTO" data get mini_speech_commands --url "http://127.0.0.1:$port/"
    [ "$status" -eq 75 ]
    [[ $output == *404* ]]
    [ ! -e datasets ]
}

@test "another file under the right name: 3, removed" {
    mkdir mirror
    head -c 5000 /dev/urandom > mirror/mini_speech_commands.zip
    serve mirror
    run "$SOTTO" data get mini_speech_commands --url "http://127.0.0.1:$port" -o mini
    [ "$status" -eq 3 ]
    [[ $output == *"mini_speech_commands.zip has 5000 bytes, it must have 182082353: removed"* ]]
    [ ! -e mini ]
    [ ! -e mini.part ]
}

@test "a server that cannot go on is asked from the start" {
    mkdir mirror mini.part
    head -c 5000 /dev/urandom > mirror/mini_speech_commands.zip
    head -c 1000 /dev/zero > mini.part/mini_speech_commands.zip
    serve mirror
    run "$SOTTO" data get mini_speech_commands --url "http://127.0.0.1:$port" -o mini
    [ "$status" -eq 3 ]
    [[ $output == *"has 5000 bytes"* ]]
    [ ! -e mini.part ]
}

@test "the right size with other bytes: 3, removed" {
    mkdir mini.part
    truncate -s 182082353 mini.part/mini_speech_commands.zip
    run "$SOTTO" data get mini_speech_commands -o mini
    [ "$status" -eq 3 ]
    [[ $output == *"mini_speech_commands.zip is not what it must be: SHA-256 "* ]]
    [ ! -e mini ]
    [ ! -e mini.part ]
}

@test "what was received before stays, and the hint says how much" {
    mkdir mini.part
    head -c 1000 /dev/zero > mini.part/mini_speech_commands.zip
    run "$SOTTO" data get mini_speech_commands -o mini --url http://127.0.0.1:9
    [ "$status" -eq 75 ]
    [[ $output == *"goes on at byte 1000"* ]]
    [ "$(stat -c %s mini.part/mini_speech_commands.zip)" -eq 1000 ]
    [ ! -e mini ]
}

@test "wrong use: 2" {
    run "$SOTTO" data get mini
    [ "$status" -eq 2 ]
    [[ $output == *"one of: speech_commands, mini_speech_commands"* ]]
    run "$SOTTO" data get
    [ "$status" -eq 2 ]
    run "$SOTTO" data get speech_commands --connect-timeout 0
    [ "$status" -eq 2 ]
    touch file
    run "$SOTTO" data get speech_commands -o .
    [ "$status" -eq 2 ]
    [[ $output == *"not empty"* ]]
}

@test "without curl: 1, the package is named" {
    run env PATH=/nonexistent "$SOTTO" data get speech_commands
    [ "$status" -eq 1 ]
    [[ $output == *"curl is not installed"* ]]
    [[ $output == *"apt-get install curl"* ]]
    [ -z "$(ls)" ]
}
