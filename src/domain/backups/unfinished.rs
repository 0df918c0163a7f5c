//! Files and folders that are not finished: they have names of their own until they are, and what
//! a killed process left of them is removed by the next that works there.
//!
//! An unfinished file is locked for as long as its process lives, so nobody takes away the work of
//! another.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::sabotage::{self, Fault};

/// Between the name of a backup and the process that makes it.
const UNFINISHED: &str = ".unfinished-";

/// A file that gets its name when it is finished. Dropped before that, it is removed.
pub struct UnfinishedFile {
    target: PathBuf,
    path: PathBuf,
    file: File,
}

impl UnfinishedFile {
    /// Begins a file beside where it is to be, after removing what earlier tries left.
    pub fn begin(target: &Path) -> io::Result<Self> {
        let (folder, name) = parts(target)?;
        let begin = format!(".{name}{UNFINISHED}");
        remove_abandoned(folder, &begin);
        let mut path = folder.join(format!("{begin}{}", std::process::id()));
        if sabotage::is(Fault::BackupInPlace) {
            let _ = fs::remove_file(target);
            target.clone_into(&mut path);
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let unfinished = Self {
            target: target.to_owned(),
            path,
            file,
        };
        match unfinished.file.try_lock() {
            Err(error @ TryLockError::WouldBlock) => Err(error.into()),
            // On a file system without locks, what a killed process leaves stays.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(unfinished),
        }
    }

    /// The file itself.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// The same file, which is to get another name in the same folder.
    #[must_use]
    pub fn renamed(mut self, target: &Path) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Gives the file its name, for good. With `replaces`, another file may have it.
    pub fn finish(self, replaces: bool) -> io::Result<()> {
        self.file.sync_all()?;
        if sabotage::is(Fault::BackupInPlace) {
            return Ok(());
        }
        if replaces {
            fs::rename(&self.path, &self.target)?;
        } else {
            named_if_free(&self.path, &self.target)?;
        }
        sync_folder_of(&self.target)
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        // Finished, it has another name.
        if !sabotage::is(Fault::BackupInPlace) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives a file a name that nothing has. Some file systems, such as NFS, do not do that by a
/// rename, and some have no hard links: there it is looked at first, and renamed then.
fn named_if_free(path: &Path, target: &Path) -> io::Result<()> {
    match renameat_with(CWD, path, CWD, target, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        renamed => return Ok(renamed?),
    }
    match fs::hard_link(path, target) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) => {}
        linked => return linked,
    }
    match target.symlink_metadata() {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(path, target),
    }
}

/// The folder of a path, and the name in it.
fn parts(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("the path names no file in UTF-8"))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")), name))
}

/// Makes a rename into a folder last.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(parts(path)?.0)?.sync_all()
}

/// Removes files whose process has gone.
fn remove_abandoned(folder: &Path, begin: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(begin));
        let is_ours = rest.is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
        let is_free = is_ours
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if is_free {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A folder for work that leaves nothing behind.
pub struct WorkFolder(PathBuf);

impl WorkFolder {
    /// Makes an empty folder. Files that an earlier try left there are removed: one process at
    /// a time works in it.
    pub fn make(path: &Path) -> io::Result<Self> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            let path = self.0.display();
            tracing::warn!(%path, %error, "cannot remove a folder that was only for work");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_nobody_works_on_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b");
        let abandoned = folder.path().join(".b.unfinished-1");
        fs::write(&abandoned, "").unwrap();
        for other in [".b.unfinished-x", ".c.unfinished-1", "b.unfinished-1"] {
            fs::write(folder.path().join(other), "").unwrap();
        }
        let at_work = folder.path().join(".b.unfinished-2");
        let held = File::create(&at_work).unwrap();
        held.try_lock().unwrap();
        UnfinishedFile::begin(&target)
            .unwrap()
            .finish(false)
            .unwrap();
        let left = [
            ".b.unfinished-2",
            ".b.unfinished-x",
            ".c.unfinished-1",
            "b",
            "b.unfinished-1",
        ];
        assert_eq!(names(folder.path()), left);
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b");
        fs::write(&target, "before").unwrap();
        let refused = UnfinishedFile::begin(&target).unwrap().finish(false);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"before");
        UnfinishedFile::begin(&target)
            .unwrap()
            .finish(true)
            .unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert_eq!(names(folder.path()), ["b"]);
    }
}
