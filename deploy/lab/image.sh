# shellcheck shell=bash
# ./lab image: a starter image that ./lab up does not bring, for the lab that runs.

lab_image() { # NAME
  local url tag gpus
  [ $# -eq 1 ] || die "image takes the name of one image, of these: $(starter_images)"
  tag=$("$ROOT/images/build" --list | awk -v name="$1" '$1 == name {print $2}')
  [ -n "$tag" ] || die "There is no starter image '$1'; there are: $(starter_images)"
  use_data "${DEEPLAB_DATA:-$(default_data)}"
  lock_data
  console_pid >/dev/null && url=$(console_url) && is_ready "$url" || die "No console of $DATA is running. Start it first: ./lab up"
  need client images
  need_sdk
  gpus=$(chosen_gpus '')
  if [ "$gpus" = 0 ]; then use_engine; else use_simulated_host local "$gpus"; fi
  provide_images "$1"
  enter_image "$url" "$1" "$tag"
}

starter_images() { "$ROOT/images/build" --list | awk '{print $1}' | paste -s -d ' '; }

# What the image's labels say of it becomes its entry. Without the password of admin the user is told what to enter.
enter_image() { # URL NAME TAG
  local password labels framework
  framework=$(docker image inspect -f '{{index .Config.Labels "deeplab.framework"}}' "$3")
  case $framework in
    '' | none)
      say "The image $3 is loaded. Its labels name no framework: no entry of the catalogue was made."
      return ;;
  esac
  labels=$(docker image inspect -f '{{json .Config.Labels}}' "$3")
  password=${DEEPLAB_FIRST_PASSWORD:-$(cat "$DATA/first-password" 2>/dev/null || true)}
  if DEEPLAB_FIRST_PASSWORD=$password python3 "$PARTS/enter.py" "$1" "$2" "$3" "$labels" 9>&-; then
    say "The image $2 is in the catalogue: $1/images"
  else
    warn "It is loaded, but not in the catalogue. Enter it at $1/images: name $2, reference $3."
  fi
}
