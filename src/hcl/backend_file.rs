//! The generated file: a backend block with three addresses and their methods. It holds nothing
//! secret, since both programs copy it into plans.
//!
//! A file is ours only if it has, byte for byte, the text that this or an earlier version writes
//! for the address in it. A file that was changed belongs to the user. The first line names the
//! command that wrote it, and so how long it stays. The methods are pinned: otherwise the programs
//! would take them from variables, which build servers set for other backends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::override_file::OVERRIDE_FILE;
use super::{native, placing, writing};

/// The name of the generated file.
pub const FILE: &str = "statekeep_backend.tf";
/// A file of this name would hide it from `OpenTofu`.
pub const HIDING_FILE: &str = "statekeep_backend.tofu";

const BY_CONFIGURE: &str = "# Written by `statekeep configure`, which recognises it as long as \
    nobody changes it. `statekeep configure --remove` removes it.";
const BY_RUN: &str = "# Written by `statekeep run` for as long as its command runs, and removed at \
    its end. One that was left over: by the next run.";
/// The width of the longest name of a setting.
const WIDEST_NAME: usize = "unlock_address".len();
/// The largest file that can be ours, in bytes.
const MAX_OURS: u64 = 64 * 1024;

/// Which command writes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenBy {
    /// `statekeep configure`: it stays until it is removed.
    Configure,
    /// `statekeep run`: it is there for as long as the wrapped command runs.
    Run,
}

impl WrittenBy {
    const ALL: [Self; 2] = [Self::Configure, Self::Run];

    /// The file's first line.
    const fn marker(self) -> &'static str {
        match self {
            Self::Configure => BY_CONFIGURE,
            Self::Run => BY_RUN,
        }
    }
}

/// What a file says beside its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The methods as well.
    Pinned,
    /// Nothing, as version 0.1.0 wrote it.
    Addresses,
}

impl Form {
    const ALL: [Self; 2] = [Self::Pinned, Self::Addresses];
}

/// A backend at an address.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendFile {
    /// The address of the state.
    pub address: String,
    /// Which command wrote it, or is to write it.
    pub writer: WrittenBy,
    form: Form,
}

/// What is at the place of the generated file.
#[derive(Clone, PartialEq, Eq)]
pub enum Present {
    /// Nothing.
    Nothing,
    /// What was generated for this backend.
    Ours(BackendFile),
    /// An empty file: a generated one that was cut off before anything was in it.
    CutOff,
    /// Something else, which is not touched.
    Theirs,
}

impl BackendFile {
    /// What is written for an address.
    pub const fn new(address: String, writer: WrittenBy) -> Self {
        Self {
            address,
            writer,
            form: Form::Pinned,
        }
    }

    /// The settings of a generated block.
    pub fn settings(address: &str) -> [(&'static str, &str); 6] {
        [
            ("address", address),
            ("lock_address", address),
            ("unlock_address", address),
            ("lock_method", "LOCK"),
            ("unlock_method", "UNLOCK"),
            ("update_method", "POST"),
        ]
    }

    /// Whether variables of the environment cannot change how the backend is called.
    pub fn pins_methods(&self) -> bool {
        self.form == Form::Pinned
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let settings = Self::settings(&self.address);
        let settings = match self.form {
            Form::Pinned => &settings[..],
            Form::Addresses => &settings[..3],
        };
        let settings = settings
            .iter()
            .filter_map(|(name, value)| writing::text(name, WIDEST_NAME, value));
        let block = writing::backend("http", settings.collect());
        format!("{}\n{block}", self.writer.marker())
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
        if bytes.is_empty() {
            return Ok(Present::CutOff);
        }
        Ok(Self::of_text(&bytes).map_or(Present::Theirs, Present::Ours))
    }

    fn of_text(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let [found] = <[_; 1]>::try_from(native::read(FILE, text, None).found).ok()?;
        let address = found.address?;
        let forms = WrittenBy::ALL
            .into_iter()
            .flat_map(|writer| Form::ALL.map(|form| (writer, form)));
        let mut could_be = forms.map(|(writer, form)| Self {
            address: address.clone(),
            writer,
            form,
        });
        could_be.find(|ours| ours.text() == text)
    }

    /// Writes the file where none is: never over one, never through a link.
    pub fn create(&self, dir: &Path) -> io::Result<()> {
        placing::create(dir, FILE, self.text().as_bytes())
    }

    /// Puts the file in the place of one that was ours a moment ago, in one step.
    pub fn replace(&self, dir: &Path) -> io::Result<()> {
        placing::replace(dir, FILE, self.text().as_bytes())
    }

    /// Removes the file.
    pub fn remove(dir: &Path) -> io::Result<()> {
        std::fs::remove_file(dir.join(FILE))
    }
}

/// What kills have left beside the files that are generated. Some of it may be secret.
pub fn left_beside(dir: &Path) -> io::Result<Vec<PathBuf>> {
    placing::left_beside(dir, &[FILE, OVERRIDE_FILE])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_recognised_and_what_was_changed_is_not() {
        let kinds = || {
            WrittenBy::ALL
                .into_iter()
                .flat_map(|writer| Form::ALL.map(|form| (writer, form)))
        };
        for address in ["http://127.0.0.1:8680/api/x", "https://a/\"b\\${c}%{d}\n"] {
            for (writer, form) in kinds() {
                let text = BackendFile {
                    address: address.to_owned(),
                    writer,
                    form,
                }
                .text();
                let ours = BackendFile::of_text(text.as_bytes()).expect("ours");
                assert_eq!(
                    (ours.address.as_str(), ours.writer, ours.form),
                    (address, writer, form)
                );
                assert!(
                    BackendFile::of_text(
                        text.replace("unlock_address", "unlock_methode").as_bytes()
                    )
                    .is_none()
                );
                assert!(BackendFile::of_text(text.replace('#', "//").as_bytes()).is_none());
                assert!(BackendFile::of_text(format!("{text}\n").as_bytes()).is_none());
            }
        }
    }

    #[test]
    fn what_version_0_1_0_wrote_is_ours() {
        let text = format!(
            "{BY_CONFIGURE}\nterraform {{\n  backend \"http\" {{\n    address        = \
                \"http://a/\"\n    lock_address   = \"http://a/\"\n    unlock_address = \
                \"http://a/\"\n  }}\n}}\n"
        );
        let ours = BackendFile::of_text(text.as_bytes()).expect("ours");
        assert!(
            !ours.pins_methods()
                && ours != BackendFile::new("http://a/".to_owned(), WrittenBy::Configure)
        );
    }

    #[test]
    fn an_empty_file_is_one_that_was_cut_off() {
        let dir = tempfile::TempDir::new().expect("a directory");
        std::fs::write(dir.path().join(FILE), "").expect("a file");
        assert!(matches!(
            BackendFile::present(dir.path()),
            Ok(Present::CutOff)
        ));
    }

    #[test]
    fn nothing_is_written_over_or_through() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let backend = BackendFile::new("http://a/".to_owned(), WrittenBy::Run);
        backend.create(dir.path()).expect("created");
        std::fs::write(dir.path().join(FILE), "theirs").expect("changed");
        assert_eq!(
            backend.create(dir.path()).map_err(|error| error.kind()),
            Err(io::ErrorKind::AlreadyExists)
        );
        assert_eq!(
            std::fs::read_to_string(dir.path().join(FILE)).expect("there"),
            "theirs"
        );
        BackendFile::remove(dir.path()).expect("removed");
        std::os::unix::fs::symlink("target", dir.path().join(FILE)).expect("a link");
        assert_eq!(
            backend.create(dir.path()).map_err(|error| error.kind()),
            Err(io::ErrorKind::AlreadyExists)
        );
        assert!(!dir.path().join("target").exists());
    }
}
