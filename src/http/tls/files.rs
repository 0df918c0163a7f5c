//! By what it is known that a file has changed: the file behind its path, its size, and its times.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::TlsFiles;

/// The files of TLS, as they are at a moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seen(Vec<Option<Stamp>>);

#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last write, and of the last change of any kind.
    times: [i64; 4],
}

impl Seen {
    /// Looks at them. Links are followed, since managers of certificates exchange links.
    pub(super) fn of(files: &TlsFiles) -> Self {
        let files = [
            Some(&files.cert),
            Some(&files.key),
            files.client_ca.as_ref(),
        ];
        Self(
            files
                .into_iter()
                .flatten()
                .map(|path| stamp(path))
                .collect(),
        )
    }
}

/// None for a file that is not there.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        times: [
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
        ],
    })
}
