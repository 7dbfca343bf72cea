# shellcheck shell=bash
# What must be installed: said first, then installed from Debian's packages, or refused with the exact commands.

# Packages of the groups named that are missing here, one a line.
missing_packages() { # GROUP...
  local group package
  for group in "$@"; do
    case $group in
      tools)
        lacks python3 python3
        lacks curl curl
        lacks setpriv util-linux
        lacks flock util-linux
        ;;
      client) if apt-cache show docker-cli >/dev/null 2>&1; then lacks docker docker-cli; else lacks docker docker.io; fi ;;
      engine)
        lacks dockerd docker.io
        lacks iptables iptables
        lacks ip iproute2
        ;;
      hosts)
        lacks nsenter util-linux
        lacks openssl openssl
        ;;
      postgres) pg_newest >/dev/null || printf 'postgresql\n' ;;
      browser) lacks chromium chromium ;;
      images)
        [ -x "$ROOT/images/build" ] || continue
        for package in $("$ROOT/images/build" --packages); do is_installed "$package" || printf '%s\n' "$package"; done
        ;;
    esac
  done | sort -u
}

lacks() { # COMMAND PACKAGE
  PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || printf '%s\n' "$2"
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

INSTALL=yes
refuse_to_install() { INSTALL=no; }

# Installs what the groups lack, or prints how, and stops.
need() { # GROUP...
  local -a packages
  PATH=$PATH:/usr/sbin:/sbin
  command -v dpkg-query >/dev/null || die "This script installs Debian's packages, and this system has none. See README, 'Real GPU machines'."
  mapfile -t packages < <(missing_packages "$@")
  [ ${#packages[@]} -gt 0 ] || return 0
  if [ "$INSTALL" = no ] || ! can_be_root; then
    say "These Debian packages are missing: ${packages[*]}"
    say "To install them, run:"
    say ""
    [[ " ${packages[*]} " != *" postgresql "* ]] || createcluster_commands
    say "  ${SUDO_WORD}apt-get update"
    say "  ${SUDO_WORD}apt-get install --yes --no-install-recommends ${packages[*]}"
    say ""
    has_sdk || sdk_commands
    exit 3
  fi
  step "Installing Debian packages: ${packages[*]}"
  install_packages "${packages[@]}"
}

SUDO_WORD=$(is_root || printf 'sudo ')
readonly SUDO_WORD
readonly CREATECLUSTER=/etc/postgresql-common/createcluster.conf

# Debian's postgresql makes and starts a cluster of its own when it is installed; ours is a private one, so it is told not to.
createcluster_commands() {
  [ ! -e "$CREATECLUSTER" ] || return 0
  say "  ${SUDO_WORD}mkdir -p ${CREATECLUSTER%/*}"
  say "  echo 'create_main_cluster = false' | ${SUDO_WORD}tee $CREATECLUSTER"
}

install_packages() { # PACKAGE...
  local log=$DATA/log/install.log policy=/usr/sbin/policy-rc.d ours=no rc=0
  : >"$log"
  if [[ " $* " == *" postgresql "* ]] && [ ! -e "$CREATECLUSTER" ]; then
    as_root mkdir -p "${CREATECLUSTER%/*}"
    printf 'create_main_cluster = false\n' | as_root tee "$CREATECLUSTER" >/dev/null
  fi
  # Without a service manager a package's script would leave a daemon that nobody looks after (Debian policy: 101 = "may not").
  if [ ! -d /run/systemd/system ] && [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  { apt_get update && apt_get install --yes --no-install-recommends "$@"; } >>"$log" 2>&1 || rc=$?
  [ "$ours" = no ] || as_root rm -f "$policy"
  if [ "$rc" != 0 ]; then
    show_tail "$log"
    die "apt-get could not install: $*"
  fi
  hash -r
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -q -o Dpkg::Options::=--force-confold "$@" </dev/null 9>&-
}

# The SDK is the one thing that Debian has no package of.
need_sdk() {
  if ! command -v dotnet >/dev/null && [ -x "$HOME/.dotnet/dotnet" ]; then
    PATH=$HOME/.dotnet:$PATH
    export DOTNET_ROOT=$HOME/.dotnet
  fi
  has_sdk && return
  sdk_commands
  exit 3
}

has_sdk() { (cd -- "$ROOT" && dotnet --version) </dev/null >/dev/null 2>&1; }

sdk_commands() {
  say "The .NET 10 SDK is missing (Debian has no package of it). Microsoft's installer puts it into ~/.dotnet:"
  say ""
  say "  curl -fsSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0"
  say ""
}
