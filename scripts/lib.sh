# shellcheck shell=bash
# What several scripts need. They source this file.
#
#   as_root COMMAND...          runs a command as root, with sudo if needed
#   install WHY PACKAGE...      installs packages of Debian or Ubuntu; fails on other systems
#   target_folder               prints cargo's target folder as an absolute path
#   pinned NAME                 prints the version of a tool in scripts/versions

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# $1: the reason; the rest: the packages.
install() {
  command -v apt-get >/dev/null || return 1
  echo "$1: installing ${*:2}." >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${@:2}" >&2
}

# Tests run in the folders of their packages, so paths that they get must be absolute.
target_folder() {
  local folder="${CARGO_TARGET_DIR:-target}"
  case $folder in /*) ;; *) folder="$PWD/$folder" ;; esac
  echo "$folder"
}

pinned() {
  local version
  version=$(sed -n "s/^$1=//p" "$(dirname "${BASH_SOURCE[0]}")/versions")
  [ -n "$version" ] || { echo "scripts/versions: expected a line $1=VERSION, found none" >&2 && return 1; }
  echo "$version"
}
