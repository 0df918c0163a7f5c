//! The WAL, frame by frame, before SQLite opens it: how far SQLite would read it, whether committed
//! frames follow a damaged one, and whether its commits are those of the database beside it.
//!
//! A torn end is normal: the last transaction was cut off and never acknowledged. Frames behind a
//! damaged one are no torn end if a commit among them was followed by another frame. SQLite writes
//! that one only after the commit before it is on disk.

use std::fs::File;
use std::io;

use crate::model::commit::Commit;
use crate::sqlite_file::wal::{WalFrame, WalFrames, WalHeader, WalHeaderError};

use super::pages::{Pages, Roots, Transaction, Unreadable, commit_in};
use super::victims::Victims;

/// How the WAL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WalState {
    /// There is no such file.
    Missing,
    /// It has no bytes.
    Empty,
    /// Its header cannot be read.
    BadHeader,
    /// Frames can be read.
    Readable(WalHeader),
}

/// Where the WAL is damaged although committed frames follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WalDamage {
    /// In its header.
    Header,
    /// In this frame, counted from 1, of so many.
    Frame(u64, u64),
}

/// What the WAL comes to.
pub(super) struct Scan {
    pub(super) state: WalState,
    pub(super) damage: Option<WalDamage>,
    /// The first frame of this round that SQLite would not read, counted from 1, of so many; also
    /// where that is no more than a torn end.
    pub(super) end: Option<(u64, u64)>,
    /// Whether its commits follow those of the database file.
    pub(super) fits: bool,
    /// The last commit that SQLite would see in the WAL; none if it says nothing of commits.
    pub(super) last: Option<Commit>,
    /// The last commit that is told of behind a damaged frame.
    pub(super) behind: Option<Commit>,
    /// Which states were written behind a damaged frame.
    pub(super) victims: Victims,
}

impl Scan {
    fn of(state: WalState) -> Self {
        Self {
            state,
            damage: None,
            end: None,
            fits: true,
            last: None,
            behind: None,
            victims: Victims::default(),
        }
    }
}

/// Scans the WAL, and puts what SQLite would see of it over the pages. `in_file` is the last commit
/// of the database file alone, if it can be read there.
pub(super) fn scan<'f>(
    wal: Option<&'f File>,
    pages: &mut Pages<'f>,
    in_file: Option<Commit>,
) -> Result<Scan, Unreadable> {
    let Some(wal) = wal else {
        return Ok(Scan::of(WalState::Missing));
    };
    match WalHeader::read(wal)? {
        Ok(header) if header.page_size != pages.page_size() => {
            let mut scan = Scan::of(WalState::Readable(header));
            scan.fits = false;
            Ok(scan)
        }
        Ok(header) => Scanner::new(wal, header, pages, in_file).run(),
        Err(WalHeaderError::Short(0)) => Ok(Scan::of(WalState::Empty)),
        Err(_) => {
            let mut scan = Scan::of(WalState::BadHeader);
            for big_endian in [false, true] {
                let header = WalHeader::assumed(pages.page_size(), big_endian);
                if has_commits(wal, header)? {
                    scan.damage = Some(WalDamage::Header);
                }
            }
            Ok(scan)
        }
    }
}

/// Whether there are committed frames, each with the one before it, behind a header that cannot be
/// read.
fn has_commits(wal: &File, header: WalHeader) -> io::Result<bool> {
    let mut before: Option<WalFrame> = None;
    for frame in WalFrames::new(wal, header) {
        let frame = frame?;
        let follows = frame.continues_previous
            && before.is_some_and(|before| before.salts == frame.salts && before.page != 0);
        if follows && frame.commit.is_some() {
            return Ok(true);
        }
        before = Some(frame);
    }
    Ok(false)
}

struct Scanner<'s, 'f> {
    frames: WalFrames<&'f File>,
    pages: &'s mut Pages<'f>,
    roots: Roots,
    in_file: Option<Commit>,
    /// Whether the commit that the database file has was met.
    has_met_file: bool,
    /// Whether commits came that could not be read. The file may have pages of a later moment: of
    /// a `VACUUM` of an earlier release, which moved the schema, and whose pages come at the end.
    has_gap: bool,
    /// The pages of the transaction under way.
    pending: Transaction,
    behind: Behind,
    scan: Scan,
}

/// What is known of the frames that SQLite would not read.
#[derive(Default)]
struct Behind {
    /// The first of them.
    first: Option<u64>,
    /// Whether a commit among them was the frame before.
    was_commit: bool,
    /// Whether a commit was certainly on disk.
    is_proven: bool,
    count: u64,
}

impl<'s, 'f> Scanner<'s, 'f> {
    fn new(
        wal: &'f File,
        header: WalHeader,
        pages: &'s mut Pages<'f>,
        in_file: Option<Commit>,
    ) -> Self {
        Self {
            frames: WalFrames::new(wal, header),
            // The pages of the file may be of different moments until all of the WAL is over them.
            roots: pages.roots().unwrap_or_default(),
            pages,
            in_file,
            has_met_file: false,
            has_gap: false,
            pending: Transaction::default(),
            behind: Behind::default(),
            scan: Scan::of(WalState::Readable(header)),
        }
    }

    fn run(mut self) -> Result<Scan, Unreadable> {
        while let Some(frame) = self.frames.next() {
            let frame = frame?;
            if frame.in_round {
                self.behind.count = frame.index + 1;
            }
            if frame.recovered {
                self.take(frame)?;
            } else {
                self.look_behind(frame);
            }
        }
        let (first, count) = (self.behind.first, self.behind.count);
        let end = first.map(|first| (first + 1, count));
        self.scan.end = end.filter(|(first, count)| first <= count);
        if let Some((first, count)) = end.filter(|_| self.behind.is_proven) {
            self.scan.damage = Some(WalDamage::Frame(first, count));
        }
        if let (Some(last), Some(in_file)) = (self.scan.last, self.in_file) {
            // The file never has a commit that its WAL has not.
            self.scan.fits &= self.has_met_file && last.number >= in_file.number;
        }
        Ok(self.scan)
    }

    /// Takes a frame as SQLite does.
    fn take(&mut self, frame: WalFrame) -> Result<(), Unreadable> {
        self.pending.add(frame.page, frame.offset);
        if frame.commit.is_none() {
            return Ok(());
        }
        let schema = &self.roots.schema;
        let moves = schema.is_empty() || self.pending.has_any(schema);
        let counts = self.pending.has_any(self.roots.commits.as_slice());
        self.pages.replace(&mut self.pending);
        if moves {
            self.roots = readable(self.pages.roots())?.unwrap_or_default();
        }
        let is_of_file = |page: u32| !self.pages.has_in_wal(page);
        if self.roots.commits.is_some_and(is_of_file) {
            // Space that was given back changes the first page and counts no commit. What the file
            // says may be of a later moment: a checkpoint may have been cut off.
            return Ok(());
        }
        if moves || counts {
            match readable(self.pages.commit(&self.roots))?.flatten() {
                Some(commit) => self.compare(commit),
                None => self.has_gap = true,
            }
        }
        Ok(())
    }

    /// Compares a commit with the one before it, in the WAL or in the database file. Behind commits
    /// that could not be read, only its number tells.
    fn compare(&mut self, commit: Commit) {
        let (in_file, last) = (self.in_file, self.scan.last);
        let has_gap = std::mem::take(&mut self.has_gap);
        self.scan.fits &= match (last, in_file) {
            (Some(last), _) => {
                let is_later = has_gap && last.number < commit.number;
                last.is(&commit) || last.is_followed_by(&commit) || is_later
            }
            (None, Some(file)) => {
                has_gap || file.number >= commit.number || file.is_followed_by(&commit)
            }
            (None, None) => true,
        };
        if let Some(file) = in_file {
            let is_behind = last.is_none_or(|last| last.number < file.number);
            let is_in_gap = has_gap && is_behind && file.number < commit.number;
            self.has_met_file |= file.is(&commit) || file.is_followed_by(&commit) || is_in_gap;
        }
        self.scan.last = Some(commit);
    }

    /// Looks at a frame that SQLite would not read.
    fn look_behind(&mut self, frame: WalFrame) {
        let is_first = self.behind.first.is_none();
        self.behind.first.get_or_insert(frame.index);
        // Where the checksum that a frame stores is damaged, the next one shows what it was.
        let follows = frame.in_round && (frame.continues_previous || frame.continues_chain);
        self.behind.is_proven |= follows && self.behind.was_commit;
        self.behind.was_commit = frame.in_round && frame.commit.is_some() && (is_first || follows);
        if !follows {
            return;
        }
        if Some(frame.page) == self.roots.commits {
            let commit = commit_in(self.frames.page()).flatten();
            self.scan.behind = commit.or(self.scan.behind);
        }
        self.scan.victims.note(self.frames.page());
    }
}

/// What can be read; none where a page is not what it should be, which it may still become.
pub(super) fn readable<T>(read: Result<T, Unreadable>) -> Result<Option<T>, io::Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Unreadable::Damaged(_)) => Ok(None),
        Err(Unreadable::Io(error)) => Err(error),
    }
}
