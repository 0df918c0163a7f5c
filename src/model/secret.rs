//! Secrets of keys and tokens: made from randomness that is passed in, checked without a database,
//! never printed.
//!
//! A key's secret is `skp_` + the key's id + 256 random bits + CRC-32, a token `skt_` + 256 random
//! bits + CRC-32, a hook's `skh_` and the same, all in base62. The prefix lets secret scanners find
//! them; the checksum tells a typo from a wrong secret before any work is done.

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::digest::Digest;
use super::fingerprint::Fingerprint;
use super::key::KeyId;

const KEY_PREFIX: &str = "skp_";
const TOKEN_PREFIX: &str = "skt_";
const HOOK_PREFIX: &str = "skh_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of base62 that hold 128 bits.
const WORD: usize = 22;
/// Digits of base62 that hold 32 bits.
const CHECKSUM: usize = 6;

/// A text that must not reach a log, an error or a `Debug`. Its memory is overwritten when it is
/// dropped.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Wraps a text that a client presented.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself: for hashing it, and for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// A key's new secret.
    pub fn for_key(id: KeyId, random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(KEY_PREFIX.len() + 3 * WORD + CHECKSUM);
        text.push_str(KEY_PREFIX);
        push_base62(&mut text, id.0.as_u128(), WORD);
        push_random(&mut text, random);
        Self::sealed(text)
    }

    /// A new token.
    pub fn for_token(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(TOKEN_PREFIX.len() + 2 * WORD + CHECKSUM);
        text.push_str(TOKEN_PREFIX);
        push_random(&mut text, random);
        Self::sealed(text)
    }

    /// The secret with which deliveries of a new hook are signed.
    pub fn for_hook(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(HOOK_PREFIX.len() + 2 * WORD + CHECKSUM);
        text.push_str(HOOK_PREFIX);
        push_random(&mut text, random);
        Self::sealed(text)
    }

    /// The text has room for the checksum: growing would leave a copy behind.
    fn sealed(mut text: String) -> Self {
        let checksum = crc32fast::hash(text.as_bytes());
        push_base62(&mut text, checksum.into(), CHECKSUM);
        Self::new(text)
    }

    /// What kind of credential this is; `None` when it is none of ours, or mistyped.
    pub fn kind(&self) -> Option<CredentialKind> {
        let text = self.reveal();
        let (body, checksum) = text.split_at_checked(text.len().checked_sub(CHECKSUM)?)?;
        if unbase62(checksum)? != crc32fast::hash(body.as_bytes()).into() {
            return None;
        }
        if let Some(rest) = body.strip_prefix(KEY_PREFIX) {
            let id = unbase62(rest.get(..WORD)?)?;
            return (rest.len() == 3 * WORD)
                .then_some(CredentialKind::Key(KeyId(Uuid::from_u128(id))));
        }
        let rest = body.strip_prefix(TOKEN_PREFIX)?;
        (rest.len() == 2 * WORD).then(|| CredentialKind::Token(self.digest()))
    }

    /// Whether this has the form of an ID token, three parts between two dots. No credential of
    /// ours has a dot.
    pub fn is_like_id_token(&self) -> bool {
        self.reveal().bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What is kept of a key's secret beside its hash.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = self.digest();
        Fingerprint::from_bytes(std::array::from_fn(|at| digest.as_bytes()[at]))
    }

    /// The SHA-256 under which a token is kept.
    pub fn digest(&self) -> Digest {
        Digest::of(self.reveal().as_bytes())
    }
}

/// What a well-formed credential names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The secret of this key.
    Key(KeyId),
    /// A token with this digest.
    Token(Digest),
}

fn push_random(text: &mut String, random: [u8; 32]) {
    for half in random.as_chunks::<16>().0 {
        push_base62(text, u128::from_be_bytes(*half), WORD);
    }
}

fn push_base62(text: &mut String, number: u128, width: usize) {
    let mut unit = 62_u128.pow(u32::try_from(width - 1).unwrap_or(0));
    for _ in 0..width {
        let digit = usize::try_from(number / unit % 62).unwrap_or(0);
        text.push(char::from(ALPHABET[digit]));
        unit /= 62;
    }
}

fn unbase62(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |number, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        number
            .checked_mul(62)?
            .checked_add(u128::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_its_key_and_notices_a_typo() {
        let id = KeyId(Uuid::from_u128(u128::MAX));
        let secret = Secret::for_key(id, [255; 32]);
        assert_eq!(secret.kind(), Some(CredentialKind::Key(id)));
        for position in 4..secret.reveal().len() {
            let mut typo = secret.reveal().to_owned().into_bytes();
            typo[position] = if typo[position] == b'a' { b'b' } else { b'a' };
            assert_eq!(
                Secret::new(String::from_utf8(typo).unwrap()).kind(),
                None,
                "at {position}"
            );
        }
    }

    #[test]
    fn tells_tokens_from_keys_and_from_anything_else() {
        let token = Secret::for_token([7; 32]);
        assert_eq!(token.kind(), Some(CredentialKind::Token(token.digest())));
        for other in [
            "",
            "x",
            "skp_",
            "skt_000000",
            "ü".repeat(40).as_str(),
            "password",
        ] {
            assert_eq!(Secret::new(other.to_owned()).kind(), None, "{other}");
        }
    }

    #[test]
    fn does_not_print() {
        let shown = format!("{:?}", Secret::new("hunter2".to_owned()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_secret_is_spelt_as_ever() {
        let id = KeyId(Uuid::from_u128(62 * 62 + 1));
        let secret = Secret::for_key(id, [0; 32]);
        let expected = format!("skp_{:0>22}{}", "101", "0".repeat(44));
        assert!(secret.reveal().starts_with(&expected));
        assert_eq!(secret.reveal().len(), expected.len() + CHECKSUM);
    }
}
