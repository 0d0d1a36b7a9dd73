# An empty machine for server-guide.test.ts: processes, network, mounts and disk of its own, with systemd as process 1.
# Usage: unshare … sh server.sh FOLDER, which has out/run.sh: what root runs there.
set -e
folder=$1
mount --make-rprivate /
mkdir -p "$folder/disk"
mount -t tmpfs none "$folder/disk"
cd "$folder/disk"
mkdir up work root
mount -t overlay overlay -o "lowerdir=/,upperdir=up,workdir=work" root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys 2>/dev/null || mount --rbind /sys sys
mount -t tmpfs none sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o mode=1777 none tmp
mkdir -p out
mount --bind "$folder/out" out
rm -f etc/fstab
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-networkd-wait-online.service \
  systemd-resolved.service systemd-timesyncd.service systemd-logind.service networking.service ifupdown-pre.service \
  ifupdown-wait-online.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  systemd-modules-load.service systemd-sysctl.service systemd-random-seed.service systemd-remount-fs.service; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
cat >etc/systemd/system/run.service <<'U'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=HOME=/root
WorkingDirectory=/out
ExecStart=/bin/sh -c 'bash -eux /out/run.sh >/out/log 2>&1; echo $? >/out/code'
U
printf '[Unit]\nDefaultDependencies=no\nWants=run.service\n' >etc/systemd/system/run.target
exec env -i "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" container=lxc \
  chroot "$folder/disk/root" /lib/systemd/systemd --unit=run.target --log-target=null
