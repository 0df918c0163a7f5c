//! What is written beside a server's data lies apart from it. What is lost, copied or removed with
//! the data directory must not take its backups along, nor hand out states in clear.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::cli::common::reach::{Reach, Way};
use crate::cli::output::CliError;
use crate::cli::output::ShownPath as _;

/// Refuses a folder that is the data directory, lies in it or holds it, also through links.
pub(in crate::cli) fn refuse_overlap(
    data: &Path,
    flag: &str,
    folder: &Path,
) -> Result<(), CliError> {
    let (data_place, place) = places(data, folder)?;
    let how = match (place.is_in(&data_place), data_place.is_in(&place)) {
        (false, false) => return Ok(()),
        (true, true) => "is",
        (true, false) => "lies in",
        (false, true) => "holds",
    };
    Err(CliError::Usage(format!(
        "{flag} {} {how} the data directory {}. What befalls one would befall the other: name a \
            place apart from it, best on another disk",
        folder.shown(),
        data.shown()
    )))
}

/// Refuses what a command writes, if it is to lie in the data directory that the command speaks
/// with.
pub(in crate::cli) fn refuse_in_data(reach: &Reach, target: &Path) -> Result<(), CliError> {
    let Way::Directory(data) = reach.way()? else {
        return Ok(());
    };
    let (data_place, place) = places(data, target)?;
    if !place.is_in(&data_place) {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} lies in the data directory {}, and would be lost or copied with it; name a place \
            apart from it, best on another disk",
        target.shown(),
        data.shown()
    )))
}

/// Where the data directory lies, and what is to lie apart from it.
fn places(data: &Path, other: &Path) -> Result<(Place, Place), CliError> {
    let failed = |error: io::Error| CliError::Failed(format!("{}: {error}", other.shown()));
    let place = |path| Place::of(path).map_err(failed);
    Ok((place(data)?, place(other)?))
}

/// A folder that may not be there yet.
struct Place {
    /// Its path without links.
    path: PathBuf,
    /// Device and number of the folder and of all that hold it, as far as they are there.
    ids: Vec<Option<(u64, u64)>>,
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let path = real(path)?;
        let id = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        let ids = path.ancestors().map(id).collect();
        Ok(Self { path, ids })
    }

    /// Whether this is the other folder or lies in it. One that is mounted twice has two paths.
    fn is_in(&self, other: &Self) -> bool {
        let own = other.ids.first().copied().flatten();
        self.path.starts_with(&other.path) || (own.is_some() && self.ids.contains(&own))
    }
}

/// The path without links, whose end may not be there yet.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let parts: Vec<Component<'_>> = path.components().collect();
    for there in (1..=parts.len()).rev() {
        let begin: PathBuf = parts[..there].iter().collect();
        let mut real = match begin.canonicalize() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            real => real?,
        };
        for part in &parts[there..] {
            if *part == Component::ParentDir {
                real.pop();
            } else {
                real.push(part);
            }
        }
        return Ok(real);
    }
    Ok(path)
}
