//! Bytes together with the memory that is reserved for them.

use std::sync::Arc;

use crate::domain::engine::budget::Reservation;

/// Bytes in memory that is reserved for them: a version's, or an answer's.
///
/// The memory comes back to the budget when the last reader drops them.
pub struct LeasedBytes {
    bytes: Vec<u8>,
    _reservation: Reservation,
}

impl LeasedBytes {
    /// Keeps only as much of the reservation as the bytes take.
    pub(in crate::domain) fn new(mut bytes: Vec<u8>, mut reservation: Reservation) -> Arc<Self> {
        bytes.shrink_to_fit();
        reservation.keep_only(bytes.len() as u64);
        Arc::new(Self {
            bytes,
            _reservation: reservation,
        })
    }
}

impl AsRef<[u8]> for LeasedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
