# shellcheck shell=bash
# Mutual TLS for the simulated hosts: one authority and one client for a data folder, one server certificate a host.
# TLS_DIR has the names that DOCKER_CERT_PATH expects: ca.pem, cert.pem, key.pem.

tls_sign() { # DIR COMMON_NAME USAGE [SAN]
    local extensions="extendedKeyUsage=$3"
    [ -z "${4:-}" ] || extensions+=$'\n'"subjectAltName=$4"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
        -keyout "$1/key.pem" -out "$1/request.pem" 2>/dev/null
    openssl x509 -req -in "$1/request.pem" -CA "$TLS_DIR/ca.pem" -CAkey "$TLS_DIR/ca-key.pem" -days 365 \
        -set_serial "0x$(openssl rand -hex 16)" -extfile <(echo "$extensions") -out "$1/cert.pem" 2>/dev/null
    rm -f "$1/request.pem"
    chmod 600 "$1/key.pem"
}

tls_authority() {
    [ ! -s "$TLS_DIR/cert.pem" ] || return 0
    mkdir -p "$TLS_DIR"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj '/CN=DeepLab simulated hosts' \
        -keyout "$TLS_DIR/ca-key.pem" -out "$TLS_DIR/ca.pem" 2>/dev/null
    chmod 600 "$TLS_DIR/ca-key.pem"
    tls_sign "$TLS_DIR" console clientAuth
}

tls_server() {
    local names="DNS:$NAME,IP:$ADDRESS"
    [ "$(cat "$HOST_DIR/tls/names" 2>/dev/null)" != "$names" ] || return 0 # an address can change over a restart of the machine
    mkdir -p "$HOST_DIR/tls"
    tls_sign "$HOST_DIR/tls" "$NAME" serverAuth "$names"
    echo "$names" > "$HOST_DIR/tls/names"
}

tls_up() {
    exec {tls_lock}> "$DIR/.tls.lock"
    flock "$tls_lock"
    tls_authority
    exec {tls_lock}>&-
    tls_server
}
