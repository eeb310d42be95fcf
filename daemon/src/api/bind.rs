//! Making a socket: in the right place, with the right mode from its first moment, and in nobody's way.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use thiserror::Error;
use tokio::net::UnixListener;

/// Why there is no socket.
#[derive(Debug, Error)]
pub(crate) enum BindError {
    /// Somebody else could put a socket of his own in its place.
    #[error(
        "refusing to make the socket '{path}': its directory {reason}; make the directory owned by the user that holdpointd runs as, with mode 0755"
    )]
    Directory {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something is there that we did not put there.
    #[error("refusing to replace '{path}': it {reason}; find out who made it, and remove it")]
    Occupied {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another daemon serves it.
    #[error(
        "cannot make the socket '{path}': another process listens on it; stop the other holdpointd ('systemctl stop holdpointd')"
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The system says no.
    #[error("cannot {operation} the socket '{path}': {cause}{}", cure(cause))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The socket.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Makes a listening socket with that mode and group, in place of a stale one of ours. Must be called
/// inside a tokio runtime.
///
/// The socket gets its name only when mode and group are set, so nobody connects before.
///
/// # Errors
/// When the directory could be changed by others, when something else has the name, when a daemon listens
/// there, or when the system refuses.
pub(crate) fn bind(path: &Path, mode: u32, group: Option<u32>) -> Result<UnixListener, BindError> {
    let failed = |operation| move |cause| BindError::Io { operation, path: path.into(), cause };
    check_directory(path)?;
    check_name_is_free(path)?;
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let gone = |cause: io::Error| if cause.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(cause) };
    fs::remove_file(&temporary).or_else(gone).map_err(failed("clear the way for"))?;
    let listener = UnixListener::bind(&temporary).map_err(failed("make"))?;
    let publish = || {
        chown(&temporary, None, group).map_err(failed("set the group of"))?;
        fs::set_permissions(&temporary, Permissions::from_mode(mode)).map_err(failed("set the mode of"))?;
        fs::rename(&temporary, path).map_err(failed("name"))
    };
    if let Err(error) = publish() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(listener)
}

fn check_directory(path: &Path) -> Result<(), BindError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = fs::metadata(directory).map_err(|cause| BindError::Io {
        operation: "use the directory of",
        path: path.into(),
        cause,
    })?;
    match who_else_writes(&found) {
        Some(reason) => Err(BindError::Directory { path: path.into(), reason }),
        None => Ok(()),
    }
}

fn check_name_is_free(path: &Path) -> Result<(), BindError> {
    let occupied = |reason: String| Err(BindError::Occupied { path: path.into(), reason });
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(BindError::Io { operation: "look at", path: path.into(), cause }),
    };
    if !found.file_type().is_socket() {
        return occupied("is not a socket".to_owned());
    }
    if found.uid() != geteuid().as_raw() {
        return occupied(format!("belongs to uid {}, and holdpointd runs as uid {}", found.uid(), geteuid()));
    }
    match UnixStream::connect(path) {
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) => Err(BindError::InUse { path: path.into() }),
        Err(cause) => {
            Err(BindError::Io { operation: "see whether anybody listens on", path: path.into(), cause })
        }
    }
}

/// Why somebody other than this process's user could change what is in the directory, where so.
fn who_else_writes(found: &Metadata) -> Option<String> {
    let own = geteuid().as_raw();
    if found.uid() != own {
        return Some(format!("belongs to uid {}, and holdpointd runs as uid {own}", found.uid()));
    }
    let mode = found.mode() & 0o7777;
    (mode & 0o022 != 0).then(|| format!("can be written by its group or by others (mode {mode:04o})"))
}

fn cure(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => {
            "; create the directory, or let systemd do so by RuntimeDirectory=holdpoint"
        }
        io::ErrorKind::PermissionDenied => "; holdpointd must run as root",
        io::ErrorKind::ReadOnlyFilesystem => "; it belongs on a tmpfs such as /run",
        _ => "",
    }
}
