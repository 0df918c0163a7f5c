//! Which table a row is of, told by its shape alone: the number, types and values of its columns.
//!
//! Later schemas append columns, so a row is recognised by the columns that it had in the first
//! one. `migrations/` has the tables; each function here names the one that it recognises.

use uuid::Uuid;

use crate::model::actor::Actor;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::frame::format_of;
use crate::model::name::StateName;
use crate::model::terraform::tfstate::StateHead;
use crate::model::version::{ChangeCounts, Hold, LockNote, Version, VersionKind};
use crate::seal;
use crate::sqlite_file::record::{SqlRecord, SqlValue};

/// The first bytes of each frame of zstd.
const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The highest time that is taken for one, in milliseconds since 1970: the end of the year 9999.
const MAX_TIME: i64 = 253_402_300_799_999;

/// A row of `states`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateRow {
    pub(super) id: i64,
    pub(super) name: StateName,
    pub(super) current: Option<u64>,
    /// No version has had a higher number.
    pub(super) last_number: u64,
    pub(super) created_at: i64,
    pub(super) deleted_at: Option<i64>,
}

/// What stands of a row of `versions` in memory; the others are read again when they are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VersionKey {
    pub(super) state: i64,
    pub(super) number: u64,
    /// None after a purge.
    pub(super) blob: Option<i64>,
    pub(super) sha256: Digest,
    pub(super) size: u64,
}

/// A row of `blobs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlobRow {
    pub(super) id: i64,
    pub(super) digest: Digest,
    pub(super) base: Option<i64>,
    pub(super) size: u64,
    /// The row of `differences` that holds its frame; none where this row does.
    pub(super) difference: Option<i64>,
    /// The number of the data key that has sealed the frame, if one has.
    pub(super) seal: Option<u32>,
}

/// The column of `blobs` with the frame.
pub(super) const BLOB_FRAME: usize = 7;
/// The column of `differences` with the frame.
pub(super) const DIFFERENCE_FRAME: usize = 1;

fn integer(record: &SqlRecord<'_>, column: usize) -> Option<i64> {
    record.value(column)?.integer()
}

fn unsigned(record: &SqlRecord<'_>, column: usize) -> Option<u64> {
    u64::try_from(integer(record, column)?).ok()
}

/// A column is neither NULL nor what it is read as.
struct Unfit;

/// What a column is read as, or none for NULL.
fn or_null<T>(
    record: &SqlRecord<'_>,
    column: usize,
    read: impl Fn(&SqlRecord<'_>, usize) -> Option<T>,
) -> Result<Option<T>, Unfit> {
    if is_null(record, column) {
        return Ok(None);
    }
    read(record, column).map(Some).ok_or(Unfit)
}

fn maybe_integer(record: &SqlRecord<'_>, column: usize) -> Result<Option<i64>, Unfit> {
    or_null(record, column, integer)
}

fn maybe_unsigned(record: &SqlRecord<'_>, column: usize) -> Result<Option<u64>, Unfit> {
    or_null(record, column, unsigned)
}

fn text(record: &SqlRecord<'_>, column: usize) -> Option<String> {
    record.value(column)?.text().map(str::to_owned)
}

fn maybe_text(record: &SqlRecord<'_>, column: usize) -> Result<Option<String>, Unfit> {
    or_null(record, column, text)
}

/// Text of a column of type ANY: a UUID takes 16 bytes there.
fn any_text(record: &SqlRecord<'_>, column: usize) -> Option<String> {
    let value = record.value(column)?;
    match value.blob() {
        Some(bytes) => Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string()),
        None => value.text().map(str::to_owned),
    }
}

fn time(record: &SqlRecord<'_>, column: usize) -> Option<i64> {
    integer(record, column).filter(|at| (0..=MAX_TIME).contains(at))
}

fn maybe_time(record: &SqlRecord<'_>, column: usize) -> Result<Option<i64>, Unfit> {
    or_null(record, column, time)
}

fn digest(record: &SqlRecord<'_>, column: usize) -> Option<Digest> {
    let bytes = record.value(column)?.blob()?;
    bytes.try_into().ok().map(Digest::from_bytes)
}

fn name(record: &SqlRecord<'_>, column: usize) -> Option<StateName> {
    let (workspace, block) = (
        record.value(column)?.text()?,
        record.value(column + 1)?.text()?,
    );
    let name = StateName::parse(workspace, block).ok()?;
    // Names are kept as they are parsed; any other spelling is damage.
    (name.workspace.as_str() == workspace && name.block.as_str() == block).then_some(name)
}

fn is_null(record: &SqlRecord<'_>, column: usize) -> bool {
    record.value(column) == Some(SqlValue::Null)
}

/// A row of `states`.
pub(super) fn state(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<StateRow> {
    if record.columns() < 9 || !is_null(record, 0) {
        return None;
    }
    let (created_at, _) = (time(record, 6)?, time(record, 7)?);
    unsigned(record, 5)?;
    Some(StateRow {
        id: rowid?,
        name: name(record, 1)?,
        current: maybe_unsigned(record, 3).ok()?,
        last_number: unsigned(record, 4)?,
        created_at,
        deleted_at: maybe_time(record, 8).ok()?,
    })
}

/// An entry of the index of `states` by their names: the name, and the state's id.
pub(super) fn name_entry(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<(StateName, i64)> {
    let is_one = rowid.is_none() && record.columns() == 3;
    is_one
        .then(|| Some((name(record, 0)?, integer(record, 2)?)))
        .flatten()
}

/// The state that a row of `events` is about.
pub(super) fn event_name(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<StateName> {
    let is_one = rowid.is_some() && record.columns() >= 16 && is_null(record, 0);
    time(record, 1).filter(|_| is_one)?;
    record.value(2)?.text()?;
    name(record, 7)
}

/// A row of `transfers` whose state has left: the state's id and where it is.
pub(super) fn transfer(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<(i64, String)> {
    if record.columns() < 7 || !is_null(record, 0) {
        return None;
    }
    let (target, _lock) = (text(record, 1)?, text(record, 2)?);
    let (_begun, _by) = (time(record, 3)?, any_text(record, 4)?);
    text(record, 5)?;
    time(record, 6)?;
    Some((rowid?, target))
}

/// A row of `blobs`.
pub(super) fn blob(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<BlobRow> {
    if record.columns() < 8 || !is_null(record, 0) {
        return None;
    }
    let row = BlobRow {
        id: rowid?,
        digest: digest(record, 1)?,
        base: maybe_integer(record, 3).ok()?,
        size: unsigned(record, 4)?,
        difference: maybe_integer(record, 6).ok()?,
        seal: format_of(integer(record, 2)?)?.1,
    };
    unsigned(record, 5)?;
    let is_full = record.blob_span(BLOB_FRAME).is_some();
    (is_full != row.difference.is_some()).then_some(row)
}

/// A row of `differences`: its id.
pub(super) fn difference(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<i64> {
    let is_one = (2..=3).contains(&record.columns()) && is_null(record, 0);
    let (offset, _) = record.blob_span(DIFFERENCE_FRAME).filter(|_| is_one)?;
    let frame = record.bytes_from(offset);
    let is_frame = frame.starts_with(&FRAME_MAGIC) || seal::is_piece(frame);
    is_frame.then_some(rowid?)
}

/// A row of `versions`, as far as it is kept in memory.
pub(super) fn version_key(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<VersionKey> {
    if rowid.is_some() || record.columns() < 29 {
        return None;
    }
    let (kind, rejection) = (text(record, 14)?, maybe_text(record, 15).ok()?);
    VersionKind::parse(&kind, rejection.as_deref())?;
    time(record, 18)?;
    Some(VersionKey {
        state: integer(record, 0)?,
        number: unsigned(record, 1).filter(|number| *number > 0)?,
        blob: maybe_integer(record, 2).ok()?,
        sha256: digest(record, 3)?,
        size: unsigned(record, 4)?,
    })
}

/// An entry of the index of `versions` by their blobs: the blob, the state's id and the number.
pub(super) fn version_entry(rowid: Option<i64>, record: &SqlRecord<'_>) -> Option<(i64, i64, u64)> {
    if rowid.is_some() || record.columns() != 3 {
        return None;
    }
    let (blob, state) = (integer(record, 0)?, integer(record, 1)?);
    let number = unsigned(record, 2).filter(|number| *number > 0)?;
    Some((blob, state, number))
}

/// The whole row, as the API shows it. It is shown as current if the state says so.
pub(super) fn version(record: &SqlRecord<'_>, current: Option<u64>) -> Option<Version> {
    let key = version_key(None, record)?;
    let (kind, rejection) = (text(record, 14)?, maybe_text(record, 15).ok()?);
    let is_current = current == Some(key.number);
    Some(Version {
        number: key.number,
        sha256: key.sha256,
        size: key.size,
        head: StateHead {
            format: maybe_integer(record, 5).ok()?,
            serial: integer(record, 6)?.cast_unsigned(),
            lineage: any_text(record, 7)?,
            terraform_version: maybe_text(record, 8).ok()?,
            resources: maybe_unsigned(record, 9).ok()?,
            encrypted: integer(record, 13)? == 1,
        },
        counts: counts(record),
        kind: VersionKind::parse(&kind, rejection.as_deref())?,
        intermediate: integer(record, 16)? == 1 && !is_current,
        from_version: maybe_unsigned(record, 17).ok()?,
        created_at: Timestamp::from_millis(time(record, 18)?),
        created_by: Actor {
            id: any_text(record, 19)?,
            name: text(record, 20)?,
        },
        address: text(record, 21)?,
        lock: lock(record),
        current: is_current,
        purged: key.blob.is_none(),
        held: hold(record),
    })
}

fn counts(record: &SqlRecord<'_>) -> Option<ChangeCounts> {
    Some(ChangeCounts {
        added: unsigned(record, 10)?,
        changed: unsigned(record, 11)?,
        removed: unsigned(record, 12)?,
    })
}

fn lock(record: &SqlRecord<'_>) -> Option<LockNote> {
    Some(LockNote {
        id: any_text(record, 22)?,
        operation: text(record, 23)?,
        who: text(record, 24)?,
    })
}

fn hold(record: &SqlRecord<'_>) -> Option<Hold> {
    Some(Hold {
        at: Timestamp::from_millis(time(record, 25)?),
        by: Actor {
            id: text(record, 26)?,
            name: text(record, 27)?,
        },
        reason: text(record, 28)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_record_is_looked_at_without_a_panic(
            types in proptest::collection::vec(0_u8..70, 0..35),
            content in proptest::collection::vec(any::<u8>(), 0..800),
            rowid in any::<Option<i64>>(),
        ) {
            let header = [&[u8::try_from(types.len() + 1).unwrap()], &types[..]].concat();
            let bytes = [header, content].concat();
            for len in 0..bytes.len() as u64 {
                if let Some(record) = SqlRecord::parse(&bytes, len) {
                    let _ = (state(rowid, &record), name_entry(rowid, &record));
                    let _ = (event_name(rowid, &record), transfer(rowid, &record));
                    let _ = (blob(rowid, &record), difference(rowid, &record));
                    let _ = (version_key(rowid, &record), version(&record, None));
                    let _ = version_entry(rowid, &record);
                }
            }
        }
    }
}
