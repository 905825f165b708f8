#!/usr/bin/env perl
# A standalone sensor written from docs/sensor-protocol.md alone, with the core modules of Perl.
#
# For each enabled rule it reports a tick every `trigger_params.seconds`. The ticks of a rule are numbered from 1; the
# checkpoint holds the number of each rule's last stored tick, and the dedup_key names rule and number. So a tick is neither
# lost nor doubled, however the program ends.
#
# One loop does everything: it posts the ticks that are due, then waits for the next one or for the WebSocket. With
# `ask_seconds` in its config it asks for the rules instead, as a program without WebSocket does.
use strict;
use warnings;
use Digest::SHA qw(sha1_base64);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time sleep);

use constant {
    ANSWER_LIMIT_SECONDS => 30,
    RETRY_FIRST_SECONDS  => 0.5,
    RETRY_MAX_SECONDS    => 10,
    SILENCE_MAX_SECONDS  => 75,
    DEFAULT_SECONDS      => 1,
};

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

my $stopping = 0;
$SIG{TERM} = sub { $stopping = 1 };
$SIG{PIPE} = 'IGNORE';
STDERR->autoflush(1);

my $api          = setting('ATTUNE_API_URL');
my $notifier     = setting('ATTUNE_NOTIFIER_WS_URL');
my @trigger_refs = @{ $json->decode(setting('ATTUNE_SENSOR_TRIGGER_TYPES')) };
my $config       = $json->decode(setting('ATTUNE_SENSOR_CONFIG_JSON') // '{}');
my $http         = HTTP::Tiny->new(
    keep_alive  => 1,
    timeout     => ANSWER_LIMIT_SECONDS,
    http_proxy  => undef,
    https_proxy => undef,
    proxy       => undef,
);

# Last stored tick of each rule, by rule id.
my $counts = $json->decode(setting('ATTUNE_SENSOR_CHECKPOINT') // '{}');

# The enabled rules by id: ref, trigger_ref, seconds, due_at.
my %rules;
learn($_->{id}, $_->{ref}, $_->{trigger_ref}, $_->{trigger_params}, 1)
    for @{ $json->decode(setting('ATTUNE_SENSOR_TRIGGERS')) };

report_foreign($config->{foreign_trigger}) if defined $config->{foreign_trigger};
run();
note('stopped');
exit 0;

sub run {
    my ($connection, $connect_at, $delay) = (undef, 0, RETRY_FIRST_SECONDS);
    until ($stopping) {
        if (!$connection && time >= $connect_at) {
            if (eval { defined $config->{ask_seconds} ? ask_for_rules() : ($connection = follow_rules()); 1 }) {
                $connect_at = time + ($config->{ask_seconds} // 0);
                $delay = RETRY_FIRST_SECONDS;
            }
            else {
                note("cannot learn the rules: $@");
                $connect_at = time + $delay;
                $delay = longer($delay);
            }
        }
        for my $id (sort { $rules{$a}{due_at} <=> $rules{$b}{due_at} } keys %rules) {
            report_tick($id) if !$stopping && exists $rules{$id} && time >= $rules{$id}{due_at};
        }
        last if $stopping;

        my $wait = 1;
        for my $at (map({ $_->{due_at} } values %rules), $connection ? () : $connect_at) {
            $wait = $at - time if $at - time < $wait;
        }
        $wait = 0 if $wait < 0;
        if (!$connection) {
            sleep $wait;
        }
        elsif (!eval { listen_for($connection, $wait); 1 }) {
            note("the WebSocket closed: $@");
            $connection = undef;
            $connect_at = time + $delay;
            $delay = longer($delay);
        }
    }
}

# --- events

sub report_tick {
    my ($id) = @_;
    my $rule  = $rules{$id};
    my $count = ($counts->{$id} // 0) + 1;
    my $stored = post({
        trigger_ref         => $rule->{trigger_ref},
        trigger_instance_id => "rule_$id",
        payload             => { rule => $id, count => $count, seconds => $rule->{seconds} },
        dedup_key           => "$id:$count",
        checkpoint          => { %$counts, $id => $count },
    });
    return if !defined $stored;
    $counts->{$id} = $count;
    $rule->{due_at} += $rule->{seconds};
    $rule->{due_at} = time if $rule->{due_at} < time - $rule->{seconds};
}

sub report_foreign {
    my ($trigger_ref) = @_;
    my $answer = request('POST', '/api/v1/events', { trigger_ref => $trigger_ref, payload => {}, dedup_key => 'foreign' });
    note("an event of $trigger_ref was answered $answer->{status}");
}

# Repeats until the agent has decided about the event. Undefined when told to stop before.
sub post {
    my ($event) = @_;
    my $delay = RETRY_FIRST_SECONDS;
    until ($stopping) {
        my $answer = request('POST', '/api/v1/events', $event);
        my $status = $answer->{status};
        return $status if $status == 200 || $status == 201;
        if ($status == 409) {
            note('another worker runs this sensor now');
            exit 0;
        }
        if (grep { $status == $_ } 400, 403, 413, 422) {
            note("event refused with $status: $answer->{content}");
            return $status;
        }
        note("event answered $status, will repeat it");
        sleep($answer->{headers}{'retry-after'} // $delay);
        $delay = longer($delay);
    }
    return undef;
}

# --- rules

# Works for the rule if it is active. A message that changes nothing leaves its rhythm alone.
sub learn {
    my ($id, $ref, $trigger_ref, $params, $is_active) = @_;
    if (!$is_active) {
        note("rule $ref: off") if delete $rules{$id};
        return;
    }
    my $seconds = $params->{seconds} // DEFAULT_SECONDS;
    my $known = $rules{$id};
    return if $known && $known->{seconds} == $seconds;
    note("rule $ref: every $seconds s");
    $rules{$id} = { ref => $ref, trigger_ref => $trigger_ref, seconds => $seconds, due_at => time + $seconds };
}

# The state of the rules arrives after each subscription, with the rules that were deleted meanwhile.
sub follow_rules {
    my $connection = connect_websocket();
    send_frame($connection, 1, $json->encode({ type => 'subscribe', filter => "trigger_ref:$_" })) for @trigger_refs;
    return $connection;
}

sub ask_for_rules {
    my %present;
    for my $trigger_ref (@trigger_refs) {
        my $answer = request('GET', "/api/v1/triggers/$trigger_ref/rules");
        die "the rules of $trigger_ref were answered $answer->{status}\n" if $answer->{status} != 200;
        my $listed = $json->decode($answer->{content})->{data};
        for my $rule (@$listed) {
            $present{ $rule->{id} } = 1;
            learn($rule->{id}, $rule->{ref}, $trigger_ref, $rule->{trigger_params}, $rule->{enabled});
        }
    }
    learn($_, $rules{$_}{ref}, undef, undef, 0) for grep { !$present{$_} } keys %rules;
}

sub heard {
    my ($text) = @_;
    my $message = $json->decode($text);
    return if ($message->{type} // '') ne 'notification' || ($message->{entity_type} // '') ne 'rule_lifecycle';
    my $rule = $message->{payload};
    learn(@$rule{qw(rule_id rule_ref trigger_ref trigger_params active)});
}

# --- WebSocket (RFC 6455)

sub connect_websocket {
    my ($host, $port, $path) = $notifier =~ m{^ws://([^/:]+):(\d+)(/.*)?$}
        or die "cannot use the address $notifier\n";
    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => ANSWER_LIMIT_SECONDS)
        or die "no connection: $@\n";
    my $connection = { socket => $socket, received => '', message => '', heard_at => time };
    my $key = encode_base64(join('', map { chr int rand 256 } 1 .. 16), '');
    send_bytes($connection, join "\r\n",
        'GET ' . ($path // '/') . ' HTTP/1.1', "Host: $host:$port", 'Upgrade: websocket', 'Connection: Upgrade',
        "Sec-WebSocket-Key: $key", 'Sec-WebSocket-Version: 13', 'Authorization: Bearer ' . token(), '', '');
    until ($connection->{received} =~ /\r\n\r\n/) {
        IO::Select->new($socket)->can_read(ANSWER_LIMIT_SECONDS) or die "no answer\n";
        read_bytes($connection);
    }
    $connection->{received} =~ s/^(.*?)\r\n\r\n//s;
    my $head = $1;
    $head =~ m{^HTTP/1\.1 101 } or die "answered " . (split /\r\n/, $head)[0] . "\n";
    my $accept = sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
    $head =~ /^sec-websocket-accept:\s*\Q$accept\E\s*$/mi or die "not a WebSocket\n";
    return $connection;
}

# Waits up to so many seconds, reads what has arrived and acts on each whole frame. Dies when the connection is over: also
# after a long silence, since the agent pings.
sub listen_for {
    my ($connection, $seconds) = @_;
    if (IO::Select->new($connection->{socket})->can_read($seconds)) {
        read_bytes($connection);
        $connection->{heard_at} = time;
    }
    die "silence\n" if time - $connection->{heard_at} > SILENCE_MAX_SECONDS;
    while (defined(my $frame = next_frame($connection))) {
        my ($is_last, $opcode, $data) = @$frame;
        if ($opcode == 8) {
            die length $data >= 2 ? 'code ' . unpack('n', $data) . "\n" : "without a code\n";
        }
        if ($opcode == 9) {
            send_frame($connection, 10, $data);
        }
        elsif ($opcode <= 2) {
            $connection->{message} .= $data;
            next if !$is_last;
            my $message = $connection->{message};
            $connection->{message} = '';
            heard($message);
        }
    }
}

sub next_frame {
    my ($connection) = @_;
    my $received = $connection->{received};
    return undef if length $received < 2;
    my ($first, $length) = unpack 'CC', $received;
    my $start = 2;
    if ($length == 126) {
        return undef if length $received < ($start = 4);
        $length = unpack 'x2n', $received;
    }
    elsif ($length == 127) {
        return undef if length $received < ($start = 10);
        $length = unpack 'x2Q>', $received;
    }
    return undef if length $received < $start + $length;
    $connection->{received} = substr $received, $start + $length;
    return [ $first & 128, $first & 15, substr $received, $start, $length ];
}

sub send_frame {
    my ($connection, $opcode, $data) = @_;
    my $length = length $data;
    my $mask = pack 'N', int rand 2**32;
    my $size = $length < 126 ? pack('C', 128 | $length) : pack('Cn', 128 | 126, $length);
    my $masked = $data ^ substr($mask x ($length / 4 + 1), 0, $length);
    send_bytes($connection, pack('C', 128 | $opcode) . $size . $mask . $masked);
}

sub send_bytes {
    my ($connection, $bytes) = @_;
    while (length $bytes) {
        my $written = syswrite $connection->{socket}, $bytes;
        die "write: $!\n" if !defined $written && !$!{EINTR};
        substr($bytes, 0, $written // 0) = '';
    }
}

sub read_bytes {
    my ($connection) = @_;
    my $count = sysread $connection->{socket}, $connection->{received}, 65536, length $connection->{received};
    die "read: $!\n" if !defined $count && !$!{EINTR};
    die "without a close frame\n" if defined $count && $count == 0;
}

# --- everything else

sub request {
    my ($method, $path, $body) = @_;
    my %options = (headers => { Authorization => 'Bearer ' . token() });
    if (defined $body) {
        $options{headers}{'Content-Type'} = 'application/json';
        $options{content} = $json->encode($body);
    }
    return $http->request($method, $api . $path, \%options);
}

# The newest token: the state file's, or the one given at the start as long as there is no file.
sub token {
    my $state = eval { $json->decode(slurp(setting('ATTUNE_SENSOR_TOKEN_STATE_PATH'))) };
    return $state->{token} // setting('ATTUNE_API_TOKEN');
}

sub setting {
    my ($name) = @_;
    return defined $ENV{"${name}_FILE"} ? slurp($ENV{"${name}_FILE"}) : $ENV{$name};
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}

sub longer {
    my ($seconds) = @_;
    return $seconds * 2 < RETRY_MAX_SECONDS ? $seconds * 2 : RETRY_MAX_SECONDS;
}

sub note {
    my ($text) = @_;
    chomp $text;
    print STDERR "$text\n";
}
