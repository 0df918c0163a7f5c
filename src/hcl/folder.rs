//! The files of a root directory, read within limits. Links are followed, as the two programs
//! follow them; nothing but files is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::detection::Detection;
use super::names;
use super::program::Ask;
use super::read::read;
use super::reading::{SourceReading, UndecidedReason};
use super::views::Views;

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 10 * 1024 * 1024;
/// The most bytes of all files together.
pub const MAX_TOTAL: u64 = 256 * 1024 * 1024;
/// The most files of a module.
pub const MAX_FILES: usize = 10_000;
/// The most entries of a directory, of any kind.
pub const MAX_ENTRIES: usize = 100_000;
/// So many files are worth a thread of their own.
const FILES_A_THREAD: usize = 16;
/// The most threads.
const MAX_THREADS: usize = 8;
/// Opening something that turned into a pipe meanwhile does not wait for its other end.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Looks at a directory.
///
/// # Errors
///
/// Where there is no such directory, or it cannot be listed.
pub fn scan(dir: &Path, ask: Ask) -> io::Result<Detection> {
    scan_without(dir, ask, None)
}

/// The same without one file, as if it were not there.
///
/// # Errors
///
/// Where there is no such directory, or it cannot be listed.
pub fn scan_without(dir: &Path, ask: Ask, without: Option<&str>) -> io::Result<Detection> {
    let Listed { names, too_many } = list(dir, without)?;
    if let Some(reason) = too_many {
        return Ok(Detection::undecided(
            ask.program,
            vec![UndecidedReason {
                file: None,
                line: None,
                reason,
            }],
        ));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let views = Views::of(&names, ask);
    let wanted = views.wanted();
    let readings = read_all(dir, &wanted);
    Ok(views.judge(&wanted, &readings))
}

/// Whether a program that is asked about would load a file there that is more than an override.
/// Nothing is read but names.
pub fn loads_something(dir: &Path, ask: Ask) -> bool {
    let Ok(Listed {
        names,
        too_many: None,
    }) = list(dir, None)
    else {
        return false;
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    !Views::of(&names, ask).is_empty
}

struct Listed {
    names: Vec<String>,
    too_many: Option<String>,
}

fn list(dir: &Path, without: Option<&str>) -> io::Result<Listed> {
    let mut names = Vec::new();
    let mut too_many = None;
    for (index, entry) in std::fs::read_dir(dir)?.enumerate() {
        let entry = entry?;
        if index >= MAX_ENTRIES {
            too_many = Some(format!(
                "the directory has more than {MAX_ENTRIES} entries, the most that are looked at"
            ));
            break;
        }
        let Ok(name) = entry.file_name().into_string() else {
            too_many = too_many.or_else(|| unreadable(&entry.file_name()));
            continue;
        };
        if names::language(&name).is_some()
            && without != Some(name.as_str())
            && !entry.file_type()?.is_dir()
        {
            names.push(name);
        }
    }
    if names.len() > MAX_FILES {
        too_many = Some(format!(
            "the module has {} files, more than the {MAX_FILES} that are looked at",
            names.len()
        ));
    }
    names.sort_unstable();
    Ok(Listed { names, too_many })
}

/// A name that is not UTF-8, and whose file would be loaded.
fn unreadable(name: &std::ffi::OsStr) -> Option<String> {
    let shown = name.to_string_lossy();
    names::language(&shown).map(|_| format!("the name of the file {shown:?} is not UTF-8"))
}

/// Reads files in several threads. The answers are in the order of the names.
fn read_all(dir: &Path, names: &[&str]) -> Vec<SourceReading> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(MAX_THREADS).min(names.len() / FILES_A_THREAD);
    let shared = Shared {
        dir,
        names,
        next: AtomicUsize::new(0),
        left: AtomicU64::new(MAX_TOTAL),
    };
    let mut readings = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| shared.read_some()))
            .collect();
        let mut done = shared.read_some();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    readings.sort_unstable_by_key(|(index, _)| *index);
    readings.into_iter().map(|(_, reading)| reading).collect()
}

/// Files that several threads read.
struct Shared<'n> {
    dir: &'n Path,
    names: &'n [&'n str],
    /// The file that is read next.
    next: AtomicUsize,
    /// How many bytes may still be read.
    left: AtomicU64,
}

impl Shared<'_> {
    /// Reads files, each with its place among the names, until no file is left.
    fn read_some(&self) -> Vec<(usize, SourceReading)> {
        let mut done = Vec::new();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = self.names.get(index) else {
                return done;
            };
            let content = content(&self.dir.join(name), &self.left);
            done.push((index, read(name, &content, None)));
        }
    }
}

/// The bytes of a file, or why there are none.
fn content(path: &Path, left: &AtomicU64) -> Result<Vec<u8>, String> {
    let file = open(path)?;
    let size = file.metadata().map_err(cannot)?.len();
    if size > MAX_FILE {
        return Err(too_large());
    }
    let take = |left: u64| left.checked_sub(size);
    if left
        .try_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_err()
    {
        return Err(format!(
            "the module has more than {MAX_TOTAL} bytes, the most that is looked at"
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size + 1).unwrap_or(0));
    let mut file = file.take(MAX_FILE + 1);
    let length = file.read_to_end(&mut bytes).map_err(cannot)?;
    if length as u64 > MAX_FILE {
        Err(too_large())
    } else {
        Ok(bytes)
    }
}

/// Opens a file. Nothing else is opened at all: that alone may have effects.
fn open(path: &Path) -> Result<File, String> {
    if !path.metadata().map_err(cannot)?.is_file() {
        return Err("this is a link to something that is no file, or no file itself".to_owned());
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)
        .map_err(cannot)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn cannot(error: io::Error) -> String {
    format!("the file cannot be read: {error}")
}

fn too_large() -> String {
    format!("the file is larger than {MAX_FILE} bytes, the most that is looked at")
}
