#!/usr/bin/perl
# A corpus of two "words" that one band alone tells apart: `with` has a tone of 1400 Hz, `without` has
# none; both have tones of 500 and 4000 Hz whose loudness says nothing. All swell and fade softly, so
# that no click is heard in other bands. 60 speakers each. usage: tests/planted.pl DIR
use strict;
use warnings;

my $dir = shift or die "usage: planted.pl DIR\n";
my $seed = 7;
sub uniform { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed / 0x80000000; }

sub wav {
    my ($path, @tones) = @_; # Hz, amplitude, ...
    my @v;
    for my $i (0 .. 15999) {
        my $v = 600 * (uniform() - 0.5);
        for (my $k = 0; $k < @tones; $k += 2) {
            $v += $tones[$k + 1] * sin(6.28318 * $tones[$k] * $i / 16000) * sin(3.14159 * $i / 16000)**2;
        }
        push @v, int($v);
    }
    open(my $f, '>:raw', $path) or die "$path: $!\n";
    print $f pack('a4Va4a4VvvVVvva4V', 'RIFF', 36 + 2 * @v, 'WAVE', 'fmt ', 16, 1, 1, 16000, 32000, 2,
        16, 'data', 2 * @v), pack('s<*', @v);
    close($f) or die "$path: $!\n";
}

mkdir $dir;
mkdir "$dir/_background_noise_";
wav("$dir/_background_noise_/noise$_.wav") for 1 .. 2;
for my $word ('with', 'without') {
    mkdir "$dir/$word";
    for my $i (1 .. 60) {
        my @tones = (500, 3000 * uniform(), 4000, 3000 * uniform());
        push @tones, 1400, 5000 if $word eq 'with';
        wav(sprintf('%s/%s/%08x_nohash_0.wav', $dir, $word, 0x1000 + 7919 * $i), @tones);
    }
}
