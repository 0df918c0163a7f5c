//! The file with the key of the rows' hashes, beside the database.
//!
//! It is not in the database, so that an edit of the database alone cannot make a hash that fits.
//! Losing it loses no data: a person confirms a new one.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::privacy::{give_to_owner_of, see_to_file, without_links};
use super::row_hash::{KEY_BYTES, RowKey};

/// The name of the key's file in the data directory. A backup without it cannot tell whether its
/// rows are as they were written.
pub const ROW_KEY_FILE: &str = "statekeep.rowkey";
/// A new key, until the database has its hashes.
const NEXT_FILE: &str = "statekeep.rowkey.next";
/// What the file begins with; the key follows in hexadecimal.
const LABEL: &str = "statekeep-row-key-1 ";

/// The key of a data directory, where there is one.
pub(super) fn read(dir: &Path) -> Result<Option<RowKey>, OpenError> {
    read_file(&dir.join(ROW_KEY_FILE))
}

/// The key that was to become the one of a data directory, where there is one.
pub(super) fn read_next(dir: &Path) -> Result<Option<RowKey>, OpenError> {
    read_file(&dir.join(NEXT_FILE))
}

/// Makes a key that is to become the one of a database.
pub(super) fn make_next(database: &Path) -> Result<RowKey, OpenError> {
    let mut bytes = [0; KEY_BYTES];
    let dir = database.parent().unwrap_or(Path::new("."));
    let path = dir.join(NEXT_FILE);
    let mut write = || -> std::io::Result<()> {
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(without_links())
            .open(&path)?;
        writeln!(file, "{LABEL}{}", hex(&bytes))?;
        give_to_owner_of(dir, &file)?;
        file.sync_all()?;
        sync_directory(dir)
    };
    write().map_err(failed(&path))?;
    Ok(RowKey::new(&bytes))
}

/// Makes the next key the one of the data directory.
pub(super) fn adopt_next(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(ROW_KEY_FILE);
    std::fs::rename(dir.join(NEXT_FILE), &path)
        .and_then(|()| sync_directory(dir))
        .map_err(failed(&path))
}

fn read_file(path: &Path) -> Result<Option<RowKey>, OpenError> {
    see_to_file(path)?;
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text)
            .map(|bytes| Some(RowKey::new(&bytes)))
            .ok_or_else(|| OpenError::NoRowKey(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // A rotten byte may be no text any more.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(OpenError::NoRowKey(path.to_owned()))
        }
        Err(error) => Err(failed(path)(error)),
    }
}

fn parse(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.strip_prefix(LABEL)?.trim_end().as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn sync_directory(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> OpenError {
    let path: PathBuf = path.to_owned();
    move |source| OpenError::File {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("statekeep.db");
        std::fs::write(&database, "").unwrap();
        assert!(read(dir.path()).unwrap().is_none());
        let made = make_next(&database).unwrap().proof();
        assert!(read(dir.path()).unwrap().is_none(), "it is only the next");
        adopt_next(dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap().unwrap().proof(), made);
        assert!(read_next(dir.path()).unwrap().is_none());
        let path = dir.path().join(ROW_KEY_FILE);
        let permissions = std::fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(permissions, 0o600);
        let good = std::fs::read_to_string(&path).unwrap();
        for bad in [
            "",
            "x",
            &good[1..],
            &good[..good.len() - 3],
            &format!("{good}0"),
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(
                matches!(read(dir.path()), Err(OpenError::NoRowKey(_))),
                "{bad:?}"
            );
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(dir.path()), Err(OpenError::NoRowKey(_))));
    }
}
