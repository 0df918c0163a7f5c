//! The files in `packaging/`: what they say of the program is true, and the program does what they
//! rely on. What the packages hold is tried by `packaging/try`, on packages.

mod service_manager;
mod unit;

use std::path::Path;

/// A file of the folder.
#[track_caller]
fn text(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    std::fs::read_to_string(folder.join(path))
        .unwrap_or_else(|error| panic!("packaging/{path}: {error}"))
}
