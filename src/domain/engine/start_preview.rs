//! What a start with a data directory would do, for a person who is about to replace the program:
//! whether it would start, whether it would upgrade, and what stands in its way.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use crate::domain::engine::data_dir;
use crate::store::{FILE_NAME, StartPreview, belongs_to_another, preview_start};

/// What was found.
#[derive(Debug, Default)]
pub struct StartFindings {
    /// What a person may want to know.
    pub notes: Vec<String>,
    /// Why a start would fail.
    pub problems: Vec<String>,
}

/// Looks at a data directory, and changes nothing in it.
pub fn findings_in(dir: &Path) -> StartFindings {
    let mut found = StartFindings::default();
    match std::fs::metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            found.notes.push(format!(
                "there is no data directory {}: a start makes one, with a new database",
                dir.display()
            ));
            return found;
        }
        Err(error) => found.problems.push(format!("{}: {error}", dir.display())),
        Ok(is) if !is.is_dir() => found
            .problems
            .push(format!("{} is not a directory", dir.display())),
        Ok(_) => {}
    }
    if !found.problems.is_empty() {
        return found;
    }
    if let Some(holder) = data_dir::used_by(dir) {
        found.notes.push(format!(
            "{} is in use ({holder}): stop that before you start another one. What is said below \
                may be of different moments",
            dir.display()
        ));
    }
    look_at_owners(dir, &mut found);
    look_at_data(dir, preview_start(&dir.join(FILE_NAME)), &mut found);
    found
}

fn look_at_owners(dir: &Path, found: &mut StartFindings) {
    for path in [dir.to_owned(), dir.join(FILE_NAME)] {
        if let Some(owner) = belongs_to_another(&path) {
            found.problems.push(format!(
                "{} belongs to user {owner}: start as that user, or chown it",
                path.display()
            ));
        }
    }
}

fn look_at_data(dir: &Path, preview: StartPreview, found: &mut StartFindings) {
    let newest = preview.newest;
    match (preview.refused, preview.schema) {
        (Some(refused), _) => found.problems.push(refused.to_string()),
        (None, None) => found.notes.push(format!(
            "there is no database yet: a start makes one, of schema {newest}"
        )),
        (None, Some(schema)) if schema == newest => found.notes.push(format!(
            "the database has schema {schema}, which is this program's: nothing is upgraded"
        )),
        (None, Some(schema)) => look_at_upgrade(dir, (schema, newest), preview.bytes, found),
    }
}

/// An upgrade copies the database first: at most so many bytes as it has with its WAL.
fn look_at_upgrade(
    dir: &Path,
    (schema, newest): (u32, u32),
    bytes: u64,
    found: &mut StartFindings,
) {
    let mut upgrade = format!(
        "the database has schema {schema}: a start upgrades it to {newest}, after a copy of at \
            most {bytes} bytes to {FILE_NAME}.schema-{schema}"
    );
    let free = rustix::fs::statvfs(dir)
        .ok()
        .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    match free {
        Some(free) if free < bytes => found.problems.push(format!(
            "{upgrade}. There is no room for the copy: {free} bytes are free"
        )),
        Some(free) => {
            let _ = write!(upgrade, ". {free} bytes are free");
            found.notes.push(upgrade);
        }
        None => found.notes.push(upgrade),
    }
}
