#!/bin/sh
# Puts the static musl for arm64 into the folder given: headers, crt*.o and libc.a of Debian's musl-dev.
# apt runs on a state of its own, so the machine's architectures, package lists and packages stay as they are and no
# root is needed; the machine's sources, and its keys, say where the package comes from and whether it is genuine.
set -eu
to=$1

fail() {
  echo "native-arm64: no musl for arm64: $1; unpack Debian's musl-dev:arm64 into $to (dpkg-deb -x)" >&2
  exit 1
}

for need in apt-get dpkg-deb; do
  command -v "$need" >/dev/null 2>&1 || fail "$need is not here"
done

mkdir -p "$(dirname "$to")"
work=$(mktemp -d "$to.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
: >"$work/status"
cat >"$work/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
END
export APT_CONFIG="$work/apt.conf"

# A source that has nothing for arm64 makes the update fail; what counts is whether the package is found.
(cd "$work" && { apt-get -q update || true; } && apt-get -q download musl-dev) >"$to.log" 2>&1 ||
  fail "apt-get cannot download it (the whole output is in $to.log)"
dpkg-deb -x "$work"/musl-dev_*.deb "$work/root" || fail "the package cannot be unpacked"

# In one step: an interrupted run leaves nothing that looks complete.
rm -rf "$to"
mv "$work/root" "$to"
