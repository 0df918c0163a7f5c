//! The folder on the disk: files that are written whole or not at all, and strangers' files that
//! are left alone.
//!
//! Everything here waits for the disk, so it runs on threads that may.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::index::{INDEX, MirrorIndex, MirrorRow, RECOVER, file_of, folder_of};
use crate::model::clock;
use crate::model::digest::{Digest, Hasher};
use crate::model::name::StateName;
use crate::model::signed_head::SignedHead;

/// What is being written. It gets its name when it is on the disk.
const UNFINISHED: &str = ".statekeep-mirror.part";
/// What to do when no server runs.
const RECOVER_TEXT: &str = include_str!("RECOVER.txt");
/// How `RECOVER.txt` begins, whichever version of the program wrote it.
const RECOVER_BEGINS: &str = "This folder is written by statekeep";
/// How much of a file is read at a time while it is hashed, in bytes.
const CHUNK: usize = 64 * 1024;

/// Why a file of the folder is not as it has to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum MirrorError {
    /// The disk said no.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is there.
    #[error("{0} is in the way and was not written by this server; move it elsewhere")]
    Stranger(PathBuf),
    /// The folder has an index that is not this data's.
    #[error("{path} {why}; give --mirror-dir a folder of its own, or empty this one")]
    OtherIndex {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes could not be had.
    #[error("{name}: {why}")]
    Content {
        /// Which state.
        name: StateName,
        /// Why not.
        why: String,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> MirrorError {
    let path = path.to_owned();
    move |source| MirrorError::File { path, source }
}

/// A state in the folder.
struct Mirrored {
    row: MirrorRow,
    /// Whether the file holds what the row says, as far as is known.
    is_written: bool,
}

/// The folder, and what of it is the server's.
pub(super) struct MirrorFolder {
    dir: PathBuf,
    instance: Uuid,
    states: BTreeMap<StateName, Mirrored>,
    /// The head of the event log, for the index.
    event_head: Option<SignedHead>,
    /// Whether the index on the disk says something else.
    is_changed: bool,
}

impl MirrorFolder {
    /// Opens a folder, or makes it with mode 0700, and looks which files in it are the server's.
    /// A file that is missing or changed is to be written again.
    pub(super) fn open(dir: &Path, instance: Uuid) -> Result<Self, MirrorError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(at(dir))?;
        let rows = read_index(&dir.join(INDEX), instance)?;
        let is_changed = rows.is_none();
        let mirrored = |(name, row): (StateName, MirrorRow)| {
            let is_written = holds(&dir.join(&row.file), &row);
            (name, Mirrored { row, is_written })
        };
        let mut folder = Self {
            dir: dir.to_owned(),
            instance,
            states: rows.unwrap_or_default().into_iter().map(mirrored).collect(),
            event_head: noted_head(dir),
            is_changed,
        };
        folder.write_index()?;
        folder.write_recover()?;
        Ok(folder)
    }

    /// Has the next index say this head of the event log, which has to be on disk.
    pub(super) fn note_head(&mut self, head: Option<SignedHead>) {
        self.event_head = head.or_else(|| self.event_head.take());
    }

    /// The states that are in the folder.
    pub(super) fn names(&self) -> Vec<StateName> {
        self.states.keys().cloned().collect()
    }

    /// Whether a state that has its row here is to be written, to be as this row says.
    pub(super) fn wants(&self, name: &StateName, row: &MirrorRow) -> bool {
        self.states
            .get(name)
            .is_some_and(|state| !state.is_written || state.row != *row)
    }

    /// Gives states that are new in the folder their rows in the index, and says which cannot have
    /// one because something else is in their place.
    pub(super) fn reserve(
        &mut self,
        wanted: Vec<(StateName, MirrorRow)>,
    ) -> Result<Vec<MirrorError>, MirrorError> {
        let mut refused = Vec::new();
        for (name, row) in wanted {
            if self.states.contains_key(&name) {
                continue;
            }
            match self.is_free(&name) {
                Ok(()) => {
                    let is_written = false;
                    self.states.insert(name, Mirrored { row, is_written });
                    self.is_changed = true;
                }
                Err(error) => refused.push(error),
            }
        }
        self.write_index()?;
        Ok(refused)
    }

    fn is_free(&self, name: &StateName) -> Result<(), MirrorError> {
        let workspace = self.dir.join(folder_of(name));
        if kind(&workspace)?.is_some_and(|kind| !kind.is_dir()) {
            return Err(MirrorError::Stranger(workspace));
        }
        let path = self.dir.join(file_of(name));
        if kind(&path)?.is_some() {
            return Err(MirrorError::Stranger(path));
        }
        Ok(())
    }

    /// Writes a state's file, if the state has its row.
    pub(super) fn put(
        &mut self,
        name: &StateName,
        row: MirrorRow,
        bytes: &[u8],
    ) -> Result<(), MirrorError> {
        let Some(state) = self.states.get_mut(name) else {
            return Ok(());
        };
        let workspace = self.dir.join(folder_of(name));
        match DirBuilder::new().mode(0o700).create(&workspace) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(at(&workspace))?,
        }
        state.is_written = false;
        let path = self.dir.join(&row.file);
        write_whole(&self.dir, &path, |file| file.write_all(bytes))?;
        sync_dir(&workspace)?;
        state.row = row;
        state.is_written = true;
        self.is_changed = true;
        Ok(())
    }

    /// Removes a state's file, and its workspace's folder if nothing is left in it.
    pub(super) fn remove(&mut self, name: &StateName) -> Result<(), MirrorError> {
        let Some(state) = self.states.get(name) else {
            return Ok(());
        };
        let path = self.dir.join(&state.row.file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
        // It is removed only if it is empty.
        let _ = fs::remove_dir(self.dir.join(folder_of(name)));
        self.states.remove(name);
        self.is_changed = true;
        Ok(())
    }

    /// Writes the index, if something of it has changed.
    pub(super) fn write_index(&mut self) -> Result<(), MirrorError> {
        if !self.is_changed {
            return Ok(());
        }
        let rows = self
            .states
            .values()
            .map(|state| state.row.clone())
            .collect();
        let index = MirrorIndex::new(self.instance, clock::now(), self.event_head.clone(), rows);
        let path = self.dir.join(INDEX);
        write_whole(&self.dir, &path, |file| {
            let mut file = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut file, &index)?;
            file.write_all(b"\n")?;
            file.flush()
        })?;
        sync_dir(&self.dir)?;
        self.is_changed = false;
        Ok(())
    }

    /// Writes `RECOVER.txt`, unless a file of that name is a stranger's.
    fn write_recover(&self) -> Result<(), MirrorError> {
        let path = self.dir.join(RECOVER);
        match fs::read_to_string(&path) {
            Ok(text) if text == RECOVER_TEXT => return Ok(()),
            Ok(text) if !text.starts_with(RECOVER_BEGINS) => {
                return Err(MirrorError::Stranger(path));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
        write_whole(&self.dir, &path, |file| {
            file.write_all(RECOVER_TEXT.as_bytes())
        })
    }
}

/// What is at a path, without following a link.
fn kind(path: &Path) -> Result<Option<fs::FileType>, MirrorError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// The rows of the index; none where there is none.
fn read_index(
    path: &Path,
    instance: Uuid,
) -> Result<Option<BTreeMap<StateName, MirrorRow>>, MirrorError> {
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let read: Result<MirrorIndex, _> = serde_json::from_reader(file);
    let rows = read
        .map_err(|error| format!("cannot be read ({error})"))
        .and_then(|index| index.rows(instance));
    rows.map(Some).map_err(|why| MirrorError::OtherIndex {
        path: path.to_owned(),
        why,
    })
}

/// The head of the event log that the index of a folder says, if it says one.
pub(in crate::domain) fn noted_head(dir: &Path) -> Option<SignedHead> {
    let file = BufReader::new(File::open(dir.join(INDEX)).ok()?);
    let index: MirrorIndex = serde_json::from_reader(file).ok()?;
    index.event_head
}

/// Whether a file holds the bytes of its row.
fn holds(path: &Path, row: &MirrorRow) -> bool {
    let is_of_its_size =
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == row.size);
    is_of_its_size && hash(path).is_ok_and(|digest| digest.to_string() == row.sha256)
}

fn hash(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hasher) = (File::open(path)?, Hasher::default());
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&chunk[..read]),
        }
    }
}

/// Writes a file under another name, syncs it, and then gives it its own.
fn write_whole(
    dir: &Path,
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), MirrorError> {
    let unfinished = dir.join(UNFINISHED);
    let written = || -> io::Result<()> {
        // A file that an earlier try left may have any mode.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    written().map_err(|source| {
        // It may take the room that others need.
        let _ = fs::remove_file(&unfinished);
        at(path)(source)
    })
}

fn sync_dir(dir: &Path) -> Result<(), MirrorError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(at(dir))
}
