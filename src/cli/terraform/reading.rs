//! What the program reads as well: variables of the environment, and small files.

use std::io::Read as _;
use std::path::Path;

use crate::config::open_regular;

/// A variable that the program would read as well; none if it is empty or no text.
pub(in crate::cli) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)
        .and_then(|value| value.into_string().ok())
        .filter(|value| !value.is_empty())
}

/// A file's bytes; none if there is no file. A pipe in its place is an error and holds nobody up.
pub(in crate::cli) fn read_at_most(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::other(format!(
            "it is larger than {most} bytes"
        )));
    }
    Ok(Some(bytes))
}
