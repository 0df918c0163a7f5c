//! All images of all pages: those in the database file, and those in the frames of its log.
//!
//! A page may be there many times: in the file, in the newest frame of the log, in frames before
//! that, and in frames of an earlier round of the log. Each image has a rank: of two images of a
//! page, the one with the higher rank is the newer one, as far as that can be told. Only the
//! numbers of frames are kept in memory, and no content.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use crate::sqlite_file::header;
use crate::sqlite_file::overflow::{ReadPage, record_of};
use crate::sqlite_file::page::{BtreePage, PageShape};
use crate::sqlite_file::source::ReadAt as _;
use crate::sqlite_file::wal::{
    FRAME_HEADER_LEN, HEADER_LEN, MAX_PAGE_SIZE, WalFrame, WalFrames, WalHeader,
};

use super::sources::DamagedFiles;

/// How many bytes of the file are read at a time.
const READ_AT_A_TIME: usize = 1024 * 1024;
/// By how many frames it is found out how a log with a damaged header is built.
const TRIED_FRAMES: usize = 64;

/// Which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ImageId {
    /// The page with this number in the file.
    InFile(u32),
    /// This frame of the log.
    InLog(u32),
}

impl ImageId {
    /// The ways to put a record of this image together, the likeliest first.
    pub(super) fn choices(self) -> [Choice; 3] {
        match self {
            Self::InFile(_) => [Choice::File, Choice::Newest, Choice::Earlier],
            Self::InLog(index) => [Choice::AsOf(index), Choice::File, Choice::Newest],
        }
    }
}

/// An image, with its bytes.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) id: ImageId,
    /// The number of its page.
    pub(super) page: u32,
    pub(super) rank: Rank,
    pub(super) bytes: &'a [u8],
}

/// How new an image is, and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rank {
    /// A frame whose checksum does not fit.
    Doubtful(u32),
    /// A frame of an earlier round of the log: the file has been given it, or a newer one.
    Earlier(u32),
    /// A frame that no commit follows.
    Uncommitted(u32),
    /// A page of the file.
    InFile,
    /// A committed frame.
    Committed(u32),
}

impl Rank {
    /// Whether the database, as it was last, is made of such images.
    pub(super) fn is_of_database(self) -> bool {
        matches!(self, Self::InFile | Self::Committed(_))
    }
}

/// From which images a record is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Those that a reader had when this frame was committed.
    AsOf(u32),
    /// The file's, else the newest.
    File,
    /// The newest, else the file's.
    Newest,
    /// The newest of an earlier round, else the file's.
    Earlier,
}

/// A frame, as far as it is kept in mind.
#[derive(Clone, Copy)]
struct Entry {
    page: u32,
    rank: Rank,
    /// The last frame of its commit.
    end: u32,
}

/// All images.
pub(super) struct Images {
    file: Option<(File, u64)>,
    log: Option<File>,
    /// How large pages are.
    pub(super) shape: PageShape,
    frames: Vec<Entry>,
    /// The frames of each page, in their order.
    of_page: HashMap<u32, Vec<u32>>,
    /// How many pages the database has after the last commit in the log.
    pages: Option<u32>,
}

impl Images {
    /// Looks at what is there. None if nothing in it looks like a page of a database.
    pub(super) fn open(sources: DamagedFiles) -> io::Result<Option<Self>> {
        let file = match sources.database {
            Some(file) => Some((file.metadata()?.len(), file)).map(|(len, file)| (file, len)),
            None => None,
        };
        let shape = match &file {
            Some((file, len)) => header::shape_of(file, *len)?,
            None => None,
        };
        let log_header = match &sources.log {
            Some(log) => log_header(log, shape)?,
            None => None,
        };
        let of_log = log_header.and_then(|(header, _)| PageShape::new(header.page_size, 0));
        let Some(shape) = shape.or(of_log) else {
            return Ok(None);
        };
        let mut images = Self {
            file,
            log: sources.log,
            shape,
            frames: Vec::new(),
            of_page: HashMap::new(),
            pages: None,
        };
        if let Some((header, is_whole)) = log_header
            && header.page_size as usize == shape.size()
        {
            images.read_frames(header, is_whole);
        }
        Ok(Some(images))
    }

    /// The same images without those of the log, and those of the log alone.
    pub(super) fn apart(&self) -> io::Result<(Self, Self)> {
        let clone = |file: &File| file.try_clone();
        let file = match &self.file {
            Some((file, len)) => Some((clone(file)?, *len)),
            None => None,
        };
        let without_log = Self {
            file,
            log: None,
            shape: self.shape,
            frames: Vec::new(),
            of_page: HashMap::new(),
            pages: None,
        };
        let log = Self {
            file: None,
            log: self.log.as_ref().map(clone).transpose()?,
            shape: self.shape,
            frames: self.frames.clone(),
            of_page: self.of_page.clone(),
            pages: self.pages,
        };
        Ok((without_log, log))
    }

    /// How many pages the file has, the last one perhaps cut, and how many frames the log has.
    pub(super) fn counts(&self) -> (u64, u64) {
        let len = self.file.as_ref().map_or(0, |(_, len)| *len);
        let pages = len.div_ceil(self.shape.size() as u64);
        (pages, self.frames.len() as u64)
    }

    fn read_frames(&mut self, mut header: WalHeader, is_whole: bool) {
        let Some(log) = &self.log else {
            return;
        };
        // Where the group of frames begins that no commit has ended yet, and their salts.
        let (mut open, mut salts) = (0, header.salts);
        // What the disk does not give of the log is its end.
        for frame in WalFrames::new(log, header).map_while(Result::ok) {
            let index = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
            if !is_whole && index == 0 {
                (header.salts, salts) = (frame.salts, frame.salts);
            }
            let is_first = !is_whole && index == 0;
            let rank = rank(&frame, header.salts, is_first);
            if !matches!(rank, Rank::Doubtful(_)) && frame.salts != salts {
                end_without_commit(&mut self.frames[open..]);
                (open, salts) = (self.frames.len(), frame.salts);
            }
            self.frames.push(Entry {
                page: frame.page,
                rank,
                end: index,
            });
            self.of_page.entry(frame.page).or_default().push(index);
            if matches!(rank, Rank::Committed(_)) {
                self.pages = frame.commit.or(self.pages);
            }
            if frame.commit.is_some() {
                self.frames[open..]
                    .iter_mut()
                    .for_each(|entry| entry.end = index);
                open = self.frames.len();
            }
        }
        end_without_commit(&mut self.frames[open..]);
    }

    /// Hands out each page of the file with its bytes, and says how many the disk does not give.
    pub(super) fn each_in_file(
        &self,
        mut visit: impl FnMut(Image<'_>) -> io::Result<()>,
    ) -> io::Result<u64> {
        let size = self.shape.size();
        let Some((file, len)) = &self.file else {
            return Ok(0);
        };
        let mut unreadable = 0;
        let mut buffer = vec![0; size * (READ_AT_A_TIME / size).max(1)];
        let mut one = Vec::new();
        for at in (0..*len).step_by(buffer.len()) {
            let first = u32::try_from(at / size as u64).unwrap_or(u32::MAX);
            let filled = file.fill_at(&mut buffer, at).ok();
            let read = filled.map(|filled| &buffer[..filled]);
            let pages = buffer
                .len()
                .min(usize::try_from(*len - at).unwrap_or(usize::MAX));
            for index in 0..pages.div_ceil(size) {
                let number = u32::try_from(index).map_or(u32::MAX, |index| first + index + 1);
                let id = ImageId::InFile(number);
                // If the disk refuses a sector somewhere in there, the other pages may be readable.
                let is_readable = read.is_some() || self.image(id, &mut one);
                unreadable += u64::from(!is_readable);
                let bytes = match read {
                    Some(read) => read.chunks(size).nth(index).unwrap_or_default(),
                    None => one.as_slice(),
                };
                visit(Image {
                    id,
                    page: number,
                    rank: Rank::InFile,
                    bytes,
                })?;
            }
        }
        Ok(unreadable)
    }

    /// The same of each frame of the log.
    pub(super) fn each_in_log(
        &self,
        mut visit: impl FnMut(Image<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (index, entry) in (0_u32..).zip(&self.frames) {
            let id = ImageId::InLog(index);
            if self.image(id, &mut bytes) {
                visit(Image {
                    id,
                    page: entry.page,
                    rank: entry.rank,
                    bytes: &bytes,
                })?;
            }
        }
        Ok(())
    }

    /// Puts the bytes of an image in place of the buffer's; `false` if it is not there, or the disk
    /// does not give it.
    pub(super) fn image(&self, id: ImageId, buffer: &mut Vec<u8>) -> bool {
        let size = self.shape.size();
        buffer.clear();
        buffer.resize(size, 0);
        let filled = match (id, &self.file, &self.log) {
            (ImageId::InFile(number), Some((file, _)), _) => {
                let Some(before) = number.checked_sub(1) else {
                    return false;
                };
                file.fill_at(buffer, u64::from(before) * size as u64)
            }
            (ImageId::InLog(index), _, Some(log)) => {
                let frame = (FRAME_HEADER_LEN + size) as u64;
                let at = (HEADER_LEN + FRAME_HEADER_LEN) as u64 + u64::from(index) * frame;
                log.fill_at(buffer, at)
            }
            (ImageId::InFile(_), None, _) | (ImageId::InLog(_), _, None) => Ok(0),
        };
        let filled = filled.unwrap_or(0);
        buffer.truncate(filled);
        filled > 0
    }

    /// The number of the page that an image shows.
    pub(super) fn page_of(&self, id: ImageId) -> u32 {
        match id {
            ImageId::InFile(number) => number,
            ImageId::InLog(index) => self.entry(index).map_or(0, |entry| entry.page),
        }
    }

    /// Whether the database reaches as far as this page: behind its end, a file that has not been
    /// cut yet has pages that were given back.
    pub(super) fn is_within(&self, page: u32) -> bool {
        self.pages.is_none_or(|pages| page <= pages)
    }

    /// The record in a cell of an image, put together in one of these ways; none if it is longer
    /// than the limit, in bytes, or not there.
    pub(super) fn record(
        &self,
        id: ImageId,
        cell: u16,
        choice: Choice,
        limit: u64,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut page = Vec::new();
        if !self.image(id, &mut page) {
            return Ok(None);
        }
        let parsed = BtreePage::parse(&page, self.shape, self.page_of(id));
        match parsed.and_then(|page| page.cell(usize::from(cell))) {
            Some(cell) => record_of(&cell, self.shape, &self.by(choice), limit),
            None => Ok(None),
        }
    }

    /// Reads pages by one of these ways.
    pub(super) fn by(&self, choice: Choice) -> Chosen<'_> {
        Chosen {
            images: self,
            choice,
        }
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        self.frames.get(index as usize)
    }

    fn newest_frame(&self, page: u32, fits: impl Fn(&Entry) -> bool) -> Option<ImageId> {
        let frames = self.of_page.get(&page)?.iter().rev();
        let mut fitting = frames.filter(|index| self.entry(**index).is_some_and(&fits));
        fitting.next().map(|index| ImageId::InLog(*index))
    }

    fn frame_for(&self, page: u32, choice: Choice) -> Option<ImageId> {
        let committed = |entry: &Entry| matches!(entry.rank, Rank::Committed(_));
        match choice {
            Choice::File => None,
            Choice::Newest => self.newest_frame(page, committed),
            Choice::Earlier => {
                self.newest_frame(page, |entry| matches!(entry.rank, Rank::Earlier(_)))
            }
            Choice::AsOf(index) => {
                let of = self.entry(index)?;
                let alike = |entry: &Entry| {
                    entry.end <= of.end
                        && std::mem::discriminant(&entry.rank) == std::mem::discriminant(&of.rank)
                };
                self.newest_frame(page, alike)
            }
        }
    }
}

/// Pages by their numbers, each in the image that was chosen.
pub(super) struct Chosen<'a> {
    images: &'a Images,
    choice: Choice,
}

impl ReadPage for Chosen<'_> {
    fn read_page(&self, number: u32, buffer: &mut Vec<u8>) -> io::Result<bool> {
        if let Some(frame) = self.images.frame_for(number, self.choice) {
            return Ok(self.images.image(frame, buffer));
        }
        if self.images.image(ImageId::InFile(number), buffer) {
            return Ok(true);
        }
        let newest = self.images.frame_for(number, Choice::Newest);
        Ok(newest.is_some_and(|frame| self.images.image(frame, buffer)))
    }
}

/// Frames that no commit ends are not the newest images of their pages.
fn end_without_commit(entries: &mut [Entry]) {
    for entry in entries {
        if let Rank::Committed(index) = entry.rank {
            entry.rank = Rank::Uncommitted(index);
        }
    }
}

fn rank(frame: &WalFrame, salts: [u32; 2], is_first: bool) -> Rank {
    let index = u32::try_from(frame.index).unwrap_or(u32::MAX);
    if !frame.continues_chain && !frame.continues_previous && !is_first {
        Rank::Doubtful(index)
    } else if frame.salts == salts {
        Rank::Committed(index)
    } else {
        Rank::Earlier(index)
    }
}

/// The log's header and whether it is whole. Of a damaged one, the page size and the order of bytes
/// are those by which most of the first frames follow each other.
fn log_header(log: &File, shape: Option<PageShape>) -> io::Result<Option<(WalHeader, bool)>> {
    if let Ok(header) = WalHeader::read(log)? {
        return Ok(Some((header, true)));
    }
    let sizes = match shape {
        Some(shape) => vec![u32::try_from(shape.size()).unwrap_or(MAX_PAGE_SIZE)],
        None => (9..=16).map(|power| 1 << power).collect(),
    };
    let mut best: Option<(usize, WalHeader)> = None;
    for header in sizes
        .into_iter()
        .flat_map(|size| [false, true].map(|big| WalHeader::assumed(size, big)))
    {
        let mut follow = 0;
        for frame in WalFrames::new(log, header).take(TRIED_FRAMES) {
            follow += usize::from(frame?.continues_previous);
        }
        if best.as_ref().is_none_or(|(most, _)| follow > *most) {
            best = Some((follow, header));
        }
    }
    let found = best.filter(|(follow, _)| *follow > 0 || shape.is_some());
    Ok(found.map(|(_, header)| (header, false)))
}
