//! What is looked at before SQLite opens anything, because opening changes the files.
//!
//! SQLite takes a damaged, cut, missing or foreign WAL for one that ends early, and a missing file
//! for a new database. Acknowledged writes are gone then without a word. So the WAL is scanned, and
//! the last commit is compared with the anchor. A directory that is refused stays as it is.

pub(super) mod anchor;
mod aside;
pub(super) mod files;
pub(super) mod header;
pub(super) mod keeper;
pub(super) mod loss;
mod pages;
mod scan;
mod victims;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::error::OpenError;
use crate::model::clock::Timestamp;
use crate::model::commit::Commit;
use crate::model::event_head::EventHead;
use crate::model::on_loss::OnLoss;
use crate::sabotage::{self, Fault};
use anchor::{ANCHOR_FILE, Anchor};
use files::DatabaseFiles;
use header::DatabaseFile;
use loss::{Loss, Sign};
use pages::{Pages, Unreadable};
use scan::{Scan, WalDamage, WalState, readable};

/// A replication tool may move the WAL while this looks. Then it looks again, so often.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Files that are there only where there was a database.
const TRACES: [&str; 3] = [ANCHOR_FILE, "initial-admin-key", "statekeep.rowkey"];

/// What was found, when the data may be opened.
#[derive(Default)]
pub(super) struct Found {
    /// There is no database yet.
    pub(super) is_new: bool,
    /// The anchor that there is.
    pub(super) anchor: Option<Anchor>,
    /// What is missing, where that was accepted.
    pub(super) loss: Option<Loss>,
}

impl Found {
    /// The event that the anchor tells of, if the data that ends with this commit has to have it.
    pub(super) fn anchored_event(&self, last: &Commit) -> Option<EventHead> {
        let anchored = self.anchor.as_ref()?.commit;
        let counts = self.loss.is_none() && anchored.generation == last.generation;
        Some(anchored.events).filter(|events| counts && events.is_begun())
    }
}

/// What there is, before it is decided whether to go on.
#[derive(Default)]
struct Looked {
    is_new: bool,
    loss: Option<Loss>,
    /// Whether SQLite must not read the WAL.
    without_wal: bool,
}

/// Looks whether the data may be opened. Whatever is missing is accepted only if `on_loss` says so;
/// then the WAL is kept aside.
pub(super) fn check(files: &DatabaseFiles<'_>, on_loss: OnLoss) -> Result<Found, OpenError> {
    if sabotage::is(Fault::StartCheck) {
        return Ok(Found {
            is_new: !files.database.exists(),
            ..Found::default()
        });
    }
    let anchor = anchor_of(files)?;
    let mut looks = 0..LOOKS;
    let looked = loop {
        let before = stamps(files);
        let looked = examine(files, anchor.as_ref());
        let is_good = looked.as_ref().is_ok_and(|looked| looked.loss.is_none());
        if is_good || stamps(files) == before || looks.next().is_none() {
            break looked?;
        }
        std::thread::sleep(LOOK_AGAIN);
    };
    let mut found = Found {
        is_new: looked.is_new,
        anchor,
        loss: None,
    };
    match (looked.loss, on_loss) {
        (Some(loss), OnLoss::Refuse) => return Err(OpenError::Loss(Box::new(loss))),
        (Some(loss), OnLoss::Accept | OnLoss::Restored) => {
            aside::keep_wal(files, looked.without_wal).map_err(failed(files.wal))?;
            found.is_new = loss.has_no_database();
            tracing::warn!(lost = %loss.detail(), "going on without acknowledged writes");
            found.loss = Some(loss);
        }
        (None, OnLoss::Refuse) => {}
        (None, OnLoss::Accept | OnLoss::Restored) => tracing::warn!(
            "the data directory misses no acknowledged write; start without --accept-loss and \
                --restored"
        ),
    }
    Ok(found)
}

/// Sees to it that what SQLite has recovered of the WAL is on disk: a process may have ended
/// between a write and its sync.
pub(super) fn sync_wal(wal: &Path) -> Result<(), OpenError> {
    match File::open(wal) {
        Ok(file) => file.sync_all().map_err(failed(wal)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(wal)(error)),
    }
}

/// A file that shows that there was a database here.
pub(super) fn trace(dir: &Path, wal: &Path) -> Option<String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into());
    if std::fs::metadata(wal).is_ok_and(|wal| wal.len() > 0) {
        return name(wal);
    }
    if let Some(trace) = TRACES.iter().find(|trace| dir.join(trace).exists()) {
        return Some((*trace).to_owned());
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.find(|name| name.starts_with("statekeep.db.schema-") && !name.ends_with(".partial"))
}

/// The anchor, unless it is damaged: what the database and its WAL say of themselves still counts.
fn anchor_of(files: &DatabaseFiles<'_>) -> Result<Option<Anchor>, OpenError> {
    let read = Anchor::read(files.dir).map_err(failed(&files.dir.join(ANCHOR_FILE)))?;
    Ok(read.and_then(|anchor| {
        if anchor.is_err() {
            tracing::warn!(
                file = ANCHOR_FILE,
                "the anchor is damaged and is written anew; lost writes are noticed only if the \
                    database or its WAL show them"
            );
        }
        anchor.ok()
    }))
}

/// The sizes of the files and when they were changed.
fn stamps(files: &DatabaseFiles<'_>) -> [Option<(u64, SystemTime)>; 2] {
    [files.database, files.wal].map(|path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.len(), found.modified().ok()?))
    })
}

fn examine(files: &DatabaseFiles<'_>, anchor: Option<&Anchor>) -> Result<Looked, OpenError> {
    let of_none = |sign: fn(String) -> Sign| match trace(files.dir, files.wal) {
        None => Looked {
            is_new: true,
            ..Looked::default()
        },
        Some(trace) => Looked {
            without_wal: true,
            loss: Some(Loss {
                dir: files.dir.to_owned(),
                sign: sign(trace),
                kept: None,
                newest: anchor.map(|anchor| anchor.commit.number),
                states: Vec::new(),
            }),
            ..Looked::default()
        },
    };
    let damaged = || OpenError::Damaged(files.database.to_owned());
    let found = header::look_at(files.database).map_err(failed(files.database))?;
    let is_empty = matches!(found, DatabaseFile::Missing | DatabaseFile::Empty);
    if let (true, Some(remains)) = (is_empty, files::begun_restore(files.dir)) {
        return Err(OpenError::BegunRestore {
            dir: files.dir.to_owned(),
            remains,
        });
    }
    match found {
        DatabaseFile::Missing => Ok(of_none(Sign::NoDatabase)),
        DatabaseFile::Empty => Ok(of_none(Sign::EmptyDatabase)),
        DatabaseFile::Foreign if trace(files.dir, files.wal).is_none() => {
            Err(OpenError::NotOurs(files.database.to_owned()))
        }
        DatabaseFile::Foreign | DatabaseFile::Damaged => Err(damaged()),
        DatabaseFile::Sound { page_size, pages } => {
            refuse_read_only(files.database)?;
            examine_inside(files, anchor, (page_size, pages)).map_err(|error| match error {
                Unreadable::Damaged(_) => damaged(),
                Unreadable::Io(error) => failed(files.database)(error),
            })
        }
    }
}

/// The schema of the database, as SQLite would see it with the WAL. It was checked before.
pub(super) fn schema_of(files: &DatabaseFiles<'_>) -> Result<u32, OpenError> {
    let damaged = || OpenError::Damaged(files.database.to_owned());
    let found = header::look_at(files.database).map_err(failed(files.database))?;
    let DatabaseFile::Sound { page_size, .. } = found else {
        return Err(damaged());
    };
    let read = || -> Result<u32, Unreadable> {
        let (database, wal) = open(files)?;
        let mut pages = Pages::new(&database, wal.as_ref(), page_size as usize);
        scan::scan(wal.as_ref(), &mut pages, None)?;
        pages.schema_version()
    };
    read().map_err(|error| match error {
        Unreadable::Damaged(_) => damaged(),
        Unreadable::Io(error) => failed(files.database)(error),
    })
}

/// What the log says of itself, as SQLite would see it with the WAL.
pub struct LogEnd {
    /// Which data it is.
    pub instance: Uuid,
    /// The last event.
    pub last: EventHead,
    /// When a person last accepted that writes are missing, if that was looked for.
    pub loss_accepted_at: Option<Timestamp>,
}

/// What the log of a sound database says of itself; none of one from before there was a chain.
/// All events are looked at only if a loss that was accepted is of interest.
pub(super) fn log_end(
    files: &DatabaseFiles<'_>,
    looks_for_losses: bool,
) -> Result<Option<LogEnd>, OpenError> {
    let damaged = || OpenError::Damaged(files.database.to_owned());
    let found = header::look_at(files.database).map_err(failed(files.database))?;
    let DatabaseFile::Sound { page_size, .. } = found else {
        return Err(damaged());
    };
    let read = || -> Result<Option<LogEnd>, Unreadable> {
        let (database, wal) = open(files)?;
        let mut pages = Pages::new(&database, wal.as_ref(), page_size as usize);
        scan::scan(wal.as_ref(), &mut pages, None)?;
        let roots = pages.roots()?;
        let known = pages.commit(&roots)?.zip(pages.instance(&roots)?);
        let known = known.filter(|(commit, _)| commit.events.is_begun());
        let Some((commit, instance)) = known else {
            return Ok(None);
        };
        Ok(Some(LogEnd {
            instance,
            last: commit.events,
            loss_accepted_at: if looks_for_losses {
                pages.loss_accepted_at(&roots)?
            } else {
                None
            },
        }))
    };
    read().map_err(|error| match error {
        Unreadable::Damaged(_) => damaged(),
        Unreadable::Io(error) => failed(files.database)(error),
    })
}

/// The database file and its WAL, if there is one.
fn open(files: &DatabaseFiles<'_>) -> io::Result<(File, Option<File>)> {
    let database = File::open(files.database)?;
    match File::open(files.wal) {
        Ok(wal) => Ok((database, Some(wal))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((database, None)),
        Err(error) => Err(error),
    }
}

fn refuse_read_only(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(OpenError::ReadOnly(path.to_owned())),
    }
}

/// Looks at the last commit, as SQLite would see it.
fn examine_inside(
    files: &DatabaseFiles<'_>,
    anchor: Option<&Anchor>,
    (page_size, page_count): (u32, Option<u64>),
) -> Result<Looked, Unreadable> {
    let (database, wal) = open(files)?;
    let mut pages = Pages::new(&database, wal.as_ref(), page_size as usize);
    let in_file = readable(last_commit(&pages))?.and_then(|(commit, _)| commit);
    let scan = scan::scan(wal.as_ref(), &mut pages, in_file)?;
    let seen = match (last_commit(&pages), in_file) {
        // The WAL has made something unreadable of it.
        (Err(Unreadable::Damaged(_)), Some(_)) => None,
        (seen, _) => Some(seen?),
    };
    let length = database.metadata()?.len();
    let is_whole = |pages: u64| pages * u64::from(page_size) == length;
    if pages.is_file_alone() && !page_count.is_none_or(is_whole) {
        return Err(Unreadable::Damaged(1));
    }
    Ok(judge(
        files,
        anchor,
        Evidence {
            in_file,
            seen,
            scan,
        },
    ))
}

/// The last commit, and which data it is.
type LastCommit = (Option<Commit>, Option<Uuid>);

fn last_commit(pages: &Pages<'_>) -> Result<LastCommit, Unreadable> {
    let roots = pages.roots()?;
    Ok((pages.commit(&roots)?, pages.instance(&roots)?))
}

/// What the files say.
struct Evidence {
    /// The last commit of the database file alone, if it can be read there.
    in_file: Option<Commit>,
    /// What SQLite would see with the WAL; none if that makes no sense.
    seen: Option<LastCommit>,
    scan: Scan,
}

fn judge(files: &DatabaseFiles<'_>, anchor: Option<&Anchor>, evidence: Evidence) -> Looked {
    let Evidence {
        in_file,
        seen,
        scan,
    } = evidence;
    let (commit, instance) = seen.unwrap_or_default();
    let is_behind = |one: Option<Commit>, other: Option<Commit>| {
        one.map(|commit| commit.number) < other.map(|commit| commit.number)
    };
    let sign = match scan.damage {
        Some(WalDamage::Header) => Some(Sign::DamagedWalHeader),
        Some(WalDamage::Frame(frame, frames)) => Some(Sign::DamagedWal(frame, frames)),
        None if seen.is_none() || !scan.fits => Some(Sign::OtherWal),
        None => anchor.and_then(|anchor| compare(anchor, (commit, instance), scan.state)),
    };
    let sign = sign.map(|sign| match (sign, scan.end) {
        (Sign::CutWal, Some((frame, frames))) => Sign::TornWal(frame, frames),
        (sign, _) => sign,
    });
    let without_wal =
        is_behind(commit, in_file) || matches!(sign, Some(Sign::OtherWal | Sign::DamagedWalHeader));
    let kept = if without_wal { in_file } else { commit };
    let newest = [
        anchor.map(|anchor| anchor.commit.number),
        scan.behind.map(|commit| commit.number),
        scan.last.map(|commit| commit.number),
    ];
    let since = kept.map_or(Timestamp::from_millis(0), |kept| kept.at);
    Looked {
        is_new: false,
        without_wal,
        loss: sign.map(|sign| Loss {
            dir: files.dir.to_owned(),
            sign,
            kept,
            newest: newest.into_iter().flatten().max(),
            states: scan.victims.changed_after(since),
        }),
    }
}

/// What the anchor shows to be missing.
fn compare(anchor: &Anchor, (commit, instance): LastCommit, wal: WalState) -> Option<Sign> {
    let Some(commit) = commit else {
        return Some(Sign::OldDatabase);
    };
    if instance != Some(anchor.instance) {
        return Some(Sign::OtherDatabase);
    }
    if commit.generation != anchor.commit.generation {
        // A newer generation began when a person accepted a loss.
        return (commit.generation < anchor.commit.generation).then_some(Sign::OldDatabase);
    }
    if commit.number == anchor.commit.number {
        if !commit.is(&anchor.commit) {
            return Some(Sign::OtherDatabase);
        }
        let (here, noted) = (commit.events, anchor.commit.events);
        return (noted.is_begun() && here != noted).then_some(Sign::OtherEvents);
    }
    if commit.number > anchor.commit.number {
        return None;
    }
    let is_same_wal = |salts| anchor.wal.is_some_and(|wal| wal.salts == salts);
    Some(match wal {
        WalState::Missing if anchor.wal.is_some() => Sign::NoWal,
        WalState::Empty if anchor.wal.is_some() => Sign::EmptyWal,
        WalState::BadHeader => Sign::DamagedWalHeader,
        WalState::Readable(header) if is_same_wal(header.salts) => Sign::CutWal,
        WalState::Missing | WalState::Empty | WalState::Readable(_) => Sign::OldDatabase,
    })
}

/// A file operation that failed.
fn failed(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path: PathBuf = path.to_owned();
    move |source| OpenError::File {
        path: path.clone(),
        source,
    }
}
