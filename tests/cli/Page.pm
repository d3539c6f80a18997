# What HTML pages show and play: figures($page) gives [name, WAV file] of each picture with a sound,
# its picture having been found to be a sound PNG.
package Page;
use strict;
use warnings;
use Compress::Zlib;
use Exporter 'import';
use MIME::Base64;
our @EXPORT = ('figures');

sub check_png {
    my ($png) = @_;
    my %chunk;
    substr($png, 0, 8, "") eq "\x89PNG\r\n\x1a\n" or die "no PNG";
    while (length $png) {
        my $size = unpack "N", $png;
        crc32(substr $png, 4, $size + 4) == unpack "N", substr $png, $size + 8, 4 or die "CRC";
        $chunk{substr $png, 4, 4} = substr $png, 8, $size;
        $png = substr $png, $size + 12;
    }
    my ($w, $h) = unpack "NN", $chunk{IHDR};
    my $pixels = uncompress($chunk{IDAT}) // die "zlib";
    length($pixels) == $h * ($w + 1) or die "pixels";
}

sub figures {
    my ($page) = @_;
    my @found;
    while ($page =~ m{<figure>(.*?)</figure>}gs) {
        my ($png, $name, $wav) = $1 =~ m{^<img [^>]*base64,([^"]+)">.*?<span class="dim">(.*?)</span>.*?wav;base64,([^"]+)"}s or next;
        ($png, $wav) = (decode_base64($png), decode_base64($wav));
        check_png($png);
        $name =~ s/&#(\d+);/chr $1/ge;
        push @found, [$name, $wav];
    }
    return @found;
}

1;
