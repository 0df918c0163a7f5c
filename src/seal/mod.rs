//! Sealing: bytes that nobody reads or changes without a key. Bytes in, bytes out; no database.
//!
//! Content is sealed by data keys, and these by the storage key. The operator keeps that elsewhere.
//! Each piece has a key of its own (HKDF-SHA-256 of the data key and a random salt), so no two
//! pieces share a nonce. What a piece belongs to is bound to it: at another place it does not open.
//! A commitment to the key stands in front, so no piece opens under two keys. Keys never print.

mod data_key;
mod piece;
mod sealed_key;
mod storage_key;

pub use data_key::{DataKey, FramePlace, Keyring, NameKey};
pub use piece::{OVERHEAD, SealError, is_piece};
pub use sealed_key::{DATA_KEYS_FILE, NotOpened, SealedKey};
pub use storage_key::{BadStorageKey, StorageKey, StorageKeyMark};
