//! The file of events (`--events-file`): each event as a JSON line, in the order of the log, for a
//! program that carries lines away from this machine.
//!
//! It follows commits, and no act waits for it. A line tells only of an event that is on disk. How
//! far the file is, is in a small file beside the database, which is written after the lines. So
//! after a kill lines may come twice, and none is left out. If the file cannot be written,
//! `/readyz` says so, the log says why, and it is tried again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use crate::domain::engine::Engine;
use crate::model::clock::{self, Timestamp};
use crate::model::event::Event;
use crate::model::event_growth::Growth;
use crate::model::event_head::EventHead;
use crate::model::signed_head::SignedHead;
use crate::store::{View, replace_file, without_links};

/// How long events are gathered before they are written.
const GATHER_FOR: Duration = Duration::from_millis(500);
/// How many events one step reads and writes.
const AT_A_TIME: u32 = 1_000;
/// How long after its first line an event that may grow is looked at again: its minute is over,
/// and what was buffered is on disk.
const GROWS_FOR: Duration = Duration::from_secs(90);
/// How many events are remembered that may grow. More than that get no second line.
const MAX_GROWING: usize = 50_000;
/// How long the end of the server waits for the file.
const LAST_TRY: Duration = Duration::from_secs(5);
/// How often the head of the chain is written behind the events, if there are new ones.
const SIGN_EVERY: Duration = Duration::from_mins(1);
/// The file in the data directory that says up to which place the lines are written.
const PLACE_FILE: &str = "statekeep.events-file";
/// The name that it has until it is whole.
const UNFINISHED: &str = "statekeep.events-file.new";

/// What is remembered of the file.
#[derive(Default)]
pub(in crate::domain) struct EventFileState {
    written: tokio::sync::Mutex<Option<Written>>,
    /// Held while lines are added. Who waits for that may go away, as at the server's end: the
    /// lines are added all the same.
    adding: Arc<tokio::sync::Mutex<()>>,
    behind: Mutex<Option<Behind>>,
}

/// How far the file is.
struct Written {
    place: u64,
    /// Whether it was not waited for that lines were added. Then the file may be further.
    is_in_doubt: bool,
    growing: BTreeMap<u64, Grown>,
    /// The last event that has a line, if its head is not in the file yet.
    unsigned: Option<EventHead>,
    /// When a head was last written.
    signed_at: Option<Instant>,
}

/// What the last line of an event said that may grow.
struct Grown {
    look_at: Instant,
    count: u64,
    last_at: Timestamp,
}

/// That events are not in the file.
struct Behind {
    since: Timestamp,
    why: String,
}

/// The file of events.
#[derive(Clone, Copy)]
pub(in crate::domain) struct EventFile<'a> {
    engine: &'a Engine,
    state: &'a EventFileState,
}

impl<'a> EventFile<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine, state: &'a EventFileState) -> Self {
        Self { engine, state }
    }

    /// Since when events are missing in the file, if any are.
    pub(in crate::domain) fn behind_since(&self) -> Option<Timestamp> {
        self.state.behind.lock().as_ref().map(|behind| behind.since)
    }

    fn path(&self) -> Option<&'a Path> {
        self.engine.limits.events_file.as_deref()
    }

    /// Follows the log until it is dropped.
    pub(in crate::domain) async fn follow(&self) {
        let Some(path) = self.path() else {
            return;
        };
        loop {
            let done = self.bring_up_to_date(path, clock::monotonic()).await;
            self.note(done);
            tokio::time::sleep(GATHER_FOR).await;
        }
    }

    /// Writes what is left, before the server ends.
    pub(in crate::domain) async fn catch_up(&self) {
        let Some(path) = self.path() else {
            return;
        };
        let last_look = clock::monotonic() + GROWS_FOR;
        let why = match tokio::time::timeout(LAST_TRY, self.bring_up_to_date(path, last_look)).await
        {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(_) => "it takes too long".to_owned(),
        };
        tracing::warn!(
            why,
            "events are missing in --events-file; the next start adds them"
        );
    }

    fn note(&self, done: Result<(), String>) {
        let mut behind = self.state.behind.lock();
        match done {
            Ok(()) => {
                if behind.take().is_some() {
                    tracing::info!("--events-file has all events again");
                }
            }
            Err(why) => {
                if behind.as_ref().is_none_or(|behind| behind.why != why) {
                    tracing::warn!(why, "events are missing in --events-file; trying again");
                }
                let since = behind.take().map_or_else(clock::now, |behind| behind.since);
                *behind = Some(Behind { since, why });
            }
        }
    }

    /// Writes the lines that are due at a time.
    async fn bring_up_to_date(&self, path: &Path, now: Instant) -> Result<(), String> {
        let mut slot = self.state.written.lock().await;
        let data = self.engine.dir.path();
        let written = match &mut *slot {
            Some(written) => written,
            None => slot.insert(Written {
                place: read_place(data)?,
                is_in_doubt: false,
                growing: BTreeMap::new(),
                unsigned: None,
                signed_at: None,
            }),
        };
        self.go_on(path, data, written, now).await
    }

    async fn go_on(
        &self,
        path: &Path,
        data: &Path,
        written: &mut Written,
        now: Instant,
    ) -> Result<(), String> {
        self.write_new(path, data, written).await?;
        self.write_grown(path, written, now).await?;
        self.write_head(path, written, now).await
    }

    /// Writes the signed head of the last event that has a line.
    async fn write_head(
        &self,
        path: &Path,
        written: &mut Written,
        now: Instant,
    ) -> Result<(), String> {
        let is_due = |at: Instant| now >= at + SIGN_EVERY;
        let Some(head) = written
            .unsigned
            .filter(|_| written.signed_at.is_none_or(is_due))
        else {
            return Ok(());
        };
        if let Some(signed) = self.engine.store.sign(head) {
            let line = lines([Noted { head: signed }])?;
            self.append(path, line, None).await?;
        }
        (written.unsigned, written.signed_at) = (None, Some(now));
        Ok(())
    }

    async fn write_new(
        &self,
        path: &Path,
        data: &Path,
        written: &mut Written,
    ) -> Result<(), String> {
        let read = |view: &View<'_>| view.event_places();
        let places = self.engine.store.read_inline(read).await;
        let last = places
            .map_err(|error| error.to_string())?
            .map_or(0, |(_, last)| last);
        if last < written.place {
            // Another database is here, such as one that came out of a backup.
            written.place = 0;
        }
        let has_lines_to = self.has_lines_to(data, written).await?;
        while written.place < last {
            let after = written.place;
            let read = move |view: &View<'_>| view.events_after(after, AT_A_TIME);
            let (page, end) = self
                .engine
                .store
                .read(read)
                .await
                .map_err(|e| e.to_string())?;
            self.engine.store.note_damaged(&page.damaged);
            let Some(end) = end else {
                return Ok(());
            };
            if end > has_lines_to {
                let new = page.rows.iter().filter(|event| event.seq > has_lines_to);
                written.is_in_doubt = true;
                let place = Some((data.to_owned(), end));
                let added = self.append(path, lines(new)?, place).await;
                written.is_in_doubt = false;
                added?;
            }
            written.place = end;
            written.remember(&page.rows, has_lines_to);
            let last = page.rows.last();
            written.unsigned = last.and_then(|event| {
                let (number, chain) = (event.seq, event.hash?);
                Some(EventHead { number, chain })
            });
        }
        Ok(())
    }

    /// Up to which event the file has lines.
    async fn has_lines_to(&self, data: &Path, written: &mut Written) -> Result<u64, String> {
        if !written.is_in_doubt {
            return Ok(written.place);
        }
        drop(self.state.adding.lock().await);
        let place = read_place(data)?;
        written.is_in_doubt = false;
        Ok(place)
    }

    /// Appends lines, and then notes the place that they lead to in the data directory.
    async fn append(
        &self,
        path: &Path,
        lines: Vec<u8>,
        place: Option<(PathBuf, u64)>,
    ) -> Result<(), String> {
        let adding = Arc::clone(&self.state.adding).lock_owned().await;
        let path = path.to_owned();
        let work = move || {
            let _adding = adding;
            write_lines(&path, &lines).map_err(|error| at(&path, &error))?;
            let Some((data, place)) = place else {
                return Ok(());
            };
            write_place(&data, place).map_err(|error| at(&data.join(PLACE_FILE), &error))
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Writes another line for each event that has grown since its first one.
    async fn write_grown(
        &self,
        path: &Path,
        written: &mut Written,
        now: Instant,
    ) -> Result<(), String> {
        let is_due = |(_, grown): &(&u64, &Grown)| grown.look_at <= now;
        let due: Vec<u64> = written
            .growing
            .iter()
            .filter(is_due)
            .map(|(at, _)| *at)
            .collect();
        for step in due.chunks(AT_A_TIME as usize) {
            let places = step.to_vec();
            let read = move |view: &View<'_>| view.events_at(&places);
            let page = self
                .engine
                .store
                .read(read)
                .await
                .map_err(|e| e.to_string())?;
            let has_grown = |event: &Event| {
                let said = written.growing.get(&event.seq);
                said.is_some_and(|said| (said.count, said.last_at) != (event.count, event.last_at))
            };
            let grown: Vec<Event> = page.rows.into_iter().filter(has_grown).collect();
            if !grown.is_empty() {
                self.append(path, lines(&grown)?, None).await?;
            }
            for place in step {
                written.growing.remove(place);
            }
        }
        Ok(())
    }
}

impl Written {
    /// Remembers what the lines of events say. Those up to a place had theirs before, from a try
    /// that did not come to its end: what they say is not known, so they are looked at right away.
    fn remember(&mut self, events: &[Event], had_lines_to: u64) {
        let now = clock::monotonic();
        let grows = |event: &&Event| Growth::of_name(&event.kind) != Growth::Never;
        for event in events.iter().filter(grows) {
            let (look_at, count) = if event.seq > had_lines_to {
                (now + GROWS_FOR, event.count)
            } else {
                (now, 0)
            };
            if self.growing.len() < MAX_GROWING {
                let last_at = event.last_at;
                let seen = Grown {
                    look_at,
                    count,
                    last_at,
                };
                self.growing.insert(event.seq, seen);
            }
        }
    }
}

/// A line with a head.
#[derive(Serialize)]
struct Noted {
    head: SignedHead,
}

fn lines<T: Serialize>(events: impl IntoIterator<Item = T>) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, &event).map_err(|error| error.to_string())?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Adds whole lines to the file, or nothing. It is opened each time, so that one which was renamed
/// is made anew.
fn write_lines(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(without_links())
        .open(path)?;
    let known = file.metadata()?;
    if !known.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let length = known.len();
    let added = end_torn_line(&mut file, length).and_then(|()| file.write_all(lines));
    if let Err(error) = added.and_then(|()| file.sync_data()) {
        // A part of a line would be in the way of the next try.
        file.set_len(length)?;
        return Err(error);
    }
    match path.parent() {
        Some(folder) if length == 0 => sync_folder(folder),
        Some(_) | None => Ok(()),
    }
}

/// A kill may have left a part of a line: it gets an end, and its event comes once more.
fn end_torn_line(file: &mut File, length: u64) -> io::Result<()> {
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last == [b'\n'] {
        return Ok(());
    }
    file.write_all(b"\n")
}

/// The place in the log up to which lines are written. One that cannot be understood is the
/// beginning: lines that come twice harm less than those that are missing.
fn read_place(data: &Path) -> Result<u64, String> {
    let path = data.join(PLACE_FILE);
    match std::fs::read(&path) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            Ok(text.trim_end().parse().unwrap_or(0))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(at(&path, &error)),
    }
}

fn write_place(data: &Path, place: u64) -> io::Result<()> {
    replace_file(
        data,
        (UNFINISHED, PLACE_FILE),
        format!("{place}\n").as_bytes(),
    )
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_gets_an_end_and_whole_ones_follow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        write_lines(&path, b"one\n").unwrap();
        std::fs::write(&path, "one\ntw").unwrap();
        write_lines(&path, b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\ntwo\n");
    }

    #[test]
    fn a_link_is_not_followed_and_a_folder_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("victim"), &link).unwrap();
        write_lines(&link, b"x\n").unwrap_err();
        assert!(!dir.path().join("victim").exists());
        write_lines(dir.path(), b"x\n").unwrap_err();
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_nonsense_is_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_place(dir.path()).unwrap(), 0);
        write_place(dir.path(), 42).unwrap();
        assert_eq!(read_place(dir.path()).unwrap(), 42);
        std::fs::write(dir.path().join(PLACE_FILE), [0xff, b'1']).unwrap();
        assert_eq!(read_place(dir.path()).unwrap(), 0);
    }
}
