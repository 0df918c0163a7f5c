//! The bytes of versions: frames put together from the images of their pages, decoded, and handed
//! out only if their SHA-256 is the one that was asked for.
//!
//! A row that points to a frame may be damaged, and so may a page of the frame. Each blob is tried
//! in all forms of its row and with all images of its pages, the newest first, a bounded number of
//! times. Memory: a frame, the bytes of a version and of its base, and a cache of 64 MiB.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;

use crate::blob;
use crate::model::digest::Digest;
use crate::model::frame::MAX_STEPS;
use crate::seal::{FramePlace, Keyring};
use crate::sqlite_file::record::SqlRecord;

use super::evidence::{Evidence, Form, Sight};
use super::images::{Choice, Images};
use super::rows::{BLOB_FRAME, BlobRow, DIFFERENCE_FRAME};

/// The largest version that is decoded, in bytes: the most that a server can be told to take.
pub(super) const MAX_CONTENT: u64 = 900 * 1024 * 1024;
/// How many bytes of decoded versions are kept at hand, since others are deltas to them.
const MAX_CACHED: usize = 64 * 1024 * 1024;
/// How many frames are decoded to find the bytes of one version.
const MAX_TRIES: u32 = 256;

/// Finds bytes.
pub(super) struct ContentSearch<'a> {
    images: &'a Images,
    evidence: &'a Evidence,
    /// The blobs whose digest begins so.
    by_digest: HashMap<u64, Vec<i64>>,
    /// What opens sealed frames, where it is known.
    ring: Option<&'a Keyring>,
    cache: VecDeque<(Digest, Arc<Vec<u8>>)>,
    /// Blobs that were tried in vain.
    lost: HashSet<Digest>,
}

/// How far a search has come.
struct Search {
    tries: u32,
    /// The size that a version's row tells, beside those in rows of blobs.
    size: Option<u64>,
}

/// Which bytes are looked for.
#[derive(Clone, Copy)]
struct Goal {
    /// Their SHA-256; none for bytes that another digest decides on.
    digest: Option<Digest>,
    /// How many deltas are between them and the version.
    step: u32,
}

impl Goal {
    /// Decodes a frame, and gives only the bytes that are looked for.
    fn try_to_decode(
        self,
        ring: Option<&Keyring>,
        frame: blob::Frame<'_>,
        base: Option<&[u8]>,
        search: &mut Search,
    ) -> Option<Vec<u8>> {
        search.tries += 1;
        let bytes = blob::decode_unverified(frame, base).ok()?;
        let sha256 = Digest::of(&bytes);
        let fits = |digest| sha256 == digest || named(ring, sha256) == Some(digest);
        let fits = self.digest.is_none_or(fits);
        fits.then_some(bytes)
    }
}

impl<'a> ContentSearch<'a> {
    pub(super) fn new(
        images: &'a Images,
        evidence: &'a Evidence,
        ring: Option<&'a Keyring>,
    ) -> Self {
        let mut by_digest: HashMap<u64, Vec<i64>> = HashMap::new();
        let blobs = evidence.blobs.iter();
        let rows = blobs.flat_map(|(id, forms)| forms.iter().map(move |form| (*id, form)));
        for (id, form) in rows {
            let ids = by_digest.entry(start_of(form.row.digest)).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Self {
            images,
            evidence,
            by_digest,
            ring,
            cache: VecDeque::new(),
            lost: HashSet::new(),
        }
    }

    /// The bytes with this SHA-256. A version's row may say in which blob they are and how many
    /// there are.
    pub(super) fn bytes(
        &mut self,
        sha256: Digest,
        blob: Option<i64>,
        size: Option<u64>,
    ) -> io::Result<Option<Arc<Vec<u8>>>> {
        let mut search = Search { tries: 0, size };
        self.search(sha256, blob, 0, &mut search)
    }

    /// The bytes of a blob under its own digest, where a version's row names another one that
    /// differs in a few bits: the row is damaged, and the bytes are those that were written.
    pub(super) fn bytes_nearly(
        &mut self,
        sha256: Digest,
        blob: i64,
    ) -> io::Result<Option<(Digest, Arc<Vec<u8>>)>> {
        let digests = self.forms(blob).iter().map(|form| form.row.digest);
        let near: Vec<Digest> = digests.filter(|digest| is_near(*digest, sha256)).collect();
        for digest in near {
            if let Some(bytes) = self.bytes(digest, Some(blob), None)? {
                return Ok(Some((digest, bytes)));
            }
        }
        Ok(None)
    }

    fn forms(&self, blob: i64) -> &'a [Form<BlobRow>] {
        self.evidence.blobs.get(&blob).map_or(&[], Vec::as_slice)
    }

    fn search(
        &mut self,
        sha256: Digest,
        blob: Option<i64>,
        step: u32,
        search: &mut Search,
    ) -> io::Result<Option<Arc<Vec<u8>>>> {
        if let Some((_, bytes)) = self.cache.iter().find(|(digest, _)| *digest == sha256) {
            return Ok(Some(Arc::clone(bytes)));
        }
        if self.lost.contains(&sha256) {
            return Ok(None);
        }
        let digests = [Some(sha256), named(self.ring, sha256)]
            .into_iter()
            .flatten();
        let by_digest = digests.filter_map(|digest| self.by_digest.get(&start_of(digest)));
        let mut ids: Vec<i64> = by_digest.flatten().copied().collect();
        ids.extend(blob.filter(|blob| !ids.contains(blob)));
        let goal = Goal {
            digest: Some(sha256),
            step,
        };
        let forms: Vec<&Form<BlobRow>> = ids.iter().flat_map(|id| self.forms(*id)).collect();
        for form in forms {
            if let Some(bytes) = self.decode(form, goal, search)? {
                let bytes = Arc::new(bytes);
                self.remember(sha256, &bytes);
                return Ok(Some(bytes));
            }
        }
        if step == 0 {
            self.lost.insert(sha256);
        }
        Ok(None)
    }

    /// What comes out of a blob in one form of its row.
    fn decode(
        &mut self,
        form: &Form<BlobRow>,
        goal: Goal,
        search: &mut Search,
    ) -> io::Result<Option<Vec<u8>>> {
        for (sight, choice) in self.ways(form) {
            if search.tries >= MAX_TRIES {
                return Ok(None);
            }
            let format = form.row.difference.map_or(blob::FULL, |_| blob::DELTA);
            let Some(frame) = self.frame(sight, choice, format)? else {
                continue;
            };
            let Some(frame) = self.opened(&form.row, format, frame) else {
                continue;
            };
            let is_told = |size: &u64| *size == form.row.size || Some(*size) == search.size;
            let size = blob::content_size(&frame).filter(|size| *size <= MAX_CONTENT);
            let Some(size) = size.filter(is_told) else {
                continue;
            };
            let frame = blob::Frame {
                format,
                size,
                bytes: &frame,
            };
            let bytes = if format == blob::DELTA {
                self.decode_delta(frame, form.row.base, goal, search)?
            } else {
                goal.try_to_decode(self.ring, frame, None, search)
            };
            if bytes.is_some() {
                return Ok(bytes);
            }
        }
        Ok(None)
    }

    /// A delta with each of the bytes that its base may have been.
    fn decode_delta(
        &mut self,
        frame: blob::Frame<'_>,
        base: Option<i64>,
        goal: Goal,
        search: &mut Search,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(base) = base.filter(|_| goal.step < MAX_STEPS) else {
            return Ok(None);
        };
        let step = goal.step + 1;
        for form in self.forms(base) {
            let proven = self.search(form.row.digest, Some(base), step, search)?;
            let bytes =
                proven.and_then(|base| goal.try_to_decode(self.ring, frame, Some(&base), search));
            if bytes.is_some() {
                return Ok(bytes);
            }
        }
        // The digest of the base may be what is damaged: the last digest decides.
        let any = Goal { digest: None, step };
        for form in self.forms(base) {
            let found = self.decode(form, any, search)?;
            let bytes =
                found.and_then(|base| goal.try_to_decode(self.ring, frame, Some(&base), search));
            if bytes.is_some() {
                return Ok(bytes);
            }
        }
        Ok(None)
    }

    /// The places where a blob's frame may be, each with the images to read it from.
    fn ways(&self, form: &Form<BlobRow>) -> Vec<(Sight, Choice)> {
        let sights: Vec<Sight> = match form.row.difference {
            None => vec![form.sight],
            Some(id) => {
                let deltas = self.evidence.differences.get(&id).into_iter().flatten();
                deltas.map(|delta| delta.sight).collect()
            }
        };
        let choices = |sight: &Sight| {
            let sight = *sight;
            sight.image.choices().map(|choice| (sight, choice))
        };
        sights.iter().flat_map(choices).collect()
    }

    /// A frame, put together from the images that were chosen.
    fn frame(&self, sight: Sight, choice: Choice, format: u32) -> io::Result<Option<Vec<u8>>> {
        let column = if format == blob::DELTA {
            DIFFERENCE_FRAME
        } else {
            BLOB_FRAME
        };
        let record = self
            .images
            .record(sight.image, sight.cell, choice, MAX_CONTENT)?;
        let Some(bytes) = record else {
            return Ok(None);
        };
        let record = SqlRecord::parse(&bytes, bytes.len() as u64);
        let frame = record.and_then(|record| record.value(column)?.blob());
        Ok(frame.map(<[u8]>::to_vec))
    }

    /// A frame that can be decoded, if it need not be opened or can be.
    fn opened(&self, row: &BlobRow, format: u32, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some(number) = row.seal else {
            return Some(frame);
        };
        let at = FramePlace {
            digest: row.digest,
            format,
            size: row.size,
        };
        self.ring?.open_frame(number, at, frame).ok()
    }

    fn remember(&mut self, sha256: Digest, bytes: &Arc<Vec<u8>>) {
        self.cache.push_front((sha256, Arc::clone(bytes)));
        let mut sum = 0_usize;
        self.cache.retain(|(_, bytes)| {
            sum = sum.saturating_add(bytes.len());
            sum <= MAX_CACHED
        });
    }
}

/// By what sealed bytes with this SHA-256 are known.
fn named(ring: Option<&Keyring>, sha256: Digest) -> Option<Digest> {
    ring.map(|ring| ring.names().digest(sha256))
}

/// The first eight bytes, which tell nearly all digests apart.
fn start_of(digest: Digest) -> u64 {
    let start = digest.as_bytes().first_chunk::<8>();
    start.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The most bits in which a digest may differ from another one that it was: a damaged byte.
const NEAR: u32 = 8;

fn is_near(one: Digest, other: Digest) -> bool {
    let bits = one.as_bytes().iter().zip(other.as_bytes());
    bits.map(|(one, other)| (one ^ other).count_ones())
        .sum::<u32>()
        <= NEAR
}
