#!/bin/sh
# The library never prints, never exits, and holds no variable of file scope that can change, save
# locks (pthread_mutex_t, pthread_once_t) around libraries that have such variables themselves. Read from its object files.
. "$(dirname "$0")/lib.sh"

archive=build/release/libsotto.a

check() {
    [ -f $archive ] || { echo "$archive is missing: make"; return; }
    objdump -t $archive | awk '
    BEGIN {
        n = split("printf vprintf puts putchar perror exit _exit quick_exit abort stdout stderr", a)
        for (i = 1; i <= n; i++) banned[a[i]] = 1
    }
    / file format / { object = $1; sub(/:$/, "", object) }
    / \*UND\*\t/ && ($NF in banned) { print object " uses " $NF }
    / O \.(data|bss)\t/ || / O \.(data|bss)\.[^r]/ || / O \*COM\*/ ||
    (/ \.t(data|bss)/ && !/ d  /) { print object " variable " $NF }
    ' | while read -r object what name; do
        if [ "$what" = uses ] || ! grep -Eqs "^static pthread_(mutex|once)_t $name\b" ./*/"${object%.o}.c"; then
            echo "$object $what $name"
        fi
    done
}

compile() { # C text into the archive of the tree at .
    mkdir -p build/release
    printf '%s\n' "$1" >t.c
    "${CC:-gcc}" -c t.c -o t.o && rm -f $archive && ar qcs $archive t.o
}

sample() { compile 'int puts(const char *); void f(void) { puts("x"); }'; }

house "the library does not print, exit or hold variables"

number=3
example() { # yes|no, title, C text: whether the rule objects
    temp=$(mktemp -d)
    (cd "$temp" && compile "$3")
    objects=no
    [ -z "$(cd "$temp" && check)" ] || objects=yes
    rm -rf "$temp"
    [ $objects = "$1" ] || printf 'not '
    echo "ok $number - $2"
    number=$((number + 1))
}
example yes "a static variable is found" 'static int n; int f(void) { return n++; }'
example yes "so is one with a value" 'int n = 3;'
example yes "and one of each thread" '_Thread_local int n;'
example no "a table of constants is fine" \
    'static const char *const t[] = {"a", "b"}; const char *f(int i) { return t[i]; }'
