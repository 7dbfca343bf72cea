# shellcheck shell=bash
# The data folder: all that lab and the console keep is below it.

# Engines put sockets deep below the data folder, and the kernel takes 107 bytes for a socket's path.
readonly LONGEST_DATA_PATH=48

default_data() {
  if is_root; then printf '/var/lib/deeplab'; else printf '%s/.local/share/deeplab' "$HOME"; fi
}

# Sets DATA and makes it. Root's can be passed through, not listed, by others: PostgreSQL runs as another user below it.
use_data() { # PATH
  DATA=$(readlink -m -- "$1")
  [ "${#DATA}" -le "$LONGEST_DATA_PATH" ] ||
    die "The data folder's path may have $LONGEST_DATA_PATH characters (sockets lie below it); $DATA has ${#DATA}."
  # Others would end a value in a connection string, a PostgreSQL setting or a DOCKER_HOST.
  [[ $DATA =~ ^[A-Za-z0-9/._-]+$ ]] || die "The data folder's path may hold letters, digits and / . _ - only; it is $DATA."
  if [ ! -d "$DATA" ]; then
    mkdir -p -- "$DATA" || die "Cannot make the data folder $DATA. Set DEEPLAB_DATA to one that you may write."
    if is_root; then chmod 711 -- "$DATA"; else chmod 700 -- "$DATA"; fi
  fi
  [ -w "$DATA" ] || die "The data folder $DATA belongs to somebody else. Set DEEPLAB_DATA to one of your own."
  mkdir -p -m 700 -- "$DATA/log"
  export DEEPLAB_DATA=$DATA
}

# One lab at a time in a data folder. The lock is file descriptor 9, which nothing that stays behind inherits.
lock_data() {
  exec 9>"$DATA/lab.lock"
  flock -n 9 && return
  say "Another lab is at work on $DATA; waiting for it."
  flock -w 3600 9 || die "It did not finish within an hour."
}

unlock_data() { exec 9>&-; }
