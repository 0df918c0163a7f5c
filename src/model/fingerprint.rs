//! What is kept of a secret beside its hash: enough to know a wrong one without argon2, and too
//! little to be of use to anybody else.

/// The first 64 bits of a secret's SHA-256.
///
/// A secret has 256 random bits, so these tell nothing of it that could be used. Two of them are
/// compared as one number: how long that takes says nothing of either.
#[derive(Clone, Copy)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// One that was kept.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Whether two are of the same secret, as far as they can tell.
    pub const fn fits(self, other: Self) -> bool {
        self.0 ^ other.0 == 0
    }
}
