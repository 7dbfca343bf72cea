using System.Globalization;

namespace DeepLab.Core.Reconcile.Pairs;

/// <summary>
/// What runs in the console's own containers on both hosts: one that answers, and one that asks it and says in one line what it
/// found. In Perl, of which Debian's smallest image has enough: Socket, and no Time::HiRes.
/// </summary>
internal static class PairProgram
{
    public const int Port = 29399;

    /// <summary>Seconds after which the one that answers ends by itself, whoever forgot it.</summary>
    private const int ServerSeconds = 60;

    /// <summary>Seconds within which the one that asks is done, or says that it is not.</summary>
    private const int ClientSeconds = 7;

    /// <summary>Seconds for the other's name and port.</summary>
    private const int ConnectSeconds = 3;

    /// <summary>Bytes that are sent at most, each way; and seconds, of which a slow network takes both ways.</summary>
    private const int MostBytes = 8 << 20;
    private const double MostSeconds = 0.5;
    private const int Pings = 21;

    /// <summary>The best of so many counts, since a machine may be busy with something else for a moment.</summary>
    private const int LeastPasses = 2;
    private const int MostPasses = 5;

    /// <summary>Seconds after which there is no further one.</summary>
    private const double PassSeconds = 0.5;

    /// <summary>Environment variable of what lets a connection in: others on the job's network are strangers.</summary>
    public const string Token = "DEEPLAB_PAIR";

    /// <summary>Starts each line of what was found, and of why nothing was.</summary>
    public const string Found = "pair";
    public const string Failed = "fail";

    public static IReadOnlyList<string> Server => ["perl", "-e", Shared + Serve];

    /// <param name="host">name of the one that answers</param>
    public static IReadOnlyList<string> Client(string host) => ["perl", "-e", Shared + Ask, host];

    private static readonly string Shared = string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        use strict; use Socket; use Fcntl; use POSIX ();
        $SIG{PIPE} = 'IGNORE';
        my ($port, $most, $limit, $block) = ({{Port}}, {{MostBytes}}, {{MostSeconds}}, "\0" x 65536);
        my $token = $ENV{{{Token}}};
        # clock_gettime(CLOCK_MONOTONIC), since Time::HiRes may be missing
        my $clock = {x86_64 => 228, aarch64 => 113, riscv64 => 113, ppc64le => 246, s390x => 260}->{(POSIX::uname())[4]};
        defined $clock or eval { require Time::HiRes; 1 } or do { print "{{Failed}} no clock\n"; exit 1 };
        sub now {
            return Time::HiRes::time() unless defined $clock;
            my $at = pack 'qq', 0, 0;
            syscall $clock, 1, $at;
            my ($s, $ns) = unpack 'qq', $at;
            return $s + $ns / 1e9;
        }
        # Bytes that came before the limit, until all or the end; and the seconds that it took
        sub drink {
            my ($socket) = @_;
            my ($began, $got) = (now(), 0);
            while ($got < $most) {
                my $left = $began + $limit - now();
                last if $left <= 0;
                my $ready = '';
                vec($ready, fileno $socket, 1) = 1;
                next unless select $ready, undef, undef, $left;
                my $n = sysread $socket, my $bytes, 262144;
                last unless $n;
                $got += $n;
            }
            return ($got, now() - $began);
        }
        sub pour {
            my ($socket) = @_;
            my ($began, $sent) = (now(), 0);
            # Where nothing goes through, a write would wait for ever
            fcntl $socket, F_SETFL, O_NONBLOCK;
            while ($sent < $most) {
                my $left = $began + $limit - now();
                last if $left <= 0;
                my $ready = '';
                vec($ready, fileno $socket, 1) = 1;
                next unless select undef, $ready, undef, $left;
                my $n = syswrite $socket, $block, $most - $sent < 65536 ? $most - $sent : 65536;
                last unless defined $n || $!{EAGAIN};
                $sent += $n // 0;
            }
            fcntl $socket, F_SETFL, 0;
        }

        """
    );

    private static readonly string Serve = string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        $SIG{CHLD} = 'IGNORE';
        alarm {{ServerSeconds}};
        socket my $door, PF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
        setsockopt $door, SOL_SOCKET, SO_REUSEADDR, 1;
        bind $door, sockaddr_in($port, INADDR_ANY) or die "bind: $!\n";
        listen $door, 16 or die "listen: $!\n";
        while (1) {
            accept my $guest, $door or next;
            my $child = fork;
            next if !defined $child || $child;
            close $door;
            alarm {{ClientSeconds}};
            setsockopt $guest, 6, 1, 1;
            my $said = '';
            while (length $said < 33) { sysread $guest, $said, 33 - length $said, length $said or exit; }
            exit if substr($said, 0, 32) ne $token;
            my $wish = substr $said, 32;
            syswrite $guest, 'k';
            if ($wish eq 'p') {
                while (sysread $guest, my $byte, 1) { syswrite $guest, $byte; }
            } elsif ($wish eq 'd') {
                pour($guest);
            } else {
                my ($got, $took) = drink($guest);
                syswrite $guest, sprintf "%d %d\n", $got, $took * 1e6;
                # Closed with something unread, what was said would be lost
                while (sysread $guest, my $bytes, 262144) { }
            }
            exit;
        }
        """
    );

    private static readonly string Ask = string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        my ($host) = @ARGV;
        my $why = "$host did not answer";
        sub give_up { print "{{Failed}} $_[0]\n"; exit 1 }
        $SIG{ALRM} = sub { give_up($why) };
        alarm {{ClientSeconds}};
        sub dial {
            my ($wish) = @_;
            my $until = now() + {{ConnectSeconds}};
            while (1) {
                my $address = gethostbyname $host;
                if ($address) {
                    socket my $to, PF_INET, SOCK_STREAM, 0 or give_up("socket: $!");
                    setsockopt $to, 6, 1, 1;
                    if (connect $to, sockaddr_in($port, $address)) {
                        syswrite $to, "$token$wish";
                        sysread $to, my $ok, 1 and return $to;
                        $why = "$host closed the connection";
                    } else {
                        $why = "$host: $!";
                    }
                } else {
                    $why = "the name $host did not resolve";
                }
                give_up($why) if now() >= $until;
                select undef, undef, undef, 0.1;
            }
        }
        my ($delay, $up, $down) = (0, 0, 0);
        my $start = now();
        for my $pass (1 .. {{MostPasses}}) {
            last if $pass > {{LeastPasses}} && now() - $start > {{PassSeconds}};
            my $to = dial('p');
            $why = 'small messages did not come back';
            my @took;
            my $began = now();
            while (@took < {{Pings}} && now() - $began < $limit) {
                my $sent = now();
                syswrite $to, 'x';
                sysread $to, my $byte, 1 or give_up($why);
                push @took, now() - $sent;
            }
            @took = sort { $a <=> $b } @took;
            my $middle = $took[@took / 2];
            $delay = $middle if $pass == 1 || $middle < $delay;
            close $to;

            $to = dial('u');
            $why = 'large messages did not come through';
            pour($to);
            # What is not sent yet need not be
            my $said = '';
            while ($said !~ /\n/) { sysread $to, $said, 64, length $said or give_up($why); }
            my ($got, $us) = split ' ', $said;
            $up = $got * 1e6 / $us if $us > 0 && $got * 1e6 / $us > $up;
            setsockopt $to, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
            close $to;

            $to = dial('d');
            my ($came, $time) = drink($to);
            $down = $came / $time if $time > 0 && $came / $time > $down;
            setsockopt $to, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
            close $to;
        }
        printf "{{Found}} %d %d %d\n", $delay * 1e6, $up, $down;
        """
    );
}
