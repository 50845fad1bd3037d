# shellcheck shell=bash
# Finds a toolchain for a target, which may differ from the machine's own target. scripts/wasm and
# scripts/aarch64 source this file.
#
#   find_toolchain TARGET CRATES [PACKAGE...]   finds a toolchain, installs one, or prints what to do
#   for_target COMMAND ARGS...                  runs cargo's COMMAND with this toolchain
#
# The first choice is the toolchain on PATH, if it has the target or rustup can add the target. The second
# choice is the toolchain of Debian and Ubuntu. Its packages contain the source of std (rust-web-src), and
# cargo builds CRATES from this source. Each PACKAGE is a further package that this toolchain needs and the
# machine does not have. The version of this toolchain changes with the distribution's updates, so only
# .ci/run denies warnings.

# shellcheck source=scripts/lib.sh
source scripts/lib.sh

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
    echo "No toolchain for $target was found; run: rustup target add $target" >&2
    return 1
  fi
}

found_debian() {
  [ "$cargo" = /usr/bin/cargo ]
}

for_target() {
  "$cargo" "$1" "${options[@]}" "${@:2}"
}
