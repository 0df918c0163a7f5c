//! The one file that is generated: a backend block with three addresses and nothing secret, since both programs copy it into plans.
//!
//! A file is ours only while it is, byte for byte, what would be written for the address in it: what somebody has changed is theirs.
//! Its first line says which command wrote it, and so for how long it is there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::native;

/// The name of the generated file.
pub const FILE: &str = "statekeep_backend.tf";
/// A file of this name would hide it from `OpenTofu`.
pub const HIDING_FILE: &str = "statekeep_backend.tofu";

const BY_CONFIGURE: &str =
    "# Written by `statekeep configure`, which recognises it as long as nobody changes it. `statekeep configure --remove` removes it.";
const BY_RUN: &str =
    "# Written by `statekeep run` for as long as its command runs, and removed at its end. One that was left over: by the next run.";
/// The largest file that can be ours, in bytes.
const MAX_OURS: u64 = 64 * 1024;

/// Which command writes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// `statekeep configure`: it stays until somebody takes it away.
    Configure,
    /// `statekeep run`: it is there for as long as the wrapped command runs.
    Run,
}

impl Writer {
    const ALL: [Self; 2] = [Self::Configure, Self::Run];

    /// The file's first line.
    const fn marker(self) -> &'static str {
        match self {
            Self::Configure => BY_CONFIGURE,
            Self::Run => BY_RUN,
        }
    }
}

/// A backend at an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Backend {
    /// The address of the state.
    pub address: String,
    /// Which command wrote it, or is to write it.
    pub writer: Writer,
}

/// What stands where the generated file would.
#[derive(Clone, PartialEq, Eq)]
pub enum Present {
    /// Nothing.
    Nothing,
    /// What was generated for this backend.
    Ours(Backend),
    /// Something else, which is not touched.
    Theirs,
}

impl Backend {
    /// The file's text.
    pub fn text(&self) -> String {
        let (marker, address) = (self.writer.marker(), quoted(&self.address));
        format!(
            "{marker}\nterraform {{\n  backend \"http\" {{\n    address        = {address}\n    lock_address   = {address}\n    unlock_address = {address}\n  }}\n}}\n"
        )
    }

    /// Looks at what stands there. A link is never ours.
    pub fn present(dir: &Path) -> io::Result<Present> {
        let path = dir.join(FILE);
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Present::Nothing),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() || metadata.len() > MAX_OURS {
            return Ok(Present::Theirs);
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_OURS).read_to_end(&mut bytes)?;
        Ok(Self::of_text(&bytes).map_or(Present::Theirs, Present::Ours))
    }

    fn of_text(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let [found] = <[_; 1]>::try_from(native::read(FILE, text).found).ok()?;
        let address = found.address?;
        let could_be = Writer::ALL.map(|writer| Self { address: address.clone(), writer });
        could_be.into_iter().find(|ours| ours.text() == text)
    }

    /// Writes the file where none is: never over one, never through a link.
    pub fn create(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(FILE);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let written = file.write_all(self.text().as_bytes()).and_then(|()| file.sync_all());
        written.inspect_err(|_| drop(std::fs::remove_file(path)))
    }

    /// Puts the file in the place of one that was ours a moment ago, in one step.
    pub fn replace(&self, dir: &Path) -> io::Result<()> {
        // Neither program loads a file whose name begins with a dot.
        let (path, beside) = (dir.join(FILE), dir.join(format!(".{FILE}.{}", std::process::id())));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let written = file.write_all(self.text().as_bytes()).and_then(|()| file.sync_all());
        let replaced = written.and_then(|()| std::fs::rename(&beside, path));
        replaced.inspect_err(|_| drop(std::fs::remove_file(beside)))
    }

    /// Removes the file.
    pub fn remove(dir: &Path) -> io::Result<()> {
        std::fs::remove_file(dir.join(FILE))
    }
}

/// A text as HCL writes it, with nothing in it that means something else there.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${").replace("%{", "%%{");
    format!("\"{}\"", escaped.replace('\n', "\\n").replace('\r', "\\r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_recognised_and_what_was_changed_is_not() {
        for address in ["http://127.0.0.1:8680/api/x", "https://a/\"b\\${c}%{d}\n"] {
            for writer in Writer::ALL {
                let text = Backend { address: address.to_owned(), writer }.text();
                let ours = Backend::of_text(text.as_bytes()).expect("ours");
                assert_eq!((ours.address.as_str(), ours.writer), (address, writer));
                assert!(Backend::of_text(text.replace("unlock_address", "unlock_method ").as_bytes()).is_none());
                assert!(Backend::of_text(text.replace('#', "//").as_bytes()).is_none());
                assert!(Backend::of_text(format!("{text}\n").as_bytes()).is_none());
            }
        }
    }

    #[test]
    fn nothing_is_written_over_or_through() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let backend = Backend { address: "http://a/".to_owned(), writer: Writer::Run };
        backend.create(dir.path()).expect("created");
        std::fs::write(dir.path().join(FILE), "theirs").expect("changed");
        assert_eq!(backend.create(dir.path()).map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).expect("there"), "theirs");
        Backend::remove(dir.path()).expect("removed");
        std::os::unix::fs::symlink("target", dir.path().join(FILE)).expect("a link");
        assert_eq!(backend.create(dir.path()).map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
        assert!(!dir.path().join("target").exists());
    }
}
