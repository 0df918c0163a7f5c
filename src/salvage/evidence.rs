//! What the rows in all images say: which states, versions and blobs there are, and in which image
//! each row is.
//!
//! A row may be found in many images, in forms that contradict each other. All of them are kept,
//! each once, with the rank of its newest image. Memory: some hundred bytes a row, and no content.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

use crate::model::name::StateName;
use crate::sqlite_file::overflow::record_of;
use crate::sqlite_file::page::{BtreeCell, BtreePage};
use crate::sqlite_file::record::SqlRecord;

use super::images::{Image, ImageId, Images, Rank};
use super::rows::{self, BlobRow, StateRow, VersionKey};

/// The longest row of a version that is read, in bytes: its texts are bounded by the server.
pub(super) const MAX_ROW: u64 = 1024 * 1024;
/// The most forms of one row that are kept: the newest ones.
const MAX_FORMS: usize = 8;

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) image: ImageId,
    pub(super) cell: u16,
    pub(super) rank: Rank,
}

/// A row in one of its forms, and its newest place.
#[derive(Clone, Debug)]
pub(super) struct Form<T> {
    pub(super) row: T,
    pub(super) sight: Sight,
    /// Of the bytes of the row that are in its page: two blobs may differ in their frames alone.
    local: u64,
}

/// All rows that were found.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) states: BTreeMap<i64, Vec<Form<StateRow>>>,
    /// Names by the index of states.
    pub(super) names: BTreeMap<i64, Vec<Form<StateName>>>,
    /// States that have left for a storage elsewhere.
    pub(super) transfers: BTreeMap<i64, Vec<Form<String>>>,
    pub(super) versions: BTreeMap<(i64, u64), Vec<Form<VersionKey>>>,
    /// Blobs, each with a state and a number, by the index of versions.
    pub(super) entries: BTreeSet<(i64, i64, u64)>,
    pub(super) blobs: HashMap<i64, Vec<Form<BlobRow>>>,
    pub(super) differences: HashMap<i64, Vec<Form<()>>>,
    /// The names that events tell.
    pub(super) told: HashSet<StateName>,
    /// The newest image of each page that can be trusted.
    newest: HashMap<u32, Rank>,
    /// How many pages and frames hold rows of states' histories.
    pub(super) images_with_rows: u64,
    /// How many pages the disk does not give.
    pub(super) unreadable: u64,
}

impl Evidence {
    /// Reads all pages of the file, and all frames of the log.
    pub(super) fn collect(images: &Images) -> io::Result<(Self, Self)> {
        let (mut of_file, mut of_log) = (Self::default(), Self::default());
        of_file.unreadable = images.each_in_file(|image| of_file.image(images, image))?;
        images.each_in_log(|image| of_log.image(images, image))?;
        Ok((of_file, of_log))
    }

    /// Takes in what was found elsewhere of the same data.
    pub(super) fn merge(&mut self, other: Self) {
        merge(&mut self.states, other.states);
        merge(&mut self.names, other.names);
        merge(&mut self.transfers, other.transfers);
        merge(&mut self.versions, other.versions);
        for (id, forms) in other.blobs {
            merge_forms(self.blobs.entry(id).or_default(), forms);
        }
        for (id, forms) in other.differences {
            merge_forms(self.differences.entry(id).or_default(), forms);
        }
        self.entries.extend(other.entries);
        self.told.extend(other.told);
        for (page, rank) in other.newest {
            let newest = self.newest.entry(page).or_insert(rank);
            *newest = rank.max(*newest);
        }
        self.images_with_rows += other.images_with_rows;
        self.unreadable += other.unreadable;
    }

    fn image(&mut self, images: &Images, image: Image<'_>) -> io::Result<()> {
        let (number, rank) = (image.page, image.rank);
        let page = BtreePage::parse(image.bytes, images.shape, number);
        // A page of the file may be damaged, and then it replaces no other; what a checksum covers
        // is as SQLite wrote it, whatever it is.
        let replaces = match rank {
            Rank::Committed(_) => true,
            Rank::InFile => page.is_some_and(|page| page.is_sound() || page.cells() == 0),
            Rank::Doubtful(_) | Rank::Earlier(_) | Rank::Uncommitted(_) => false,
        };
        if replaces {
            let newest = self.newest.entry(number).or_insert(rank);
            *newest = rank.max(*newest);
        }
        let Some(page) = page else {
            return Ok(());
        };
        let mut any = false;
        for index in 0..page.cells() {
            let (Some(cell), Ok(index)) = (page.cell(index), u16::try_from(index)) else {
                continue;
            };
            let sight = Sight {
                image: image.id,
                cell: index,
                rank,
            };
            any |= self.cell(images, &cell, sight)?;
        }
        self.images_with_rows += u64::from(any);
        Ok(())
    }

    /// Takes a cell, and says whether it is a row that was looked for.
    fn cell(&mut self, images: &Images, cell: &BtreeCell<'_>, sight: Sight) -> io::Result<bool> {
        let local = hash_of(cell);
        if let Some(record) = SqlRecord::parse(cell.local, cell.len)
            && self.record(cell.rowid, &record, (sight, local))
        {
            return Ok(true);
        }
        // A version's row may be longer than what its page has of it.
        if cell.rowid.is_some() || cell.overflow.is_none() {
            return Ok(false);
        }
        for choice in sight.image.choices() {
            let whole = record_of(cell, images.shape, &images.by(choice), MAX_ROW)?;
            let record = whole
                .as_deref()
                .and_then(|bytes| SqlRecord::parse(bytes, cell.len));
            if record.is_some_and(|record| self.record(None, &record, (sight, local))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn record(
        &mut self,
        rowid: Option<i64>,
        record: &SqlRecord<'_>,
        (sight, local): (Sight, u64),
    ) -> bool {
        if let Some(row) = rows::version_key(rowid, record) {
            let key = (row.state, row.number);
            note(self.versions.entry(key).or_default(), row, sight, 0);
        } else if let Some(row) = rows::blob(rowid, record) {
            note(self.blobs.entry(row.id).or_default(), row, sight, local);
        } else if let Some(row) = rows::state(rowid, record) {
            note(self.states.entry(row.id).or_default(), row, sight, 0);
        } else if let Some(id) = rows::difference(rowid, record) {
            note(self.differences.entry(id).or_default(), (), sight, local);
        } else if let Some(entry) = rows::version_entry(rowid, record) {
            self.entries.insert(entry);
        } else if let Some((name, id)) = rows::name_entry(rowid, record) {
            note(self.names.entry(id).or_default(), name, sight, 0);
        } else if let Some((id, target)) = rows::transfer(rowid, record) {
            note(self.transfers.entry(id).or_default(), target, sight, 0);
        } else if let Some(name) = rows::event_name(rowid, record) {
            self.told.insert(name);
        } else {
            return false;
        }
        true
    }

    /// Whether a row is in the newest image of its page: it was there at the end.
    pub(super) fn is_live(&self, images: &Images, sight: Sight) -> bool {
        let page = images.page_of(sight.image);
        let newest = self.newest.get(&page);
        sight.rank.is_of_database()
            && images.is_within(page)
            && newest.is_none_or(|newest| sight.rank >= *newest)
    }

    /// Whether a log is another server's: most of what both know, they know differently. Versions
    /// and the time of a state's first write never change.
    pub(super) fn contradicts(&self, log: &Self) -> bool {
        let (mut agree, mut differ) = (0_u64, 0_u64);
        let mut compare = |same: bool| {
            if same {
                agree += 1;
            } else {
                differ += 1;
            }
        };
        for (key, forms) in &log.versions {
            for here in self.versions.get(key).into_iter().flatten() {
                compare(
                    forms
                        .iter()
                        .any(|there| there.row.sha256 == here.row.sha256),
                );
            }
        }
        for (id, forms) in &log.states {
            for here in self.states.get(id).into_iter().flatten() {
                let at = here.row.created_at;
                compare(forms.iter().any(|there| there.row.created_at == at));
            }
        }
        differ > agree
    }
}

fn merge<K: Ord, T: PartialEq>(
    into: &mut BTreeMap<K, Vec<Form<T>>>,
    from: BTreeMap<K, Vec<Form<T>>>,
) {
    for (key, forms) in from {
        merge_forms(into.entry(key).or_default(), forms);
    }
}

fn merge_forms<T: PartialEq>(into: &mut Vec<Form<T>>, from: Vec<Form<T>>) {
    for Form { row, sight, local } in from {
        note(into, row, sight, local);
    }
}

/// Keeps a row in a form that is new, or the newer place of one that is known.
fn note<T: PartialEq>(forms: &mut Vec<Form<T>>, row: T, sight: Sight, local: u64) {
    let same = forms
        .iter_mut()
        .find(|form| form.row == row && form.local == local);
    match same {
        Some(form) if form.sight.rank < sight.rank => form.sight = sight,
        Some(_) => return,
        None => forms.push(Form { row, sight, local }),
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.sight.rank));
    forms.truncate(MAX_FORMS);
}

fn hash_of(cell: &BtreeCell<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (cell.local, cell.overflow).hash(&mut hasher);
    hasher.finish()
}
