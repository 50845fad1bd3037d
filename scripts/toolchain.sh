# shellcheck shell=bash
# Finds a toolchain for a target that need not be the machine's own. scripts/wasm and scripts/aarch64 source it.
#
#   find_toolchain TARGET CRATES [PACKAGE...]   finds one, installs one, or says what to do
#   for_target COMMAND ARGS...                  cargo's COMMAND with it
#
# The toolchain is the one on PATH where it has the target or rustup can add it. Else it is Debian's and Ubuntu's, whose
# packages bring std's source (rust-web-src), of which CRATES are built; a PACKAGE is what that toolchain needs besides and the
# machine has not. Its version moves with the distribution's updates, so that warnings are denied in .ci/run alone.

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# $1: why; the rest: the packages.
install() {
  command -v apt-get >/dev/null || return 1
  echo "$1: installing ${*:2}." >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${@:2}" >&2
}

has_target() {
  command -v rustc >/dev/null && [ -n "$(ls "$(rustc --print target-libdir --target "$1")" 2>/dev/null)" ]
}

add_target() {
  command -v rustup >/dev/null && rustup target add "$1" >/dev/null 2>&1 && has_target "$1"
}

has_debian() {
  [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library/std ]
}

find_toolchain() {
  local target=$1 crates=$2
  shift 2
  if has_target "$target" || add_target "$target"; then
    cargo=cargo
    options=(--target "$target")
  elif { has_debian && [ $# -eq 0 ]; } ||
    { install "No toolchain for $target" rustc-web cargo-web rust-web-src "$@" && has_debian; }; then
    export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc
    cargo=/usr/bin/cargo
    options=(-Zbuild-std="$crates" --target "$target")
  else
    echo "No toolchain for $target: run rustup target add $target." >&2
    return 1
  fi
}

found_debian() {
  [ "$cargo" = /usr/bin/cargo ]
}

for_target() {
  "$cargo" "$1" "${options[@]}" "${@:2}"
}
