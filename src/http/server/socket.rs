//! The data directory's Unix socket, through which the person at the machine acts as the operator.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The longest path that a Unix socket can have on Linux, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// A path by which a socket can be reached, however long the directory's own is. The file, where
/// there is one, has to stay open meanwhile.
pub fn reachable_path(dir: &Path, name: &str) -> io::Result<(PathBuf, Option<File>)> {
    let path = dir.join(name);
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        return Ok((path, None));
    }
    let open = File::open(dir)?;
    Ok((
        Path::new("/proc/self/fd")
            .join(open.as_raw_fd().to_string())
            .join(name),
        Some(open),
    ))
}

/// Listens on a socket with mode 0600 in a directory that this process has locked; what an earlier
/// process left there is replaced.
pub fn bind_socket(dir: &Path, name: &str) -> io::Result<UnixListener> {
    let (path, _open) = reachable_path(dir, name)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}
