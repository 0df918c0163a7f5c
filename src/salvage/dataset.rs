//! The data of one server, as far as it was found: states with their versions, and bytes that only
//! a hash is known of.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::Arc;

use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::version::Version;
use crate::seal::Keyring;
use crate::sqlite_file::record::SqlRecord;

use super::content::ContentSearch;
use super::evidence::{Evidence, Form, MAX_ROW, Sight};
use super::images::Images;
use super::listing;
use super::naming;
use super::rows::{self, VersionKey};

/// The data of one server.
pub struct Dataset {
    images: Images,
    evidence: Evidence,
    ring: Option<Keyring>,
    /// The states' ids and the numbers that rows say which are of other versions.
    misplaced: BTreeSet<(i64, u64)>,
}

/// A state that was found.
#[derive(Clone, Debug)]
pub struct FoundState {
    /// The row's id in the database.
    pub id: i64,
    /// Its name; none if no row tells it, or rows contradict each other.
    pub name: Option<StateName>,
    /// Since when it is hidden, if it is.
    pub deleted_at: Option<Timestamp>,
    /// The storage elsewhere that it has left for, if that is why it is hidden.
    pub transferred_to: Option<String>,
    /// Whether its own row was found. Otherwise it is not known whether it was deleted.
    pub has_row: bool,
    /// The numbers of its versions that were found, rising.
    pub numbers: Vec<u64>,
    /// The number of its current version, as its row tells it.
    pub current: Option<u64>,
    /// Whether that row is in the newest image of its page.
    pub is_live: bool,
}

/// What was found of a version.
#[derive(Clone, Debug)]
pub enum FoundVersion {
    /// Its bytes, with its row.
    Whole(Box<Version>, FoundBytes),
    /// Its row alone, because its content had been removed.
    Purged(Box<Version>),
    /// Its row alone; the bytes with this SHA-256 were not found.
    Missing(Option<Box<Version>>, Digest),
    /// The same, of a row that the database does not have any more: it may have been pruned.
    Gone,
}

/// Bytes whose SHA-256 is one that a row names.
#[derive(Clone, Debug)]
pub struct FoundBytes {
    /// The SHA-256.
    pub sha256: Digest,
    /// The bytes.
    pub bytes: Arc<Vec<u8>>,
}

/// Reads what was found, one version at a time.
pub struct Reader<'a> {
    dataset: &'a Dataset,
    content: ContentSearch<'a>,
    /// The blobs of which a version was found.
    used: HashSet<i64>,
    /// The hashes that were handed out, and those of content that had been removed.
    done: HashSet<Digest>,
}

impl Dataset {
    pub(super) fn new(images: Images, mut evidence: Evidence) -> Self {
        let misplaced = listing::take_out_misplaced(&mut evidence);
        Self {
            images,
            evidence,
            ring: None,
            misplaced,
        }
    }

    /// Opens sealed content by these keys.
    pub fn open_with(&mut self, ring: Option<Keyring>) {
        self.ring = ring;
    }

    /// Whether some content is sealed, and no key is there that could open it.
    pub fn is_locked(&self) -> bool {
        let forms = self.evidence.blobs.values().flatten();
        self.ring.is_none() && forms.map(|form| form.row.seal).any(|seal| seal.is_some())
    }

    /// How many pages and frames hold rows that were recognised.
    pub fn images_with_rows(&self) -> u64 {
        self.evidence.images_with_rows
    }

    /// How many pages the disk did not give.
    pub fn unreadable(&self) -> u64 {
        self.evidence.unreadable
    }

    /// The states, those with a name first, by name; and what is in doubt about names and numbers.
    pub fn states(&self) -> (Vec<FoundState>, Vec<String>) {
        let names = naming::names(&self.images, &self.evidence);
        let mut numbers: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (state, number) in self.evidence.versions.keys() {
            numbers.entry(*state).or_default().push(*number);
        }
        let ids = self.evidence.states.keys().chain(names.of.keys());
        let ids: BTreeSet<i64> = ids.chain(numbers.keys()).copied().collect();
        let found = ids.into_iter().map(|id| FoundState {
            name: names.of.get(&id).cloned(),
            numbers: numbers.remove(&id).unwrap_or_default(),
            ..self.state(id)
        });
        let mut found: Vec<FoundState> = found.collect();
        found.sort_by_key(|state| (state.name.is_none(), state.name.clone()));
        let mut doubts = names.doubts;
        doubts.extend(self.misplaced.iter().map(|(state, number)| {
            let name = names.of.get(state).map(StateName::to_string);
            let name = name.unwrap_or_else(|| "a state without a name".to_owned());
            format!(
                "a row is that of version {number} of {name}, and an index contradicts it: \
                    its bytes come without a name"
            )
        }));
        (found, doubts)
    }

    fn state(&self, id: i64) -> FoundState {
        let row = self
            .evidence
            .states
            .get(&id)
            .and_then(|forms| forms.first());
        let deleted_at = row.and_then(|form| form.row.deleted_at);
        let target = self.evidence.transfers.get(&id);
        let target = target.and_then(|forms| forms.first());
        let target = target.filter(|form| self.is_live(form.sight) && deleted_at.is_some());
        FoundState {
            id,
            name: None,
            deleted_at: deleted_at.map(Timestamp::from_millis),
            transferred_to: target.map(|form| form.row.clone()),
            has_row: row.is_some(),
            numbers: Vec::new(),
            current: row.and_then(|form| form.row.current),
            is_live: row.is_some_and(|form| self.is_live(form.sight)),
        }
    }

    fn is_live(&self, sight: Sight) -> bool {
        self.evidence.is_live(&self.images, sight)
    }

    /// Begins to read the bytes.
    pub fn reader(&self) -> Reader<'_> {
        let purged = self.evidence.versions.values().filter_map(|forms| {
            let newest = forms.first().filter(|form| form.row.blob.is_none())?;
            Some(newest.row.sha256)
        });
        Reader {
            content: ContentSearch::new(&self.images, &self.evidence, self.ring.as_ref()),
            used: HashSet::new(),
            done: purged.collect(),
            dataset: self,
        }
    }

    /// A version's row, read again.
    fn version(
        &self,
        form: &Form<VersionKey>,
        current: Option<u64>,
    ) -> io::Result<Option<Box<Version>>> {
        let Sight { image, cell, .. } = form.sight;
        for choice in image.choices() {
            let bytes = self.images.record(image, cell, choice, MAX_ROW)?;
            let record = bytes
                .as_deref()
                .and_then(|bytes| SqlRecord::parse(bytes, bytes.len() as u64));
            if let Some(version) = record.and_then(|record| rows::version(&record, current)) {
                return Ok(Some(Box::new(version)));
            }
        }
        Ok(None)
    }
}

impl Reader<'_> {
    /// What is there of a version of a state.
    pub fn version(&mut self, state: &FoundState, number: u64) -> io::Result<FoundVersion> {
        let dataset = self.dataset;
        let forms = dataset.evidence.versions.get(&(state.id, number));
        let forms = forms.map_or(&[][..], Vec::as_slice);
        let Some(newest) = forms.first() else {
            return Ok(FoundVersion::Gone);
        };
        let current = state.current;
        let whole = |form| dataset.version(form, current);
        if newest.row.blob.is_none() && dataset.is_live(newest.sight) {
            return Ok(match whole(newest)? {
                Some(version) => FoundVersion::Purged(version),
                None => FoundVersion::Gone,
            });
        }
        for form in forms {
            let (Some(blob), Some(mut version)) = (form.row.blob, whole(form)?) else {
                continue;
            };
            if let Some(found) = self.bytes_of(&form.row, blob)? {
                self.used.insert(blob);
                self.done.insert(found.sha256);
                (version.sha256, version.size) = (found.sha256, found.bytes.len() as u64);
                return Ok(FoundVersion::Whole(version, found));
            }
        }
        if dataset.is_live(newest.sight) {
            self.used.extend(newest.row.blob);
            return Ok(FoundVersion::Missing(whole(newest)?, newest.row.sha256));
        }
        Ok(FoundVersion::Gone)
    }

    fn bytes_of(&mut self, row: &VersionKey, blob: i64) -> io::Result<Option<FoundBytes>> {
        let found = self.content.bytes(row.sha256, Some(blob), Some(row.size))?;
        if let Some(bytes) = found {
            return Ok(Some(FoundBytes {
                sha256: row.sha256,
                bytes,
            }));
        }
        let near = self.content.bytes_nearly(row.sha256, blob)?;
        Ok(near.map(|(sha256, bytes)| FoundBytes { sha256, bytes }))
    }

    /// Hands out all bytes whose hash a row names and that no version above had, and says how many
    /// blobs the database has whose bytes were not found.
    pub fn others(
        &mut self,
        mut take: impl FnMut(FoundBytes) -> io::Result<()>,
    ) -> io::Result<u64> {
        let dataset = self.dataset;
        let mut missing = 0;
        let mut ids: Vec<i64> = dataset.evidence.blobs.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let forms = dataset.evidence.blobs.get(&id).into_iter().flatten();
            let (mut any, mut live) = (self.used.contains(&id), false);
            for form in forms {
                any |= self.other(id, form.row.digest, &mut take)?;
                live |= dataset.is_live(form.sight);
            }
            missing += u64::from(live && !any);
        }
        Ok(missing)
    }

    /// Hands out the bytes of a blob with this hash unless it is done, and says whether it is now.
    fn other(
        &mut self,
        blob: i64,
        sha256: Digest,
        take: &mut impl FnMut(FoundBytes) -> io::Result<()>,
    ) -> io::Result<bool> {
        if self.done.contains(&sha256) {
            return Ok(true);
        }
        let Some(bytes) = self.content.bytes(sha256, Some(blob), None)? else {
            return Ok(false);
        };
        // A sealed blob is known by another digest.
        let (known_by, sha256) = (sha256, Digest::of(&bytes));
        self.done.insert(known_by);
        if !self.done.insert(sha256) && known_by != sha256 {
            return Ok(true);
        }
        take(FoundBytes { sha256, bytes })?;
        Ok(true)
    }
}
