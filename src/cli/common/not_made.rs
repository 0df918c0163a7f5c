//! Why a file or a folder that a person named cannot be made, and what to do.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::output::ShownPath as _;

/// Why a target could not be made.
pub(in crate::cli) fn why(target: &Path, error: &io::Error) -> String {
    let shown = target.shown();
    if let Some(folder) = missing_folder(target) {
        let folder = folder.shown();
        return format!(
            "{shown} cannot be made, since there is no folder {folder}; make that first, or name \
                another place"
        );
    }
    if error.kind() == io::ErrorKind::AlreadyExists {
        return format!("{shown} is there already and is not replaced; name another place");
    }
    format!("{shown}: {error}")
}

/// The folder that a target is to be made in, if that is not there.
pub(in crate::cli) fn missing_folder(target: &Path) -> Option<&Path> {
    let folder = target.parent().filter(|dir| !dir.as_os_str().is_empty())?;
    let looked = fs::metadata(folder);
    looked
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        .then_some(folder)
}
