# shellcheck shell=bash
# Hosts as nodes of one Docker Swarm, over the bridge that they share.

swarm_state() { docker_cli info --format '{{.Swarm.LocalNodeState}}'; }

# Waits for the manager to see it: a join answers before that.
node_is_ready() { [[ $(docker_cli node ls --format '{{.Hostname}} {{.Status}}' 2>/dev/null) == *"$1 Ready"* ]]; }

verb_swarm() { # [--pool CIDR LENGTH] NAME...
    local pool=()
    if [ "${1:-}" = --pool ]; then
        pool=(--default-addr-pool "${2:?CIDR}" --default-addr-pool-mask-length "${3:?LENGTH}")
        shift 3
    fi
    [ $# -gt 0 ] || die 'swarm: which hosts?'
    local manager=$1 name token address
    host_recall "$manager"
    [ "$LIVE_RESTORE" = 0 ] || die "$manager was made with --live-restore, which a Swarm refuses"
    # The address is said, since the engine may see others; the data path has its usual port, as each host has its own network.
    [ "$(swarm_state)" = active ] ||
        docker_cli swarm init --advertise-addr "$ADDRESS" --listen-addr "$ADDRESS:2377" "${pool[@]}" > /dev/null
    token=$(docker_cli swarm join-token -q worker) address=$ADDRESS
    for name in "${@:2}"; do
        host_recall "$name"
        [ "$LIVE_RESTORE" = 0 ] || die "$name was made with --live-restore, which a Swarm refuses"
        [ "$(swarm_state)" = active ] ||
            docker_cli swarm join --advertise-addr "$ADDRESS" --listen-addr "$ADDRESS:2377" --token "$token" "$address:2377" > /dev/null
    done
    host_recall "$manager"
    for name in "$@"; do
        wait_until 30 node_is_ready "$name" || die "$manager does not see $name in its Swarm"
    done
    say "$* are one Swarm; $manager manages it"
}
