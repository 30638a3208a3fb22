#!/bin/sh
# Fetches what the Linux guest of the delta-bytes bench is made of: a 32-bit kernel, a busybox and BIOSes, out of Debian's packages, to
# build/linux-guest. Installs none of them, and leaves apt's own state as it is. sh bench/linux-guest.sh
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/linux-guest
into=$(pwd)/build/linux-guest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
cd "$work"
set -- -qq -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
  -o APT::Architectures::=i386 -o APT::Architectures::="$(dpkg --print-architecture)" -o APT::Sandbox::User=root
# Other sources than Debian's may have nothing for this architecture.
apt-get "$@" update || true
kernel=$(apt-cache "$@" depends linux-image-686:i386 | sed -n 's/.*Depends: \(linux-image-[0-9][^ :]*\).*/\1/p' | head -n 1)
apt-get "$@" download "$kernel:i386" busybox-static:i386 seabios
for package in *.deb; do dpkg -x "$package" parts; done
cp parts/boot/vmlinuz-* "$into/vmlinuz"
cp parts/bin/busybox parts/usr/share/seabios/bios.bin "$into"
cp parts/usr/share/seabios/vgabios-stdvga.bin "$into/vgabios.bin"
