//! A FUSE file system with one file, whose server answers everybody but `holdpointd`.
//!
//! The protocol as the kernel speaks it on `/dev/fuse`
//! (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/fuse.h>), in its smallest form.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use nix::mount::{MsFlags, mount};

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// The node of the root is 1 by definition; the file's is ours to choose.
const ROOT: u64 = 1;
const NODE: u64 = 2;
/// How long the kernel may remember what it was told, in seconds.
const VALID: u64 = 3600;

struct Served {
    name: Vec<u8>,
    content: Vec<u8>,
}

/// Mounts the file system over the directory and serves it until the process is killed.
pub(crate) fn serve(directory: &str, path: &str, name: &CString) -> anyhow::Result<ExitCode> {
    let served = Served { name: name.as_bytes().to_vec(), content: fs::read(path)? };
    let mut device = File::options().read(true).write(true).open("/dev/fuse").context("open /dev/fuse")?;
    let options = format!("fd={},rootmode=40755,user_id=0,group_id=0,allow_other", device.as_raw_fd());
    mount(Some("tests"), directory, Some("fuse"), MsFlags::empty(), Some(options.as_str()))
        .context("mount")?;
    println!("serving");
    let mut request = vec![0; 1 << 20];
    loop {
        let length = device.read(&mut request).context("read from /dev/fuse")?;
        let request = Request(request.get(..length).unwrap_or_default());
        if is_daemon(request.number(32, 4)) {
            println!("unanswered");
            continue;
        }
        let Some(answer) = answer(&served, &request) else { continue };
        let (error, body) = answer.map_or_else(|errno| (-errno, Vec::new()), |body| (0, body));
        let mut message = u32::try_from(16 + body.len())?.to_le_bytes().to_vec();
        message.extend(error.to_le_bytes());
        message.extend(request.number(8, 8).to_le_bytes());
        message.extend(body);
        // The caller may have been killed meanwhile.
        let _gone = device.write_all(&message);
    }
}

/// `struct fuse_in_header`, 40 bytes, and what follows it.
struct Request<'a>(&'a [u8]);

impl Request<'_> {
    /// A number of so many bytes at an offset; zero beyond the end.
    fn number(&self, at: usize, bytes: usize) -> u64 {
        let field = self.0.get(at..at + bytes).unwrap_or_default();
        field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The thread that asks is one of the daemon's. Its requests are never answered: that is the attack.
fn is_daemon(thread: u64) -> bool {
    let program = fs::read_link(format!("/proc/{thread}/exe")).unwrap_or_default();
    program.file_name() == Path::new("holdpointd").file_name()
}

/// None where the protocol has no answer.
fn answer(served: &Served, request: &Request<'_>) -> Option<Result<Vec<u8>, i32>> {
    let node = request.number(16, 8);
    Some(match u32::try_from(request.number(4, 4)).unwrap_or(0) {
        INIT => Ok(numbers(&[
            (7, 4),
            (31, 4),
            (128 << 10, 4),
            (0, 4),
            (0, 4),
            (128 << 10, 4),
            (1, 4),
            (0, 4),
            (0, 8),
            (0, 8),
            (0, 8),
            (0, 8),
        ])),
        LOOKUP if request.0.get(40..).is_some_and(|name| name.strip_suffix(b"\0") == Some(&served.name)) => {
            let mut entry = numbers(&[(NODE, 8), (0, 8), (VALID, 8), (VALID, 8), (0, 8)]);
            entry.extend(attributes(served, NODE));
            Ok(entry)
        }
        LOOKUP => Err(libc::ENOENT),
        GETATTR => {
            let mut answer = numbers(&[(VALID, 8), (0, 8)]);
            answer.extend(attributes(served, node));
            Ok(answer)
        }
        OPEN | OPENDIR => Ok(numbers(&[(0, 8), (0, 8)])),
        READ => {
            let place = |at, bytes| usize::try_from(request.number(at, bytes)).unwrap_or(usize::MAX);
            let rest = served.content.get(place(48, 8)..).unwrap_or_default();
            Ok(rest.get(..place(56, 4).min(rest.len())).unwrap_or_default().to_vec())
        }
        FLUSH | RELEASE | RELEASEDIR => Ok(Vec::new()),
        FORGET | BATCH_FORGET | INTERRUPT => return None,
        _ => Err(libc::ENOSYS),
    })
}

/// `struct fuse_attr`, 88 bytes.
fn attributes(served: &Served, node: u64) -> Vec<u8> {
    let (mode, size) = if node == ROOT { (0o040_755, 0) } else { (0o100_755, served.content.len() as u64) };
    let times = [(0, 8), (0, 8), (0, 8), (0, 4), (0, 4), (0, 4)];
    let rest = [(mode, 4), (1, 4), (0, 4), (0, 4), (0, 4), (4096, 4), (0, 4)];
    numbers(&[&[(node, 8), (size, 8), (size.div_ceil(512), 8)][..], &times, &rest].concat())
}

/// Numbers one after the other, each in so many bytes.
fn numbers(fields: &[(u64, usize)]) -> Vec<u8> {
    fields.iter().flat_map(|(number, bytes)| number.to_le_bytes().into_iter().take(*bytes)).collect()
}
