# Makes beneath $1 the kernel and the files of the virtual machine. $2: Debian's package, $3: modules.
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends \
    qemu-system-x86 seabios busybox-static cpio kmod xfsprogs btrfs-progs e2fsprogs
mkdir -p "$1/package"
if [ -z "$(ls "$1/package")" ]; then
    newest=$(apt-cache pkgnames linux-image-6.1.0- | grep -E '^linux-image-6\.1\.0-[0-9]+-amd64$' \
        | sort -V | tail -n 1)
    (cd "$1/package" && apt-get download "$newest")
fi
dpkg-deb -x "$1"/package/*.deb "$1/unpacked"
cp "$1"/unpacked/boot/vmlinuz-* "$1/vmlinuz"
version=$(ls "$1/unpacked/lib/modules")
depmod -b "$1/unpacked" "$version"

RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --package esker-real \
    --target x86_64-unknown-linux-gnu --target-dir "$1/target"

made="$1/root.new"
rm -rf "$made"
mkdir -p "$made/bin" "$made/lib"
cp /bin/busybox "$made/bin/busybox"
ln -s busybox "$made/bin/sh"
cp "$1/target/x86_64-unknown-linux-gnu/release/esker-real" "$made/"
for module in $3; do
    modprobe -d "$1/unpacked" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$1/modules"
while read -r file; do
    cp "$file" "$made/lib/"
    basename "$file"
done < "$1/modules" > "$made/modules"
mv "$made" "$1/root"
