#!/usr/bin/perl
# A corpus of three "words" that are tones, laid out as Speech Commands: low, high and other, 60
# speakers each, and two noise recordings. usage: tests/tones.pl DIR
use strict;
use warnings;

my $dir = shift or die "usage: tones.pl DIR\n";
my $seed = 1;
sub uniform { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed / 0x80000000; }

sub wav {
    my ($path, $hz, $seconds) = @_;
    my $n = 16000 * $seconds;
    my $start = 2000 + int(4000 * uniform());
    my @v;
    for my $i (0 .. $n - 1) {
        my $tone = $hz && $i > $start && $i < $start + 7000 ? 9000 * sin(6.28318 * $hz * $i / 16000) : 0;
        push @v, int($tone + 600 * (uniform() - 0.5));
    }
    open(my $f, '>:raw', $path) or die "$path: $!\n";
    print $f pack('a4Va4a4VvvVVvva4V', 'RIFF', 36 + 2 * $n, 'WAVE', 'fmt ', 16, 1, 1, 16000, 32000,
        2, 16, 'data', 2 * $n), pack('s<*', @v);
    close($f) or die "$path: $!\n";
}

mkdir $dir;
my %pitch = (low => 300, high => 1500, other => 3000);
for my $word (sort keys %pitch) {
    mkdir "$dir/$word";
    wav(sprintf('%s/%s/%08x_nohash_0.wav', $dir, $word, 0x1000 + 7919 * $_),
        $pitch{$word} * (0.8 + 0.4 * uniform()), 1)
        for 1 .. 60;
}
mkdir "$dir/_background_noise_";
wav("$dir/_background_noise_/noise$_.wav", 0, 5) for 1 .. 2;
