# shellcheck shell=bash
# One host's engine and the daemon behind its simulated GPUs.

engine_pid() { our_pid "$HOST_DIR/dockerd.pid" "--data-root $HOST_DIR/data "; }
simgpud_pid() { our_pid "$HOST_DIR/simgpud.pid" "simgpud $HOST_DIR/simgpu"; }
engine_answers() {
    [ -S "$HOST_DIR/docker.sock" ] || return 1
    timeout 5 "$(command -v docker || echo /usr/bin/docker)" -H "unix://$HOST_DIR/docker.sock" version > /dev/null 2>&1
}

host_state() {
    local pid
    if ! pid=$(engine_pid); then
        if [ -e "/run/netns/$NETNS" ]; then echo stopped; else echo down; fi
    elif [ "$(process_state "$pid")" = T ]; then echo paused
    elif ! ip -br link show "$VETH" 2>/dev/null | grep -q 'LOWER_UP'; then echo cut
    elif engine_answers; then echo up
    else echo starting; fi
}

# The definition of the GPUs and copies of the programs, so that a running host does not depend on a checkout staying where it is.
gpus_define() { # "COUNT|MODEL|MIB"...
    local part count model memory index=0
    mkdir -p "$HOST_DIR/simgpu/bin"
    for part in "$@"; do
        IFS='|' read -r count model memory <<< "$part"
        while [ "$count" -gt 0 ]; do
            echo "$index|$(gpu_uuid "$NAME" $index)|$model|$memory"
            index=$((index + 1)) count=$((count - 1))
        done
    done > "$HOST_DIR/simgpu/gpus"
    cp "$LAB/simgpu/"* "$HOST_DIR/simgpu/bin/"
}

simgpud_start() {
    [ -s "$HOST_DIR/simgpu/gpus" ] || return 0
    ! simgpud_pid > /dev/null || return 0
    daemonize "$HOST_DIR/simgpud.log" "$HOST_DIR/simgpu/bin/simgpud" "$HOST_DIR/simgpu"
    echo "$STARTED" > "$HOST_DIR/simgpud.pid"
    local last
    last=$(tail -n 1 "$HOST_DIR/simgpu/gpus" | cut -d'|' -f2)
    wait_until 10 test -s "$HOST_DIR/simgpu/readings/$last" || { tail -n 5 "$HOST_DIR/simgpud.log" >&2; die "simgpud of $NAME does not start"; }
}

engine_start() {
    local path=$PATH hosts=(-H "unix://$HOST_DIR/docker.sock") options=() begun=$SECONDS
    # With no GPUs there is no hook either: such a host answers as a machine without the toolkit does.
    [ ! -s "$HOST_DIR/simgpu/gpus" ] || path=$HOST_DIR/simgpu/bin:$PATH
    [ "$TLS" = 0 ] || hosts+=(-H "tcp://$ADDRESS:2376" --tlsverify --tlscacert "$TLS_DIR/ca.pem"
        --tlscert "$HOST_DIR/tls/cert.pem" --tlskey "$HOST_DIR/tls/key.pem")
    [ "$LIVE_RESTORE" = 0 ] || options+=(--live-restore)
    # The engine would mistake a killed process that is not reaped yet for a running one.
    rm -f "$HOST_DIR/dockerd.pid"
    our_pid "$HOST_DIR/exec/containerd/containerd.pid" "$HOST_DIR/exec/containerd/" > /dev/null || rm -f "$HOST_DIR/exec/containerd/containerd.pid"
    # And not the machine's own settings. A registry of the tests stands on the bridge, without TLS.
    printf '{"insecure-registries": ["%s.0/24"]}\n' "$SUBNET" > "$HOST_DIR/daemon.json"
    # nsenter and not `ip netns exec`, which mounts a new /sys without the control groups.
    # The control group of its own is how `down` finds the processes of its containers, whatever became of the engine.
    # shellcheck disable=SC2016 # the inner shell expands them
    daemonize "$HOST_DIR/dockerd.log" \
        nsenter --net="/run/netns/$NETNS" unshare --uts \
        env -u NVIDIA_VISIBLE_DEVICES -u DOCKER_HOST PATH="$path" SIMGPU_DIR="$HOST_DIR/simgpu" \
        sh -c 'hostname "$1" && shift && exec "$@"' sh "$NAME" \
        dockerd --data-root "$HOST_DIR/data" --exec-root "$HOST_DIR/exec" --pidfile "$HOST_DIR/dockerd.pid" \
        --config-file "$HOST_DIR/daemon.json" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$NETNS" \
        "${hosts[@]}" "${options[@]}"
    if ! wait_until 60 engine_settled "$STARTED" || gone "$STARTED"; then
        say "--- the end of $HOST_DIR/dockerd.log"
        tail -n 20 "$HOST_DIR/dockerd.log" >&2
        die "the engine of $NAME does not answer after $((SECONDS - begun)) s"
    fi
}

engine_settled() { gone "$1" || engine_answers; }

engine_signal() { # SIGNAL
    local pid
    pid=$(engine_pid) || die "the engine of $NAME is not running"
    kill "-$1" "$pid"
}

engine_stop() {
    local pid
    pid=$(engine_pid) || return 0
    [ "$(process_state "$pid")" != T ] || kill -CONT "$pid"
    kill -TERM "$pid"
    wait_until 60 gone "$pid" || { say "$NAME: the engine ignores SIGTERM"; kill -KILL "$pid"; wait_until 5 gone "$pid"; }
}

simgpud_stop() {
    local pid
    pid=$(simgpud_pid) || return 0
    kill -TERM "$pid"
    wait_until 5 gone "$pid" || kill -KILL "$pid"
    rm -f "$HOST_DIR/simgpud.pid"
}

# Processes that are this host's beyond doubt: those in its control groups, those in its network namespace.
remaining_pids() {
    find /sys/fs/cgroup -path "*/$NETNS*" -name cgroup.procs -exec cat {} + 2>/dev/null
    [ ! -e "/run/netns/$NETNS" ] || ip netns pids "$NETNS"
}

remaining_end() {
    local pid
    for pid in $(remaining_pids | sort -un); do kill -KILL "$pid" 2>/dev/null || true; done
    wait_until 10 nothing_remains || die "processes of $NAME remain: $(remaining_pids | tr '\n' ' ')"
}
nothing_remains() { [ -z "$(remaining_pids)" ]; }

unmount_all() {
    local target
    # The deepest first.
    # shellcheck disable=SC2013 # a mount point in the kernel's list has no blanks
    for target in $(cut -d' ' -f2 /proc/mounts | sort -r); do
        [[ $target != "$HOST_DIR"/* ]] || umount -l "$target"
    done
}

cgroups_remove() {
    find /sys/fs/cgroup -depth -type d -path "*/$NETNS*" -exec rmdir {} + 2>/dev/null || true
}

host_down() {
    local ids pid
    if pid=$(engine_pid); then
        [ "$(process_state "$pid")" != T ] || kill -CONT "$pid"
        if engine_answers; then
            ids=$(docker_cli ps -aq)
            # shellcheck disable=SC2086 # one word an id
            [ -z "$ids" ] || docker_cli rm -fv $ids > /dev/null || true
        fi
        engine_stop
    fi
    simgpud_stop
    remaining_end
    unmount_all
    network_down
    cgroups_remove
    rm -rf "$HOST_DIR/exec" "$HOST_DIR/docker.sock" "$HOST_DIR/dockerd.pid" "$HOST_DIR/simgpu/containers" "$HOST_DIR/simgpu/readings"
}
