#!/usr/bin/perl
# What an event file of TensorBoard says, read independently of the program: one line a value, "step
# tag value". A scalar's value is its number, a picture's its size and the first bytes, of a setting
# (hparams) there is one line each. Lengths, checksums and protobuf framing are checked: status 1 and
# a message where anything is wrong.
#
# usage: tests/events.pl FILE
use strict;
use warnings;

my @table = map { my $c = $_; $c = $c & 1 ? $c >> 1 ^ 0x82f63b78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;

sub masked_crc {
    my $crc = 0xffffffff;
    $crc = $table[($crc ^ ord) & 255] ^ $crc >> 8 for split //, $_[0];
    $crc ^= 0xffffffff;
    return ((($crc >> 15) | ($crc << 17 & 0xffffffff)) + 0xa282ead8) & 0xffffffff;
}

# Fields of a message: ([number, value] ...).
sub fields {
    my ($s) = @_;
    my ($at, @fields) = (0);
    my $varint = sub {
        my ($v, $shift) = (0, 0);
        while (1) {
            die "a number is cut\n" if $at >= length $s;
            my $b = ord substr $s, $at++, 1;
            $v |= ($b & 127) << $shift;
            return $v if $b < 128;
            $shift += 7;
        }
    };
    while ($at < length $s) {
        my $tag = $varint->();
        my $wire = $tag & 7;
        if ($wire == 0) { push @fields, [$tag >> 3, $varint->()]; next }
        my $n = $wire == 1 ? 8 : $wire == 5 ? 4 : $wire == 2 ? $varint->() : die "wire $wire\n";
        die "a field is cut\n" if $at + $n > length $s;
        my $v = substr $s, $at, $n;
        $v = unpack $wire == 1 ? 'd<' : 'f<', $v if $wire != 2;
        push @fields, [$tag >> 3, $v];
        $at += $n;
    }
    return @fields;
}

sub one { my ($message, $number) = @_; my ($f) = grep { $_->[0] == $number } fields($message); $f && $f->[1] }
sub all { my ($message, $number) = @_; map { $_->[1] } grep { $_->[0] == $number } fields($message) }

sub show {
    my ($step, $value) = @_;
    my ($tag, $image, $metadata) = (one($value, 1), one($value, 4), one($value, 9));
    if ($image) {
        print "$step\t$tag\t", one($image, 2), 'x', one($image, 1), ' ',
            substr(one($image, 4), 1, 3), "\n";
    } elsif ($metadata) {
        my $data = one(one($metadata, 1), 2);
        my $end = one($data, 4);
        print "$step\t$tag\t", one($end, 1), "\n" if defined $end;
        for my $entry (all(one($data, 3) // '', 1)) {
            my ($f) = fields(one($entry, 2));
            print "$step\t", one($entry, 1), "\t$f->[1]\n";
        }
    } else {
        printf "%d\t%s\t%.9g\n", $step, $tag, one($value, 2);
    }
}

open my $file, '<:raw', $ARGV[0] or die "$ARGV[0]: $!\n";
local $/;
my $s = <$file>;
for (my $at = 0; $at < length $s;) {
    die "a record is cut\n" if $at + 12 > length $s;
    my ($n, $crc) = unpack 'Q<L<', substr $s, $at, 12;
    die "checksum of a length\n" if $crc != masked_crc(substr $s, $at, 8);
    die "a record is cut\n" if $at + 16 + $n > length $s;
    my $event = substr $s, $at + 12, $n;
    die "checksum of an event\n" if masked_crc($event) != unpack 'L<', substr $s, $at + 12 + $n, 4;
    die "no time\n" if one($event, 1) < 1e9;
    die "no version first\n" if ($at == 0) != ((one($event, 3) // '') eq 'brain.Event:2');
    show(one($event, 2) // 0, $_) for all(one($event, 5) // '', 1);
    $at += 16 + $n;
}
