//! The archive of a backup: a tar in a zstd stream, so that it opens where nothing else is at hand.
//!
//! The manifest comes first, then the database, then what belongs to it. A reader takes these files
//! and nothing else: no other name, no link, no byte more than the manifest says. So no archive can
//! write outside of the folder that it is read into, nor more than it says.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroU64;
use std::path::Path;

use rustix::fs::Advice;
use tar::{Archive, Builder, EntryType, Header};

use crate::blob::stream::{ZstdReader, ZstdWriter};
use crate::domain::backups::manifest::{
    BackupFile, BackupManifest, BadBackup, MANIFEST, MAX_MANIFEST,
};
use crate::model::clock::Timestamp;
use crate::model::digest::{Digest, Hasher};
use crate::sabotage::{self, Fault};
use crate::store::CopyError;

/// How many bytes are moved at a time.
const PIECE: usize = 256 * 1024;
/// After so many bytes the archive is synced.
const SYNC_EVERY: u64 = 32 * 1024 * 1024;
/// How many bytes of padding a tar may have at its end.
const MAX_PADDING: u64 = 1024 * 1024;

/// What is asked after each piece: whether to go on.
pub(super) type GoOn<'a> = &'a mut dyn FnMut() -> Result<(), CopyError>;

/// Why moving bytes ended early.
enum Broke {
    Reading(io::Error),
    Writing(io::Error),
    Stopped(CopyError),
}

impl From<Broke> for CopyError {
    fn from(broke: Broke) -> Self {
        match broke {
            Broke::Reading(error) | Broke::Writing(error) => error.into(),
            Broke::Stopped(why) => why,
        }
    }
}

/// The length and the SHA-256 of a file.
pub(super) fn measured(name: &str, path: &Path, go_on: GoOn<'_>) -> Result<BackupFile, CopyError> {
    let mut file = File::open(path)?;
    let (size, sha256) = moved(&mut file, &mut io::sink(), go_on)?;
    Ok(BackupFile {
        name: name.to_owned(),
        size,
        sha256: sha256.to_string(),
    })
}

/// Moves everything that is left, piece by piece.
fn moved(from: &mut dyn Read, to: &mut dyn Write, go_on: GoOn<'_>) -> Result<(u64, Digest), Broke> {
    let (mut piece, mut hasher, mut size) = (vec![0; PIECE], Hasher::default(), 0);
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return Ok((size, hasher.finish())),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broke::Reading(error)),
        };
        hasher.update(&piece[..length]);
        to.write_all(&piece[..length]).map_err(Broke::Writing)?;
        size += length as u64;
        go_on().map_err(Broke::Stopped)?;
    }
}

/// A file that is synced in parts while it is written, so that no sync is long.
struct Synced<'a> {
    file: &'a File,
    since: u64,
}

impl Write for Synced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file;
        let length = file.write(bytes)?;
        self.since += length as u64;
        if self.since >= SYNC_EVERY {
            self.since = 0;
            file.sync_data()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an archive of files from a folder into a new file, and syncs that.
pub(super) fn write(
    manifest: &BackupManifest,
    folder: &Path,
    to: &File,
    go_on: GoOn<'_>,
) -> Result<(), CopyError> {
    let out = Synced { file: to, since: 0 };
    let out = ZstdWriter::new(BufWriter::with_capacity(PIECE, out))?;
    let mut archive = Builder::new(out);
    let written = Timestamp::parse(&manifest.taken_at).unwrap_or(Timestamp::from_millis(0));
    let bytes = manifest.to_bytes();
    let mut header = header(bytes.len() as u64, written);
    archive.append_data(&mut header, MANIFEST, bytes.as_slice())?;
    for file in manifest.contents() {
        let source = Asking {
            inner: File::open(folder.join(&file.name))?.take(file.size),
            go_on,
            stopped: None,
        };
        append(&mut archive, file, written, source)?;
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(to.sync_all()?)
}

fn header(size: u64, written: Timestamp) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(written.millis().unsigned_abs() / 1_000);
    header
}

/// A source that asks before each piece whether to go on.
struct Asking<'a, R> {
    inner: R,
    go_on: GoOn<'a>,
    stopped: Option<CopyError>,
}

impl<R: Read> Read for Asking<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if let Err(why) = (self.go_on)() {
            self.stopped = Some(why);
            return Err(io::Error::other("stopped"));
        }
        self.inner.read(bytes)
    }
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    file: &BackupFile,
    written: Timestamp,
    mut source: Asking<'_, impl Read>,
) -> Result<(), CopyError> {
    let mut header = header(file.size, written);
    let appended = archive.append_data(&mut header, &file.name, &mut source);
    match source.stopped {
        Some(why) => Err(why),
        None => Ok(appended?),
    }
}

/// Reads an archive to its end and compares all that it holds with its manifest. With a folder, the
/// files are written there; they are to be trusted only if this succeeds.
pub(super) fn read(
    from: impl Read,
    folder: Option<&Path>,
    accept: &mut dyn FnMut(&BackupManifest) -> Result<(), BadBackup>,
    go_on: GoOn<'_>,
) -> Result<BackupManifest, BadBackup> {
    let zstd = ZstdReader::new(from).map_err(|error| no_backup(&error))?;
    let mut archive = Archive::new(zstd);
    let mut entries = archive
        .entries()
        .map_err(|error| no_backup(&error))?
        .raw(true);
    let first = entries.next().ok_or(BadBackup::CutOff)?;
    let mut first = first.map_err(|error| no_backup(&error))?;
    let size = named(&first, MANIFEST)?;
    if size > MAX_MANIFEST {
        return Err(BadBackup::NoBackup(format!(
            "its {MANIFEST} has {size} bytes"
        )));
    }
    let mut bytes = Vec::new();
    first.read_to_end(&mut bytes).map_err(|error| cut(&error))?;
    let manifest = BackupManifest::read(&bytes)?;
    accept(&manifest)?;
    for file in manifest.contents() {
        let entry = entries.next().ok_or(BadBackup::CutOff)?;
        let mut entry = entry.map_err(|error| cut(&error))?;
        let size = named(&entry, &file.name)?;
        if size != file.size {
            return Err(BadBackup::Damaged(format!(
                "{} has {size} bytes, and its manifest says {}",
                file.name, file.size
            )));
        }
        take(&mut entry, file, folder, go_on)?;
    }
    match entries.next() {
        None => {}
        Some(Ok(entry)) => return Err(BadBackup::Foreign(shown(&entry))),
        Some(Err(error)) => return Err(cut(&error)),
    }
    nothing_behind(&mut archive.into_inner())?;
    Ok(manifest)
}

/// The length of an entry, which has to be a file of this name.
fn named<R: Read>(entry: &tar::Entry<'_, R>, name: &str) -> Result<u64, BadBackup> {
    let header = entry.header();
    let is_file = matches!(header.entry_type(), EntryType::Regular);
    if !is_file || *header.path_bytes() != *name.as_bytes() {
        let found = shown(entry);
        return Err(if name == MANIFEST {
            BadBackup::NoBackup(format!("it begins with {found:?}, not with {MANIFEST}"))
        } else {
            BadBackup::Foreign(found)
        });
    }
    header
        .entry_size()
        .map_err(|error| BadBackup::Damaged(error.to_string()))
}

fn shown<R: Read>(entry: &tar::Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.header().path_bytes()).into_owned()
}

fn take(
    entry: &mut dyn Read,
    file: &BackupFile,
    folder: Option<&Path>,
    go_on: GoOn<'_>,
) -> Result<(), BadBackup> {
    let target = folder.map(|folder| File::create_new(folder.join(&file.name)));
    let target = target
        .transpose()
        .map_err(|error| not_written(&error, file))?;
    let read = match &target {
        Some(target) => moved(
            entry,
            &mut Synced {
                file: target,
                since: 0,
            },
            go_on,
        ),
        None => moved(entry, &mut io::sink(), go_on),
    };
    let (size, sha256) = read.map_err(|broke| match broke {
        Broke::Reading(error) => cut(&error),
        Broke::Writing(error) => not_written(&error, file),
        Broke::Stopped(why) => BadBackup::Failed(why.to_string()),
    })?;
    if size != file.size {
        return Err(BadBackup::CutOff);
    }
    if sha256.to_string() != file.sha256 && !sabotage::is(Fault::BackupHash) {
        return Err(BadBackup::Damaged(format!(
            "the SHA-256 of {} is {sha256}, and its manifest says {}",
            file.name, file.sha256
        )));
    }
    let synced = target.map_or(Ok(()), |file| file.sync_all());
    synced.map_err(|error| not_written(&error, file))
}

fn not_written(error: &io::Error, file: &BackupFile) -> BadBackup {
    match CopyError::from(io::Error::from(error.kind())) {
        CopyError::Full => BadBackup::NoRoom { needed: file.size },
        CopyError::Failed(_) | CopyError::Stopped => {
            BadBackup::Failed(format!("{} cannot be written: {error}", file.name))
        }
    }
}

fn no_backup(error: &io::Error) -> BadBackup {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        BadBackup::CutOff
    } else {
        BadBackup::NoBackup(error.to_string())
    }
}

fn cut(error: &io::Error) -> BadBackup {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        BadBackup::CutOff
    } else {
        BadBackup::Damaged(error.to_string())
    }
}

/// Behind the last file there are zeros, and not many.
fn nothing_behind(rest: &mut impl Read) -> Result<(), BadBackup> {
    let (mut piece, mut size) = ([0; 4_096], 0_u64);
    loop {
        let length = rest.read(&mut piece).map_err(|error| cut(&error))?;
        size += length as u64;
        if length == 0 {
            return Ok(());
        }
        if size > MAX_PADDING || piece[..length].iter().any(|byte| *byte != 0) {
            return Err(BadBackup::Damaged(
                "something lies behind its end".to_owned(),
            ));
        }
    }
}

/// Reads an archive as it lies on its disk, not as it lies in memory, and compares it with what was
/// to be written.
pub(super) fn check(file: &File, go_on: GoOn<'_>) -> Result<BackupManifest, BadBackup> {
    // Where that is refused, it is read from memory: as good, but for a disk that lies.
    let _ = rustix::fs::fadvise(file, 0, None::<NonZeroU64>, Advice::DontNeed);
    let mut source = file;
    let rewound = io::Seek::seek(&mut source, io::SeekFrom::Start(0));
    rewound.map_err(|error| BadBackup::Failed(error.to_string()))?;
    read(source, None, &mut |_| Ok(()), go_on)
}
