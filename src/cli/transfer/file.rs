//! A file whose state moves: no other command works with it meanwhile, and no other name leads to
//! it behind the move.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::cli::output::{self, CliError};

/// As long as this lives neither program can lock the file for a command: they take the same lock.
pub(super) struct Quiet {
    _file: File,
}

impl Quiet {
    /// Holds a file that has no other name, and that no command works with.
    pub(super) fn hold(path: &Path) -> Result<Self, CliError> {
        let shown = output::harmless(&path.display().to_string());
        let told = |error: std::io::Error| {
            CliError::Failed(format!("{shown}: {error}; nothing was moved"))
        };
        let metadata = path.symlink_metadata().map_err(told)?;
        if let Some(link) = link(path, &metadata) {
            return Err(CliError::Failed(format!(
                "{shown} {link}, so other checkouts may continue with that file after a move. \
                    Nothing was moved. Replace the link by the file itself, so that nothing else \
                    leads to it, or give --transfer=never to continue with the state on the \
                    server."
            )));
        }
        let file = File::open(path).map_err(told)?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::AGAIN | Errno::ACCESS) => Err(CliError::Failed(format!(
                "{shown} is in use by another command. Nothing was moved; run this again when that \
                    is done"
            ))),
            // File systems without locks have none to wait for.
            Ok(()) | Err(_) => Ok(Self { _file: file }),
        }
    }
}

/// How another name leads to a file, if one does.
fn link(path: &Path, metadata: &Metadata) -> Option<String> {
    if !metadata.is_symlink() && metadata.nlink() <= 1 {
        return None;
    }
    Some(match path.canonicalize() {
        Ok(to) if metadata.is_symlink() => {
            let to = output::harmless(&to.display().to_string());
            format!("is a link to {to}")
        }
        Ok(_) | Err(_) => "has another name as well (a hard link)".to_owned(),
    })
}
