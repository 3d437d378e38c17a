#!/bin/sh
# Builds what the machine boots from: OUT/vmlinuz, OUT/initrd, OUT/root.img.
#   unshare --mount --propagation private tools/vm/build-image.sh OUT DEBS NODE PACKAGES SUITE
# DEBS keeps downloaded packages. In a mount namespace of its own: whatever debootstrap mounts goes with it, and the tree is
# made on a tmpfs, where dpkg's thousands of fsyncs cost nothing.
set -eu
out=$1 debs=$2 node=$3 packages=$4 suite=$5
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$out" && pwd)
mkdir -p "$debs" && debs=$(cd "$debs" && pwd)
log=$out/build.log
work=$out/tree

mkdir "$work"
mount -t tmpfs -o size=2g,mode=755 tmpfs "$work"
root=$work/root
mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$work/kernel" "$work/download"
for unread in doc man info locale zoneinfo; do
  echo "path-exclude=/usr/share/$unread/*"
done >"$root/etc/dpkg/dpkg.cfg.d/unread"

# Packages come from wherever this machine's own apt takes them.
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $suite" "Component: main" | head -1)
debootstrap --cache-dir="$debs" --variant=minbase --include="$packages" "$suite" "$root" $mirror >"$log" 2>&1 || {
  tail -5 "$log" >&2
  echo "vm: debootstrap failed; the whole output is in $log" >&2
  exit 1
}

# The kernel is only unpacked. Its package is found through the one that always depends on the newest.
fetch() { (cd "$work/download" && apt-get download "$1" >>"$log" 2>&1); }
fetch linux-image-cloud-amd64 || { apt-get update >>"$log" 2>&1 && fetch linux-image-cloud-amd64; }
kernel=$(dpkg-deb --field "$work"/download/linux-image-cloud-amd64_*.deb Depends | sed 's/[ ,].*//')
fetch "$kernel"
dpkg-deb --extract "$work/download/${kernel}"_*.deb "$work/kernel"
version=${kernel#linux-image-}
cp "$work/kernel/boot/vmlinuz-$version" "$out/vmlinuz"
mkdir -p "$root/lib/modules"
mv "$work/kernel/lib/modules/$version" "$root/lib/modules/"
chroot "$root" depmod "$version"

# The machine itself: units, the user, a name; no service that only a machine with a life of its own needs.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/cache/debconf/* "$root"/etc/systemd/system/*.wants
cp -R "$here/rootfs/." "$root/"
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash sampan
grep -q '^sampan:' "$root/etc/subuid" && grep -q '^sampan:' "$root/etc/subgid"
mkdir -p "$root/var/lib/systemd/linger" "$root/work-under-test" "$root/opt/node/bin"
: >"$root/var/lib/systemd/linger/sampan"
rm -f "$root/etc/resolv.conf"
echo sampan-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost sampan-vm\n::1 localhost\n' >"$root/etc/hosts"
# With an id it is no first boot, which would enable whatever Debian enables by default.
echo 5a6d70616e0000000000000000000001 >"$root/etc/machine-id"
for unit in cryptsetup.target integritysetup.target veritysetup.target remote-fs.target timers.target \
  modprobe@.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount systemd-binfmt.service \
  systemd-ask-password-console.path systemd-ask-password-wall.path systemd-firstboot.service \
  systemd-journal-flush.service systemd-pstore.service systemd-random-seed.service systemd-update-utmp.service; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
cp "$node" "$root/opt/node/bin/node"

# The kernel has ext4 built in, but neither the disk's nor the port's driver: a first file system of their modules and busybox.
initrd=$work/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/root" "$initrd/modules"
cp "$here/initramfs/init" "$initrd/init" && chmod 755 "$initrd/init"
cp "$root/bin/busybox" "$initrd/bin/"
modules=$root/lib/modules/$version
for module in virtio_blk virtio_pci virtio_console; do
  # modules.dep lists what a module needs, direct needs first: what must be loaded first stands last.
  sed -n "s,^\(.*/$module\.ko\): *\(.*\),\1 \2,p" "$modules/modules.dep" | tr ' ' '\n' | sed '/^$/d;1!G;h;$!d'
done | awk '!seen[$0]++' | while read -r path; do
  cp "$modules/$path" "$initrd/modules/"
  basename "$path"
done >"$initrd/modules/order"
cp -R "$initrd" "$root/initrd"
chroot "$root" sh -c 'cd /initrd && find . | busybox cpio -o -H newc' >"$out/initrd" 2>>"$log"
rm -rf "$root/initrd"

# Written in one go and never mounted here. No journal: each boot writes to a copy that is thrown away.
mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -d "$root" "$out/root.img" 2g
umount "$work" && rmdir "$work"
