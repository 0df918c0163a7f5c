//! One sealed piece: a version, a salt, a commitment to the key, AES-256-GCM's ciphertext and tag.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

/// How many bytes each key has.
pub(super) const KEY_BYTES: usize = 32;
/// The first byte of each piece: how the rest is to be read.
const VERSION: u8 = 1;
/// A random salt of this length never comes twice among 2^64 pieces, but for one in a million.
const SALT: usize = 16;
/// Short enough to store with each piece, too long for two keys that fit.
const COMMITMENT: usize = 32;
const HEADER: usize = 1 + SALT + COMMITMENT;
const TAG: usize = 16;

/// How many bytes a piece is longer than what is sealed in it.
pub const OVERHEAD: usize = HEADER + TAG;

/// Why a piece does not open, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is cut short, or no piece at all.
    #[error("it is no sealed piece of a form that this version knows")]
    Form,
    /// It was sealed by another key, or at another place.
    #[error("it was sealed by another key, or for another place")]
    OtherKey,
    /// Its bytes are not those that were sealed.
    #[error("its sealed bytes were changed")]
    Changed,
    /// No key of this number is known.
    #[error("the data key {0} that it was sealed with is not there")]
    NoKey(u32),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// Too long for the cipher, which takes 64 GiB.
    #[error("it is too long to be sealed")]
    TooLong,
}

/// What is drawn from a key and a salt: the cipher's key, and the commitment.
struct Drawn;

impl KeyType for Drawn {
    fn len(&self) -> usize {
        KEY_BYTES + COMMITMENT
    }
}

/// A key of one piece, and the commitment to it.
fn drawn(
    secret: &[u8; KEY_BYTES],
    salt: &[u8],
    place: &[u8],
) -> Result<(LessSafeKey, [u8; COMMITMENT]), SealError> {
    let mut bytes = [0; KEY_BYTES + COMMITMENT];
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    let filled = key
        .expand(&[place], Drawn)
        .and_then(|okm| okm.fill(&mut bytes));
    filled.map_err(|_| SealError::TooLong)?;
    let (key, commitment) = bytes.split_at(KEY_BYTES);
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError::Form)?;
    let commitment = std::array::from_fn(|at| commitment[at]);
    Ok((LessSafeKey::new(key), commitment))
}

/// Each piece has a key of its own, so its nonce is never used twice.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// What a piece belongs to, as the bytes that are bound to it: no two lists of parts have the same.
pub(super) fn place(parts: &[&[u8]]) -> Vec<u8> {
    let mut place = Vec::new();
    for part in parts {
        place.extend_from_slice(&(part.len() as u64).to_be_bytes());
        place.extend_from_slice(part);
    }
    place
}

/// Whether some bytes begin as a piece does.
pub fn is_piece(bytes: &[u8]) -> bool {
    bytes.first() == Some(&VERSION)
}

/// Seals some bytes for a place.
pub(super) fn seal(
    secret: &[u8; KEY_BYTES],
    place: &[u8],
    bytes: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| SealError::NoRandom)?;
    let (key, commitment) = drawn(secret, &salt, place)?;
    let mut piece = Vec::with_capacity(bytes.len() + OVERHEAD);
    piece.push(VERSION);
    piece.extend_from_slice(&salt);
    piece.extend_from_slice(&commitment);
    piece.extend_from_slice(bytes);
    let content = &mut piece[HEADER..];
    let tag = key
        .seal_in_place_separate_tag(nonce(), Aad::from(place), content)
        .map_err(|_| SealError::TooLong)?;
    piece.extend_from_slice(tag.as_ref());
    Ok(piece)
}

/// Opens a piece, in the memory that it lies in.
pub(super) fn open(
    secret: &[u8; KEY_BYTES],
    place: &[u8],
    mut piece: Vec<u8>,
) -> Result<Vec<u8>, SealError> {
    if piece.len() < OVERHEAD || piece[0] != VERSION {
        return Err(SealError::Form);
    }
    let (key, commitment) = drawn(secret, &piece[1..=SALT], place)?;
    if piece[1 + SALT..HEADER] != commitment {
        return Err(SealError::OtherKey);
    }
    let opened = key.open_within(nonce(), Aad::from(place), &mut piece, HEADER..);
    let length = opened.map_err(|_| SealError::Changed)?.len();
    piece.truncate(length);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

    #[test]
    fn a_piece_opens_only_with_its_key_at_its_place_and_as_it_was_sealed() {
        let here = place(&[b"a", b"bc"]);
        for bytes in [&b""[..], b"{}", &[0; 5_000]] {
            let piece = seal(&KEY, &here, bytes).unwrap();
            assert_eq!(piece.len(), bytes.len() + OVERHEAD);
            assert_eq!(open(&KEY, &here, piece.clone()).unwrap(), bytes);
            let other = [8; KEY_BYTES];
            assert_eq!(open(&other, &here, piece.clone()), Err(SealError::OtherKey));
            let there = place(&[b"ab", b"c"]);
            assert_eq!(open(&KEY, &there, piece.clone()), Err(SealError::OtherKey));
            let places = (0..piece.len()).step_by(piece.len() / 60 + 1);
            for (at, bit) in places.flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut changed = piece.clone();
                changed[at] ^= 1 << bit;
                assert!(open(&KEY, &here, changed).is_err(), "byte {at}, bit {bit}");
                let cut = piece[..at].to_vec();
                assert!(open(&KEY, &here, cut).is_err(), "cut at {at}");
            }
        }
    }

    #[test]
    fn the_same_bytes_are_never_sealed_alike() {
        let here = place(&[]);
        assert_ne!(
            seal(&KEY, &here, b"x").unwrap(),
            seal(&KEY, &here, b"x").unwrap()
        );
    }

    #[test]
    fn a_piece_of_an_earlier_build_opens() {
        let piece = KNOWN
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        let opened = open(&KEY, &place(&[b"known"]), piece.collect());
        assert_eq!(opened.as_deref(), Ok(&b"{\"version\": 4}"[..]));
    }

    /// Made once; what was sealed then has to open for ever.
    const KNOWN: &str = "014d67dacf1cc98d331edeb6ea7d0283e6b51874ab47639bf3f920eab68e9a1a43ead3\
        2d1ebc46eb5998480f64b3dc17498ee4798fc97bbdef78385d4acb4917798dc421a3e2b69619fba783e06779";
}
