//! The command line of QEMU.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::Boot;
use crate::cache;
use crate::command;
use crate::setup::KernelFiles;

const INIT: &str = include_str!("../../../tests/vm/init");

/// The security modules of a boot without the BPF LSM: Debian's list with that one taken out.
const WITHOUT_BPF: &str = "lsm=landlock,lockdown,yama,loadpin,safesetid,integrity,apparmor";

/// The files that one VM is started from.
#[derive(Debug)]
pub(super) struct Disks<'a> {
    /// The root file system, which stays as it is: writes go to a file that is thrown away.
    pub(super) root: &'a Path,
    /// The payload of the run.
    pub(super) payload: &'a Path,
    /// The kernel and its modules.
    pub(super) kernel: &'a KernelFiles,
    /// The initramfs.
    pub(super) initramfs: &'a Path,
    /// The log of the kernel's console.
    pub(super) console: &'a Path,
    /// The log of QEMU itself.
    pub(super) log: &'a Path,
}

/// The command that boots the VM. Its standard input and output are those of the files.
pub(super) fn command(boot: &Boot, disks: &Disks<'_>) -> anyhow::Result<Command> {
    // QEMU dies with xtask, however that ends.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
    if !boot.reboots {
        command.arg("-no-reboot");
    }
    command.args(processors(boot));
    command.arg("-m").arg(boot.memory.to_string());
    command.arg("-kernel").arg(&disks.kernel.vmlinuz).arg("-initrd").arg(disks.initramfs);
    command.arg("-append").arg(kernel_arguments(boot));
    // The order of the disks is the order of their names in the guest: vda, vdb, vdc.
    disk(&mut command, "root", disks.root, "snapshot=on,cache=unsafe");
    disk(&mut command, "modules", &disks.kernel.modules, "readonly=on");
    disk(&mut command, "payload", disks.payload, "readonly=on");
    command.arg("-chardev").arg(format!("file,id=console,path={}", escape(disks.console)));
    command.args(["-serial", "chardev:console", "-chardev", "stdio,id=run,signal=off"]);
    command.args(["-device", "virtio-serial-pci", "-device"]);
    command.arg(if boot.interactive {
        "virtconsole,chardev=run"
    } else {
        "virtserialport,chardev=run,name=holdpoint.run"
    });
    let log = fs::File::create(disks.log).with_context(|| format!("write {}", disks.log.display()))?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    Ok(command)
}

/// How instructions are carried out, and on how many processors.
fn processors(boot: &Boot) -> &'static [&'static str] {
    // QEMU 7.2 without KVM: two processors and cmpxchg16b make 6.12 panic now and then. So does a thread for each of them:
    // one executes a breakpoint by which the kernel exchanges code (`text_poke_bp`), after the other has exchanged it,
    // and the kernel knows of no breakpoint any more ("Oops: int3" in `bpf_lsm_file_open`, while a program was attached).
    const ORDINARY: &[&str] = &["-accel", "tcg,thread=single", "-cpu", "max,cx16=off", "-smp", "2"];
    // One processor, whose clock goes on by 2^0 ns with each instruction (`shift`). When it has nothing to do, the
    // clock jumps to the next timer (`sleep`). So what the guest measures does not depend on the host's load.
    const COUNTING: &[&str] =
        &["-accel", "tcg,thread=single", "-cpu", "max,cx16=off", "-smp", "1", "-icount", "shift=0,sleep=off"];
    if boot.counting { COUNTING } else { ORDINARY }
}

/// Makes the initramfs: busybox, the drivers of the disks, and the first process.
pub(super) fn make_initramfs(drivers: &Path, to: &Path) -> anyhow::Result<()> {
    let stage = to.with_extension("stage");
    cache::create_dir(&stage)?;
    fs::write(stage.join("init"), INIT).context("write the first process of the VM")?;
    let script = "cd \"$1\" && mkdir -p bin && cp /bin/busybox bin/ && cp -r \"$2\" modules && chmod 755 init \
                  && find . -print0 | cpio --quiet --null --create --format=newc --owner=0:0 >\"$3\"";
    let mut pack = Command::new("sh");
    pack.args(["-c", script, "sh"]).arg(&stage).arg(drivers).arg(to);
    let packed = command::run(&mut pack).context("make the initramfs of the VM");
    cache::discard(&stage);
    packed
}

fn kernel_arguments(boot: &Boot) -> String {
    // A panic ends the VM at once (-no-reboot), and a bug in the kernel is a panic.
    let mut arguments = vec!["console=ttyS0", "quiet", "panic=-1", "oops=panic", "fsck.mode=skip"];
    arguments.extend(["systemd.getty_auto=no", "systemd.show_status=no", "mitigations=off"]);
    let preempt = boot.preempt.map(|preempt| format!("preempt={}", preempt.name()));
    arguments.extend(preempt.as_deref());
    if boot.lsm_off {
        arguments.push(WITHOUT_BPF);
    }
    arguments.join(" ")
}

fn disk(command: &mut Command, name: &str, path: &Path, how: &str) {
    let drive = format!("id={name},if=none,format=raw,{how},file={}", escape(path));
    command.arg("-drive").arg(drive).arg("-device").arg(format!("virtio-blk-pci,drive={name}"));
}

/// In QEMU's lists a comma is written twice.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
