//! A backup that a server has sent, or that somebody brings: whether it is whole, and which name a
//! folder of backups has for it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::domain::backups::archive;
use crate::domain::backups::manifest::{BackupManifest, BadBackup};
use crate::model::clock::Timestamp;
use crate::model::signed_head::SignedHead;

/// How the names of backups in a folder begin and end.
const BEGIN: &str = "statekeep-";
const END: &str = ".tar.zst";

/// Reads a backup to its end and compares all that it holds with its manifest.
pub fn check(from: impl Read) -> Result<BackupManifest, BadBackup> {
    archive::read(from, None, &mut |_| Ok(()), &mut || Ok(()))
}

/// The same for a file, as it lies on its disk.
pub fn check_file(file: &File) -> Result<BackupManifest, BadBackup> {
    archive::check(file, &mut || Ok(()))
}

/// The name that a folder of backups has for one: which data, and the moment that it holds.
pub fn dated_name(manifest: &BackupManifest) -> String {
    let moment = manifest.taken_at.replace(['-', ':'], "");
    format!("{BEGIN}{}-{moment}{END}", manifest.instance)
}

/// The moment that the backup of a name holds, if it is one of this data.
fn moment(name: &str, instance: Uuid) -> Option<Timestamp> {
    let moment = name
        .strip_prefix(BEGIN)?
        .strip_prefix(&instance.to_string())?
        .strip_prefix('-')?
        .strip_suffix(END)?;
    // 20260102T030405.678Z
    let (date, time) = moment.split_once('T')?;
    let part = |text: &str, range: std::ops::Range<usize>| text.get(range).map(str::to_owned);
    Timestamp::parse(&format!(
        "{}-{}-{}T{}:{}:{}",
        part(date, 0..4)?,
        part(date, 4..6)?,
        date.get(6..)?,
        part(time, 0..2)?,
        part(time, 2..4)?,
        time.get(4..)?
    ))
}

/// The backups of this data in a folder, the newest first.
pub fn kept(folder: &Path, instance: Uuid) -> std::io::Result<Vec<(Timestamp, PathBuf)>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let found = name.to_str().and_then(|name| moment(name, instance));
        if let Some(at) = found.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            kept.push((at, entry.path()));
        }
    }
    kept.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(kept)
}

/// The head of the event log that the newest backup of this data in a folder says, if it says one.
/// Nothing but its manifest is read.
pub(in crate::domain) fn noted_head(folder: &Path, instance: Uuid) -> Option<SignedHead> {
    let (_, newest) = kept(folder, instance).ok()?.into_iter().next()?;
    let mut head = None;
    let mut note = |manifest: &BackupManifest| {
        let noted = manifest.event_head.as_ref();
        head = noted.and_then(|noted| noted.signed.clone());
        // The rest is of no use here.
        Err(BadBackup::CutOff)
    };
    let file = File::open(newest).ok()?;
    let _ = archive::read(file, None, &mut note, &mut || Ok(()));
    head
}

/// Removes the oldest backups of this data in a folder, and says which. Files of others, or of
/// other names, are left alone. So are those of a later moment than the one that was just made: a
/// clock was ahead, and if they counted, what was just made would be the oldest.
pub fn prune(
    folder: &Path,
    instance: Uuid,
    keep: usize,
    just_made: &Path,
) -> std::io::Result<Vec<PathBuf>> {
    let name = just_made.file_name().and_then(|name| name.to_str());
    let now = name.and_then(|name| moment(name, instance));
    let is_dated_right = |(at, _): &(Timestamp, PathBuf)| now.is_none_or(|now| *at <= now);
    let kept = kept(folder, instance)?.into_iter();
    let old = kept.filter(is_dated_right).skip(keep);
    old.map(|(_, path)| fs::remove_file(&path).map(|()| path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_this_data_go_and_nothing_else() {
        let (ours, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let folder = tempfile::tempdir().unwrap();
        let name = |of: Uuid, day: u8| format!("statekeep-{of}-2026010{day}T030405.678Z.tar.zst");
        let names = [
            name(ours, 3),
            name(ours, 1),
            name(ours, 2),
            name(other, 1),
            format!("statekeep-{ours}-yesterday.tar.zst"),
            format!("statekeep-{ours}-20260101T030405.678Z.tar.zst.txt"),
            "notes".to_owned(),
        ];
        for name in &names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let prune = |made| prune(folder.path(), ours, 2, Path::new(&name(ours, made))).unwrap();
        assert!(prune(2).is_empty(), "that of the third is of a clock ahead");
        assert_eq!(prune(3), [folder.path().join(name(ours, 1))]);
        assert!(prune(3).is_empty());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            names.len() - 1
        );
        let newest = kept(folder.path(), ours).unwrap()[0].0;
        assert_eq!(newest.to_string(), "2026-01-03T03:04:05.678Z");
    }
}
