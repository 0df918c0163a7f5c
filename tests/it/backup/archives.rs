//! Archives that tests take apart and make: what a backup holds, and what somebody could send
//! instead.

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::sha256;

/// A file in an archive.
#[derive(Clone)]
pub struct Part {
    pub name: String,
    pub kind: tar::EntryType,
    pub bytes: Vec<u8>,
}

impl Part {
    pub fn file(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            kind: tar::EntryType::Regular,
            bytes: bytes.to_vec(),
        }
    }
}

/// The files of a backup, in their order.
pub fn parts(file: &Path) -> Vec<Part> {
    let file = std::fs::File::open(file).expect("a file");
    let stream = zstd::stream::read::Decoder::new(file).expect("zstd");
    let mut archive = tar::Archive::new(stream);
    let entries = archive.entries().expect("a tar");
    entries
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its bytes");
            let name = entry.path().expect("a name");
            Part {
                name: name.to_string_lossy().into_owned(),
                kind: entry.header().entry_type(),
                bytes,
            }
        })
        .collect()
}

/// An archive of these files, with names that no library would write.
pub fn archive(parts: &[Part]) -> Vec<u8> {
    let stream = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
    let mut tar = tar::Builder::new(stream);
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..part.name.len()].copy_from_slice(part.name.as_bytes());
        header.set_entry_type(part.kind);
        header.set_size(part.bytes.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        tar.append(&header, part.bytes.as_slice()).expect("memory");
    }
    let stream = tar.into_inner().expect("memory");
    stream.finish().expect("memory")
}

/// The manifest of some files of a backup.
pub fn manifest(parts: &[Part]) -> Value {
    serde_json::from_slice(&parts[0].bytes).expect("JSON")
}

/// The same files with another manifest.
pub fn with_manifest(parts: &[Part], change: impl FnOnce(&mut Value)) -> Vec<Part> {
    let mut manifest = manifest(parts);
    change(&mut manifest);
    let mut parts = parts.to_vec();
    parts[0].bytes = manifest.to_string().into_bytes();
    parts
}

/// The same files with another database, and a manifest that fits it.
pub fn with_database(parts: &[Part], bytes: Vec<u8>) -> Vec<Part> {
    let mut parts = with_manifest(parts, |manifest| {
        manifest["database"]["sha256"] = json!(sha256(&bytes));
        manifest["database"]["size"] = json!(bytes.len());
    });
    parts[1].bytes = bytes;
    parts
}

/// A stream with many more bytes than it is long.
pub fn bomb(parts: &[Part], size: u64) -> Vec<u8> {
    let stream = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
    let mut tar = tar::Builder::new(stream);
    let mut header = tar::Header::new_gnu();
    header.set_size(parts[0].bytes.len() as u64);
    tar.append_data(&mut header, "manifest.json", parts[0].bytes.as_slice())
        .expect("memory");
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    let zeros = std::io::repeat(0).take(size);
    tar.append_data(&mut header, "statekeep.db", zeros)
        .expect("memory");
    tar.into_inner().expect("memory").finish().expect("memory")
}

/// Writes bytes as a file.
pub fn write(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::create(path).expect("a file");
    file.write_all(bytes).expect("our file");
}
