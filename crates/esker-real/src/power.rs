//! `power`: a virtual machine whose power goes while a writer in it works.
//!
//! The machine is QEMU's, without acceleration, with Debian's kernel and an initial file system of
//! busybox and this program. Each boot mounts the disk, checks what the cut before it left, and
//! writes on, until the machine is killed. What its page cache held is gone then. Last comes the
//! negative control: writes of level `Process` are checked as if they had been promised to survive,
//! and must be missed.

use crate::tools;
use crate::watcher::{Crash, Heard, Said};
use crate::workload::{Level, mix};
use crate::writer::Plan;
use esker::Durability;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// File systems, with the size of their disk in MiB.
const SYSTEMS: &[(&str, u64)] = &[("ext4", 64), ("xfs", 320), ("btrfs", 160)];
/// Cuts after which a new disk is begun.
const CUTS_OF_ONE: u64 = 6;
/// Debian's package with the kernel.
const KERNEL: &str = "linux-image-6.1.0-*-amd64";
/// Modules that the machine needs; those that they need are found.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "ext4", "xfs", "btrfs", "crc32c_generic"];

/// What the machine does when it is up.
const INIT: &str = "#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /mnt
/bin/busybox mount -t proc p /proc
/bin/busybox mount -t sysfs s /sys
/bin/busybox mount -t devtmpfs d /dev
for m in $(/bin/busybox cat /modules); do /bin/busybox insmod /lib/$m; done
get() { /bin/busybox sed -n \"s/.* $1=\\([^ ]*\\).*/\\1/p\" /proc/cmdline; }
/bin/busybox mount -t $(get system) /dev/vda /mnt || echo NO-MOUNT
/esker-real check /mnt/db $(get said | /bin/busybox tr , ' ')
echo CHECK-ENDED $?
/esker-real write /mnt/db $(get plan | /bin/busybox tr , ' ')
echo WRITE-ENDED $?
/bin/busybox poweroff -f
";

/// Cuts the power `cuts` times, on each kind of file system or the one `only`; what it needs is
/// made beneath `path`.
///
/// # Errors
/// The first check that failed, or a tool that is missing.
pub fn run(path: &str, cuts: u64, only: Option<&str>) -> Result<String, String> {
    std::fs::create_dir_all(path).map_err(|e| format!("{path}: {e}"))?;
    let machine = Machine::prepare(path)?;
    let mut report = String::new();
    for &(system, mib) in SYSTEMS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let mut acknowledged = 0;
        let mut disk = Disk::default();
        for cut in 0..cuts {
            if cut % CUTS_OF_ONE == 0 {
                disk = Disk::new(path, system, mib)?;
            }
            let random = mix(cut, 1, mib);
            let level = if cut % 2 == 0 { Level::Only(Durability::Power) } else { Level::Mixed };
            let after = 20 + random % 300;
            let heard = machine.cut(&mut disk, level, after, Crash::Power);
            acknowledged += heard.map_err(|e| format!("{system}, cut {cut}: {e}"))?;
        }
        machine.look(&mut disk).map_err(|e| format!("{system}, after the last cut: {e}"))?;
        let line = format!("{system}: {cuts} cuts, {acknowledged} steps acknowledged, none lost");
        println!("{line}");
        report += &(line + "\n");
        let mut disk = Disk::new(path, system, mib)?;
        // Promised by nobody: the check must miss them.
        machine.cut(&mut disk, Level::Only(Durability::Process), 400, Crash::Process)?;
        match machine.look(&mut disk) {
            Ok(()) => return Err(format!("{system}: the check does not see what was lost")),
            Err(error) => report += &format!("{system}, negative control: {error}\n"),
        }
    }
    Ok(report)
}

/// A disk, and what is known of the database on it.
#[derive(Default)]
struct Disk {
    image: String,
    system: String,
    threads: BTreeMap<u64, Said>,
}

impl Disk {
    fn new(path: &str, system: &str, mib: u64) -> Result<Disk, String> {
        let image = format!("{path}/{system}.disk");
        let _ = std::fs::remove_file(&image);
        tools::run(&format!("truncate -s {mib}M {image}"))?;
        let force = if system == "ext4" { "-F" } else { "-f" };
        tools::run(&format!("mkfs.{system} {force} -q {image}"))?;
        Ok(Disk { image, system: system.into(), threads: BTreeMap::new() })
    }
}

struct Machine {
    kernel: String,
    initrd: String,
}

impl Machine {
    /// Fetches the kernel, builds this program without shared libraries, and packs both.
    fn prepare(path: &str) -> Result<Machine, String> {
        let root = format!("{path}/root");
        if !Path::new(&root).exists() {
            let script = include_str!("prepare.sh");
            let modules = MODULES.join(" ");
            let words = ["-euc", script, "prepare", path, KERNEL, &modules];
            let source = env!("CARGO_MANIFEST_DIR");
            let output = Command::new("bash").args(words).current_dir(source).output();
            tools::succeeded("prepare", &output.map_err(|e| format!("bash: {e}"))?)?;
        }
        std::fs::write(format!("{root}/init"), INIT).map_err(|e| format!("{root}: {e}"))?;
        let pack = "chmod +x init && find . | cpio -o -H newc --quiet > ../initrd";
        let output = Command::new("sh").args(["-c", pack]).current_dir(&root).output();
        tools::succeeded("cpio", &output.map_err(|e| format!("cpio: {e}"))?)?;
        Ok(Machine { kernel: format!("{path}/vmlinuz"), initrd: format!("{path}/initrd") })
    }

    fn command(&self, disk: &Disk, plan: &str) -> Command {
        let least = disk.threads.iter().map(|(thread, said)| format!("{thread}:{}", said.least));
        let said: Vec<_> = least.collect();
        let line = format!(
            "console=ttyS0 quiet panic=-1 no_timer_check rdinit=/init \
             system={} said={} plan={plan} end=1",
            disk.system,
            said.join(",")
        );
        let drive = format!("id=d0,file={},if=none,format=raw,cache=writeback", disk.image);
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-cpu", "max", "-m", "384", "-nodefaults", "-no-reboot"]);
        command.args(["-kernel", &self.kernel, "-initrd", &self.initrd, "-append", &line]);
        command.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=d0"]);
        command.args(["-serial", "stdio", "-display", "none", "-nic", "none"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command
    }

    /// Boots, checks, writes until `after` steps are acknowledged, and cuts the power. Takes note
    /// in `disk` of what must survive `crash`. Returns how many were acknowledged.
    fn cut(&self, disk: &mut Disk, level: Level, after: u64, crash: Crash) -> Result<u64, String> {
        let plan = Plan { threads: 2, level, background: 1, ..Plan::default() };
        let words = plan.words()[2..].join(",");
        let mut child = self.command(disk, &words).spawn().map_err(|e| format!("qemu: {e}"))?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let mut heard = Heard::default();
        let mut is_checked = disk.threads.is_empty();
        let mut complaint = String::new();
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            heard.hear(line, crash);
            is_checked |= line == "CHECK-ENDED 0";
            if !line.starts_with("ok ") && !line.starts_with("open ") {
                complaint = format!("{complaint}\n{line}");
            }
            if heard.acknowledged >= after || (line.starts_with("CHECK-ENDED") && !is_checked) {
                break;
            }
        }
        child.kill().map_err(|e| e.to_string())?;
        child.wait().map_err(|e| e.to_string())?;
        if !is_checked || heard.acknowledged < after {
            return Err(complaint.trim().into());
        }
        disk.threads = heard.threads;
        Ok(heard.acknowledged)
    }

    /// Boots once more, to check alone.
    fn look(&self, disk: &mut Disk) -> Result<(), String> {
        self.cut(disk, Level::Only(Durability::Power), 1, Crash::Power).map(|_| ())
    }
}
