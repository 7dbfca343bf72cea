# shellcheck shell=bash
# One bridge for all simulated hosts of the machine, one network namespace and address a host.
# Leases stand in /run, as the namespaces do: both end with the machine.

BRIDGE=lab0
SUBNET=10.88.0
LEASES=/run/deeplab-hosts

with_leases() { # COMMAND...: under one lock for the machine
    mkdir -p $LEASES
    local status=0
    exec {lease_lock}> $LEASES/lock
    flock "$lease_lock"
    "$@" || status=$?
    exec {lease_lock}>&-
    return $status
}

# Prints the address of this host, taking a free one if it has none. ADDRESS is what it had last time.
lease_address() {
    local file n
    for file in "$LEASES/$SUBNET".*; do
        [ -f "$file" ] && [ "$(cat "$file")" = "$HOST_DIR" ] && echo "${file##*/}" && return
    done
    for n in "${ADDRESS##*.}" {2..250}; do
        [ -n "$n" ] || continue
        file=$LEASES/$SUBNET.$n
        [ ! -e "$file" ] || continue
        echo "$HOST_DIR" > "$file"
        echo "$SUBNET.$n"
        return
    done
    die "no free address in $SUBNET.0/24"
}

ensure_rule() { iptables -w 5 "$1" "$2" -C "${@:3}" 2>/dev/null || iptables -w 5 "$1" "$2" -I "${@:3}" 2>/dev/null; }
drop_rule() { iptables -w 5 "$1" "$2" -D "${@:3}" 2>/dev/null; }

bridge_rules() { # ensure_rule | drop_rule
    # Where another engine of this machine has set FORWARD to DROP, hosts would not reach each other.
    "$1" -t filter FORWARD -i $BRIDGE -o $BRIDGE -j ACCEPT
    # The way out, where the machine has one.
    "$1" -t filter FORWARD -i $BRIDGE ! -o $BRIDGE -j ACCEPT
    "$1" -t filter FORWARD -o $BRIDGE -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    "$1" -t nat POSTROUTING -s $SUBNET.0/24 ! -o $BRIDGE -j MASQUERADE
} 2>/dev/null

bridge_up() {
    if ! ip link show $BRIDGE > /dev/null 2>&1; then
        ip link add $BRIDGE type bridge
        ip addr add $SUBNET.1/24 dev $BRIDGE
    fi
    ip link set $BRIDGE up
    if command -v iptables > /dev/null && iptables -w 5 -S FORWARD > /dev/null 2>&1; then
        bridge_rules ensure_rule || true
    fi
    if [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 0 ] && echo 1 > /proc/sys/net/ipv4/ip_forward 2>/dev/null; then
        : > $LEASES/forwarding-was-off
    fi
}

bridge_down_if_unused() {
    local file
    for file in "$LEASES/$SUBNET".*; do [ ! -e "$file" ] || return 0; done
    command -v iptables > /dev/null && bridge_rules drop_rule
    ip link del $BRIDGE 2>/dev/null || true
    if [ -e $LEASES/forwarding-was-off ]; then
        echo 0 > /proc/sys/net/ipv4/ip_forward
        rm -f $LEASES/forwarding-was-off
    fi
}

network_up() {
    with_leases bridge_up
    ADDRESS=$(with_leases lease_address)
    NETNS=deeplab-$NAME-$(host_tag)
    VETH=dl$(host_tag)
    [ -e "/run/netns/$NETNS" ] || ip netns add "$NETNS"
    if ! ip link show "$VETH" > /dev/null 2>&1; then
        ip link add "$VETH" type veth peer name eth0 netns "$NETNS"
    fi
    # Each step is one that may have been done already: a first try may have ended between any two.
    ip link set "$VETH" master $BRIDGE
    ip -n "$NETNS" addr replace "$ADDRESS/24" dev eth0
    ip -n "$NETNS" link set lo up
    ip -n "$NETNS" link set eth0 up
    ip link set "$VETH" up
    ip -n "$NETNS" route replace default via $SUBNET.1
}

verb_slow() { # [RATE [ADDRESS]]
    tc -n "$NETNS" qdisc del dev eth0 root 2>/dev/null || true
    [ $# -gt 0 ] || return 0
    # What no filter names passes by the classes
    tc -n "$NETNS" qdisc add dev eth0 root handle 1: htb default 0
    tc -n "$NETNS" class add dev eth0 parent 1: classid 1:1 htb rate "$1"
    tc -n "$NETNS" filter add dev eth0 parent 1: protocol ip u32 match ip dst "${2:-0.0.0.0/0}" flowid 1:1
}

network_down() {
    local file
    ip link del "$VETH" 2>/dev/null || true
    [ ! -e "/run/netns/$NETNS" ] || ip netns del "$NETNS"
    for file in "$LEASES/$SUBNET".*; do
        [ -f "$file" ] && [ "$(cat "$file")" = "$HOST_DIR" ] && rm -f "$file"
    done
    with_leases bridge_down_if_unused
}
