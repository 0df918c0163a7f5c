//! What a fuzzer tries with bytes that nobody vouches for: each target takes any bytes, and panics
//! if something is not as it always has to be.
//!
//! `cargo test` runs each of them over its seeds, so that none of them rots. A fuzzer makes the
//! bytes in the programs of `fuzz_targets/`.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use rustix::fs::{MemfdFlags, memfd_create};
use statekeep::blob;
use statekeep::cli::{ExportedVersion, versions_of_tar};
use statekeep::diff;
use statekeep::domain::backups::received;
use statekeep::hcl::{self, Ask, Program};
use statekeep::model::digest::Digest;
use statekeep::model::key::KeyId;
use statekeep::model::lock::Lock;
use statekeep::model::name::StateName;
use statekeep::model::secret::{CredentialKind, Secret};
use statekeep::model::terraform::serial::with_serial;
use statekeep::model::terraform::tfstate::read_head;
use statekeep::salvage::sources::DamagedFiles;
use statekeep::salvage::{self, Dataset, FoundBytes, FoundVersion};
use statekeep::sqlite_file::wal::{WalFrames, WalHeader};

/// A target takes any bytes.
pub type Target = fn(&[u8]);

/// Each target, by its name.
pub const TARGETS: [(&str, Target); 11] = [
    ("state", state),
    ("lock", lock),
    ("hcl", hcl),
    ("archive", archive),
    ("credentials", credentials),
    ("paths", paths),
    ("frames", frames),
    ("log", log),
    ("backup", backup),
    ("salvage", salvage),
    ("manifest", manifest),
];

/// The deepest nesting of a state that is taken; no parser here recurses further.
const DEEPEST: usize = 100;
/// The largest state that is compared, in bytes: comparing takes time.
const COMPARED: usize = 64 * 1024;
/// The largest content of a frame that is decoded, in bytes. The server reserves what a row says.
const DECODED: u64 = 16 * 1024 * 1024;

/// A state is what a parser of JSON takes whole, another serial changes nothing but the
/// serial, and nothing differs from itself.
pub fn state(bytes: &[u8]) {
    let Ok(head) = read_head(bytes, DEEPEST) else {
        return;
    };
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
    assert!(whole.is_ok(), "a state is JSON");
    if let Some(changed) = with_serial(bytes, head.serial ^ 1) {
        let again = read_head(&changed, DEEPEST).expect("a state with another serial is a state");
        assert_eq!(again.serial, head.serial ^ 1);
        assert_eq!(
            (again.lineage, again.resources),
            (head.lineage, head.resources)
        );
        let back = with_serial(&changed, head.serial).expect("it has a serial");
        assert_eq!(
            read_head(&back, DEEPEST).map(|head| head.serial),
            Ok(head.serial)
        );
    }
    if bytes.len() <= COMPARED
        && let Ok(diff) = diff::compare(bytes, bytes)
    {
        let counts = diff.counts();
        assert_eq!((counts.added, counts.changed, counts.removed), (0, 0, 0));
    }
}

/// A lock that was taken is kept as it came, and can be read again.
pub fn lock(bytes: &[u8]) {
    let Ok(lock) = Lock::parse(bytes) else {
        return;
    };
    assert!(!lock.id.is_empty());
    let kept = Lock::read(lock.text.as_bytes()).expect("a lock that was kept");
    assert_eq!(kept.id, lock.id);
    serde_json::from_str::<serde_json::Value>(lock.raw().get()).expect("what is shown is JSON");
}

fn judged(sources: Vec<hcl::Source>, program: Option<Program>) {
    let ask = Ask {
        program,
        include_json: true,
    };
    let found = hcl::judge(sources, ask);
    serde_json::to_string(&found).expect("an answer can be sent");
}

/// A module of any text is judged, under each name that a file can have.
pub fn hcl(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for name in ["main.tf", "main.tofu", "main.tf.json"] {
        for program in [None, Some(Program::Terraform), Some(Program::Tofu)] {
            if let Ok(sources) = hcl::of_map(vec![(name.to_owned(), text.to_owned())]) {
                judged(sources, program);
            }
        }
        // A refusal is an answer too.
        let _ = hcl::settings(name, text);
    }
}

/// An archive of any bytes is a module, or refused.
pub fn archive(bytes: &[u8]) {
    if let Ok(sources) = hcl::of_archive(bytes) {
        judged(sources, None);
    }
}

/// What is no credential of ours is told from one, and one with a wrong letter is none.
pub fn credentials(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let secret = Secret::new(text.to_owned());
        if secret.kind().is_some() {
            assert!(text.is_ascii(), "our credentials are letters and digits");
        }
    }
    let Some((random, rest)) = bytes.split_first_chunk::<32>() else {
        return;
    };
    let id = KeyId(uuid::Uuid::from_u128(u128::from_le_bytes(
        random[..16].try_into().expect("sixteen bytes"),
    )));
    let made = Secret::for_key(id, *random);
    assert_eq!(made.kind(), Some(CredentialKind::Key(id)));
    let token = Secret::for_token(*random);
    assert!(matches!(token.kind(), Some(CredentialKind::Token(_))));
    if let [place, letter, ..] = rest {
        let mut text = made.reveal().to_owned().into_bytes();
        let place = usize::from(*place) % text.len();
        let letter = letter & 0x7f;
        if text[place] != letter {
            text[place] = letter;
            let wrong = Secret::new(String::from_utf8(text).expect("ASCII"));
            assert_eq!(wrong.kind(), None, "one wrong letter is noticed");
        }
    }
}

/// The name of a state has one spelling, which is short, plain and safe in a path.
pub fn paths(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (workspace, block) = text.split_once('/').unwrap_or((text, "net"));
    let Ok(name) = StateName::parse(workspace, block) else {
        return;
    };
    for part in [name.workspace.as_str(), name.block.as_str()] {
        assert!((1..=63).contains(&part.len()));
        assert!(part.starts_with(|first: char| first.is_ascii_alphanumeric()));
        assert!(
            part.chars()
                .all(|it| it.is_ascii_alphanumeric() || "._-".contains(it))
        );
    }
    let again = StateName::parse(name.workspace.as_str(), name.block.as_str());
    assert_eq!(again.ok(), Some(name));
}

/// No frame makes bytes that were not written, or more than it said; and what was written comes
/// back, in full or from a base.
pub fn frames(bytes: &[u8]) {
    let Some(([format, size @ ..], rest)) = bytes.split_first_chunk::<5>() else {
        return;
    };
    let size = u64::from(u32::from_le_bytes(*size)) % DECODED;
    let frame = blob::Frame {
        format: u32::from(format & 3),
        size,
        bytes: rest,
    };
    for chain in [vec![frame], vec![frame, frame]] {
        if let Ok(decoded) = blob::decode(chain, Digest::of(rest)) {
            assert_eq!(decoded, rest, "the hash is of these bytes");
        }
    }
    let (base, next) = rest.split_at(rest.len() / 2);
    let full = blob::encode(base).expect("any bytes can be compressed");
    let delta = blob::encode_slowly(next, Some(base)).expect("any bytes can be compressed");
    let chain = [
        blob::Frame {
            format: blob::FULL,
            size: base.len() as u64,
            bytes: &full,
        },
        blob::Frame {
            format: blob::DELTA,
            size: next.len() as u64,
            bytes: &delta,
        },
    ];
    assert_eq!(
        blob::decode(chain, Digest::of(next)).expect("what was written"),
        next
    );
    assert!(blob::decode(chain, Digest::of(b"something else")).is_err());
}

/// Every whole frame of a write-ahead log is told of once, and recovery takes its beginning.
pub fn log(bytes: &[u8]) {
    let header = WalHeader::parse(bytes).unwrap_or_else(|_| {
        let size = 512 << (bytes.first().copied().unwrap_or(0) & 7);
        WalHeader::assumed(size, bytes.len() % 2 == 1)
    });
    let most = bytes.len() as u64 / header.frame_len();
    let (mut count, mut recovered) = (0, true);
    for frame in WalFrames::new(bytes, header) {
        let frame = frame.expect("bytes in memory can be read");
        assert_eq!(frame.index, count);
        assert!(
            !frame.recovered || recovered,
            "recovery does not begin again"
        );
        assert!(!frame.recovered || (frame.in_round && frame.continues_chain));
        recovered = frame.recovered;
        count += 1;
    }
    assert!(count <= most, "{count} frames in {} bytes", bytes.len());
}

/// A backup of any bytes is refused, or what its manifest says; also where its compression is fine.
pub fn backup(bytes: &[u8]) {
    // A refusal is an answer too.
    let _ = received::check(bytes);
    let frame = blob::encode(bytes).expect("any bytes can be compressed");
    if let Ok(manifest) = received::check(frame.as_slice()) {
        assert!(bytes.len() > 1024, "a manifest and a database");
        assert!(received::dated_name(&manifest).starts_with("statekeep-"));
    }
}

/// A file with these bytes that takes no room on a disk.
fn file(bytes: &[u8]) -> File {
    let file = memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("a file in memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("room in memory");
    file.rewind().expect("a file in memory");
    file
}

/// Salvage reads any database and any log to their ends, and hands out no bytes but those whose
/// SHA-256 it tells. The first four bytes say where the database ends and the log begins.
pub fn salvage(bytes: &[u8]) {
    salvaged(bytes);
}

/// The same, and how many contents were handed out.
pub fn salvaged(bytes: &[u8]) -> usize {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return 0;
    };
    let length = u32::from_le_bytes(*length) as usize % (rest.len() + 1);
    let (database, log) = rest.split_at(length);
    let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| file(bytes));
    let sources = DamagedFiles {
        database: some(database),
        log: some(log),
    };
    let found = salvage::read(sources).expect("bytes in memory can be read");
    let datasets = found.map_or(Vec::new(), |found| found.datasets);
    datasets.iter().map(salvaged_of).sum()
}

fn salvaged_of(dataset: &Dataset) -> usize {
    let (states, _) = dataset.states();
    let (mut reader, mut count) = (dataset.reader(), 0);
    let proven = |found: &FoundBytes| assert_eq!(Digest::of(&found.bytes), found.sha256);
    for state in &states {
        for number in &state.numbers {
            let version = reader.version(state, *number);
            if let FoundVersion::Whole(version, found) = version.expect("bytes in memory") {
                proven(&found);
                assert_eq!(version.sha256, found.sha256);
                count += 1;
            }
        }
    }
    let others = reader.others(|found| {
        proven(&found);
        count += 1;
        Ok(())
    });
    others.expect("bytes in memory");
    count
}

/// The files of an export beside its manifest.
const EXPORTED: [(&str, &str); 3] = [
    (
        "net/app/1.tfstate",
        "{\"version\":4,\"serial\":1,\"lineage\":\"a\"}\n",
    ),
    (
        "net/app/2.tfstate",
        "{\"version\":4,\"serial\":2,\"lineage\":\"a\"}\n",
    ),
    (
        "net/db/7.tfstate",
        "{\"version\":4,\"serial\":7,\"lineage\":\"b\"}\n",
    ),
];

/// A manifest of any bytes, and a tar of any bytes, is refused or leads to bytes with the SHA-256
/// that it says, once for each number of a state, in rising order.
pub fn manifest(bytes: &[u8]) {
    imported(bytes);
}

/// The same, and how many versions would be sent.
pub fn imported(bytes: &[u8]) -> usize {
    let mut tar = tar::Builder::new(Vec::new());
    let manifest = ("manifest.json", bytes);
    let files = EXPORTED.map(|(name, text)| (name, text.as_bytes()));
    for (name, content) in files.into_iter().chain([manifest]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let added = tar.append_data(&mut header, name, content);
        added.expect("room in memory");
    }
    let tar = tar.into_inner().expect("room in memory");
    read_export(bytes) + read_export(&tar)
}

fn read_export(tar: &[u8]) -> usize {
    let Ok(Some(versions)) = versions_of_tar(file(tar)) else {
        return 0;
    };
    for version in &versions {
        let bytes = version.bytes.as_ref().expect("bytes that were read before");
        assert_eq!(Some(Digest::of(bytes).to_string()), version.sha256);
    }
    let place = |version: &ExportedVersion| (version.state.clone(), version.number);
    let mut places: Vec<_> = versions.iter().map(place).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), versions.len(), "a version is there twice");
    versions.len()
}
