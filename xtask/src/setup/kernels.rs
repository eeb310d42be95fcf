//! The kernels that the VM boots: Debian's own, downloaded and unpacked, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::apt::PrivateApt;
use super::{log, step};
use crate::cache;
use crate::command;
use crate::options::Kernel;

/// Raised when the layout of an entry changes.
const LAYOUT: u32 = 2;

/// Drivers that find the disks. Those that a kernel does not have as a module are built into it.
const DRIVERS: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_console"];

/// The files of one kernel in the cache.
#[derive(Debug)]
pub(crate) struct KernelFiles {
    /// The kernel itself.
    pub(crate) vmlinuz: PathBuf,
    /// A disk image with all its modules, mounted at /usr/lib/modules.
    pub(crate) modules: PathBuf,
    /// A directory with the modules that the initramfs loads, named in their order.
    pub(crate) drivers: PathBuf,
}

/// Finds a kernel in the cache, or fetches it.
pub(crate) fn find(kernel: Kernel) -> anyhow::Result<KernelFiles> {
    let kernels = cache::root()?.join("kernels");
    let directory = kernels.join(format!("{}-{LAYOUT}", kernel.version()));
    if !directory.is_dir() {
        cache::sweep(&kernels);
        let what = format!("fetching kernel {} of Debian {}", kernel.version(), kernel.release());
        step(&what, || cache::entry(&directory, |partial| fetch(kernel, partial)))?;
    }
    Ok(KernelFiles {
        vmlinuz: directory.join("vmlinuz"),
        modules: directory.join("modules.ext4"),
        drivers: directory.join("drivers"),
    })
}

fn fetch(kernel: Kernel, directory: &Path) -> anyhow::Result<()> {
    if !command::found("apt-get") {
        bail!(
            "fetch kernel {}: there is no apt-get here; run setup on a Debian and copy its cache",
            kernel.version()
        );
    }
    let log = log(&format!("kernel-{}", kernel.version()))?;
    let work = directory.join("work");
    let apt = PrivateApt::new(&work.join("apt"), kernel.release(), &log)?;
    let package = apt.dependency("linux-image-cloud-amd64")?;
    if !package.starts_with(&format!("linux-image-{}.", kernel.version())) {
        bail!("fetch kernel {}: Debian {} now has {package}", kernel.version(), kernel.release());
    }
    let file = apt.download(&package, &work.join("download"), &log)?;
    let tree = work.join("tree");
    command::logged(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&tree), &log)?;
    unpack(&package, &tree, directory, &log)?;
    fs::write(directory.join("package"), package + "\n").context("note the name of the package")?;
    cache::discard(&work);
    Ok(())
}

/// Takes what is needed out of the unpacked package.
fn unpack(package: &str, tree: &Path, directory: &Path, log: &Path) -> anyhow::Result<()> {
    let version = package.trim_start_matches("linux-image-");
    let vmlinuz = tree.join("boot").join(format!("vmlinuz-{version}"));
    fs::rename(&vmlinuz, directory.join("vmlinuz")).with_context(|| format!("find {}", vmlinuz.display()))?;
    // Debian 12 has them in /lib, Debian 13 in /usr/lib; depmod wants /lib.
    if !tree.join("lib").exists() {
        fs::rename(tree.join("usr/lib"), tree.join("lib")).context("find the modules of the kernel")?;
    }
    let modules = tree.join("lib/modules");
    command::logged(Command::new("/usr/sbin/depmod").arg("-b").arg(tree).arg(version), log)?;
    collect_drivers(&modules.join(version), &directory.join("drivers"))?;
    let mut image = Command::new("/usr/sbin/mke2fs");
    image.args(["-q", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-d"]).arg(&modules);
    image.arg(directory.join("modules.ext4")).arg("256M");
    command::logged(&mut image, log).context("make the disk of modules")
}

/// Copies the drivers and what they depend on, numbered in the order in which they can be loaded.
fn collect_drivers(modules: &Path, to: &Path) -> anyhow::Result<()> {
    cache::create_dir(to)?;
    let list = modules.join("modules.dep");
    let list = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    for (place, path) in load_order(&list).into_iter().enumerate() {
        let source = modules.join(path);
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".xz");
        let target = to.join(format!("{place:02}-{name}"));
        let content = if path.ends_with(".xz") {
            let output = Command::new("xz").args(["--decompress", "--stdout"]).arg(&source).output();
            let output = output.with_context(|| format!("decompress {}", source.display()))?;
            if !output.status.success() {
                bail!("decompress {}: {}", source.display(), output.status);
            }
            output.stdout
        } else {
            fs::read(&source).with_context(|| format!("read {}", source.display()))?
        };
        fs::write(&target, content).with_context(|| format!("write {}", target.display()))?;
    }
    Ok(())
}

/// Reads depmod's list, which names after each module what it needs, the deepest last.
fn load_order(list: &str) -> Vec<&str> {
    let mut order = Vec::new();
    for driver in DRIVERS {
        let entries = list.lines().filter_map(|line| line.split_once(':'));
        for (path, needs) in entries.filter(|(path, _)| path.contains(&format!("/{driver}.ko"))) {
            for module in needs.split_whitespace().rev().chain([path]) {
                if !order.contains(&module) {
                    order.push(module);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_loaded_after_what_it_needs() {
        let list = "k/virtio_blk.ko.xz: k/virtio.ko k/virtio_ring.ko\n\
                    k/virtio_pci.ko: k/virtio.ko k/virtio_ring.ko\nk/virtio_pci_dev.ko:\n";
        let order = ["k/virtio_ring.ko", "k/virtio.ko", "k/virtio_pci.ko", "k/virtio_blk.ko.xz"];
        assert_eq!(load_order(list), order);
    }
}
