//! The bytes of versions: made, read, kept and compacted. It knows versions and blobs, and never a
//! caller.

pub mod cache;
pub mod compaction;
pub mod damaged;
pub mod encode;
pub mod md5_lanes;
pub mod read;
