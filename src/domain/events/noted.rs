//! The last head that a file of events says: what the log had, noted outside of the data directory.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Deserialize;

use crate::model::signed_head::SignedHead;
use crate::store::without_links;

/// How many bytes of the end of the file are read for a head. One is written each minute.
const MAX_END: u64 = 16 * 1024 * 1024;
/// How a line with a head begins.
const BEGIN: &[u8] = b"{\"head\"";

#[derive(Deserialize)]
struct HeadLine {
    head: SignedHead,
}

/// The last signed head in a file of events, if there is one near its end.
pub(in crate::domain) fn last_head(path: &Path) -> Option<SignedHead> {
    // A pipe in its place would wait for a writer.
    if !std::fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(without_links())
        .open(path);
    let mut file = open.ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_END)))
        .ok()?;
    let mut end = Vec::new();
    file.take(MAX_END).read_to_end(&mut end).ok()?;
    let lines = end.rsplit(|byte| *byte == b'\n');
    let heads = lines.filter(|line| line.starts_with(BEGIN));
    let mut heads = heads.filter_map(|line| serde_json::from_slice::<HeadLine>(line).ok());
    heads.next().map(|line| line.head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;
    use crate::model::digest::Digest;
    use crate::model::event_head::EventHead;
    use crate::model::signed_head::{HeadSigner, SEED_BYTES};
    use uuid::Uuid;

    #[test]
    fn the_last_whole_head_is_found_behind_and_before_other_lines() {
        let signer = HeadSigner::new(&[7; SEED_BYTES], Uuid::from_u128(1)).unwrap();
        let line = |number| {
            let chain = Digest::of(b"x");
            let head = signer.sign(EventHead { number, chain }, Timestamp::from_millis(5));
            format!("{}\n", serde_json::json!({ "head": head }))
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        assert_eq!(last_head(&path), None);
        let text = format!("{}{}{{\"seq\": 9}}\n{}", line(7), line(8), &line(9)[..40]);
        std::fs::write(&path, text).unwrap();
        assert_eq!(last_head(&path).map(|head| head.number), Some(8));
        std::fs::write(&path, "{\"seq\": 9}\n").unwrap();
        assert_eq!(last_head(&path), None);
        assert_eq!(last_head(dir.path()), None);
    }
}
