# shellcheck shell=bash disable=SC2034
# What build and load share. An image is a folder beside them:
#   image      shell assignments: TAG, PACKAGES, CONFIG (lines of a Dockerfile), and optionally EXCLUDE (patterns of files that are
#              not unpacked) and ALSO (further inputs of the build)
#   customize  optional: a script that gets the new root as $1, after the packages are installed
#   prepare    optional: the same before they are installed
# Its content is the hash of all that; the cache and the label deeplab.content are kept by it.

IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SUITE=trixie

die() { echo "images: $*" >&2; exit 1; }

if [ -n "${DEEPLAB_CACHE:-}" ]; then CACHE=$DEEPLAB_CACHE
elif [ "$(id -u)" = 0 ]; then CACHE=/var/cache/deeplab
else CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/deeplab; fi

image_names() { # NAME|all
    if [ "$1" = all ]; then
        for file in "$IMAGES"/*/image; do basename "$(dirname "$file")"; done
    else
        [ -f "$IMAGES/$1/image" ] || die "no image $1; there are: $(image_names all | tr '\n' ' ')"
        echo "$1"
    fi
}

image_recall() { # NAME: sets TAG PACKAGES CONFIG EXCLUDE ALSO CONTENT TAR
    NAME=$1 PACKAGES=() CONFIG=() EXCLUDE=() ALSO=()
    # shellcheck disable=SC1090
    source "$IMAGES/$NAME/image"
    CONTENT=$(cd "$IMAGES" && find "$NAME" lib/build-root "${ALSO[@]}" -type f ! -name '*.pyc' ! -name '*.md' -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
    TAR=$CACHE/$NAME-$CONTENT.tar
}
