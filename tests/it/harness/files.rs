//! Files of unusual kinds.

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Makes a pipe with a name, which nobody writes into: whoever opens it to read waits for good.
pub fn pipe_at(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
}
