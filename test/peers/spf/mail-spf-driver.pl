# Evaluates SPF cases with Mail::SPF: one JSON object a line in, one out, in order. The forms are those of pyspf-driver.py.
use strict;
use warnings;

my $now = 0;
BEGIN { *CORE::GLOBAL::time = sub { $now } }

use JSON::PP;
use Mail::SPF;

use constant MAX_ALIASES => 16;
use constant NO_EXPLANATION => 'no explanation of the domain';

# A record, an answer and a resolver as far as Mail::SPF asks them.
package Record {
    sub new { my ($class, %fields) = @_; return bless {%fields}, $class }
    sub type { $_[0]{type} }
    sub address { $_[0]{data} }
    sub ptrdname { $_[0]{data} =~ s/\.\z//r }
    sub preference { $_[0]{data}[0] }
    sub exchange { $_[0]{data}[1] }
    sub char_str_list { @{ $_[0]{data} } }
}

package Answer {
    sub new { my ($class, @records) = @_; return bless { records => [@records] }, $class }
    sub answer { @{ $_[0]{records} } }
    sub header { $_[0] }
    sub rcode { 'NOERROR' }
}

package Zone {
    sub new { my ($class) = @_; return bless { entries => {}, error => '' }, $class }
    sub errorstring { $_[0]{error} }

    sub load {
        my ($self, $zone) = @_;
        $self->{entries} = { map { key_of($_) => $zone->{$_} } keys %$zone };
    }

    sub key_of { my ($name) = @_; $name =~ tr/A-Z/a-z/; $name =~ s/\.\z//; return $name }

    sub send {
        my ($self, $name, $type) = @_;
        my $records = $self->records_of("$name", $type);
        $self->{error} = defined $records ? '' : 'query timed out';
        return defined $records ? Answer->new(map { Record->new(type => $type, data => $_) } @$records) : undef;
    }

    # undef when the question fails
    sub records_of {
        my ($self, $name, $type) = @_;
        my %seen = (key_of($name) => 1);
        my $entry;
        for ($name = key_of($name);; $seen{$name} = 1) {
            $entry = $self->{entries}{$name} or return [];
            last if not defined $entry->{CNAME};
            $name = key_of($entry->{CNAME});
            return undef if $seen{$name} or keys %seen > main::MAX_ALIASES;
        }
        my $records = $entry->{$type} || [];
        my $timeout = $entry->{timeout} || [];
        return undef if not @$records and (ref $timeout eq 'ARRAY' ? grep { $_ eq $type } @$timeout : $timeout);
        return $records;
    }
}

package main;

my $zone = Zone->new;

sub judge {
    my ($case) = @_;
    $zone->load($case->{zone});
    $now = $case->{now};
    my $server = Mail::SPF::Server->new(
        dns_resolver                  => $zone,
        hostname                      => $case->{receiver},
        default_authority_explanation => NO_EXPLANATION,
    );
    # Mail::SPF leaves the null reverse-path to its caller (RFC 7208 section 2.4).
    my $identity = $case->{from} eq '' ? "postmaster\@$case->{helo}" : $case->{from};
    my $result = $server->process(
        Mail::SPF::Request->new(
            versions      => [1],
            scope         => 'mfrom',
            identity      => $identity,
            ip_address    => $case->{ip},
            helo_identity => $case->{helo},
        )
    );
    my $explanation = $result->code eq 'fail' ? eval { $result->authority_explanation . '' } : undef;
    undef $explanation if defined $explanation and $explanation eq NO_EXPLANATION;
    return { result => $result->code, explanation => $explanation };
}

# Mail::SPF never ends on a name of more than 253 octets that begins with a dot.
use constant SECONDS_FOR_A_CASE => 2;
$SIG{ALRM} = sub { die "endless\n" };

my $json = JSON::PP->new->ascii->canonical->allow_blessed;
$| = 1;
while (my $line = <STDIN>) {
    alarm SECONDS_FOR_A_CASE;
    my $answer = eval { judge($json->decode($line)) };
    alarm 0;
    $answer = { result => 'crash', explanation => "$@" } if not $answer;
    print $json->encode($answer), "\n";
}
