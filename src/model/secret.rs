//! Secrets of keys and tokens: made from randomness that is passed in, checked without a database,
//! never printed.
//!
//! A key's secret is `skp_` + the key's id + 256 random bits + CRC-32, a token `skt_` + 256 random
//! bits + CRC-32, all in base62. The prefix lets secret scanners find them; the checksum tells a
//! typo from a wrong secret before any work is done.

use std::fmt;

use uuid::Uuid;

use super::digest::Digest;
use super::key::KeyId;

const KEY_PREFIX: &str = "skp_";
const TOKEN_PREFIX: &str = "skt_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of base62 that hold 128 bits.
const WORD: usize = 22;
/// Digits of base62 that hold 32 bits.
const CHECKSUM: usize = 6;

/// A text that must not reach a log, an error or a `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps what somebody presented.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: for hashing it, and for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A key's new secret.
    pub fn for_key(id: KeyId, random: [u8; 32]) -> Self {
        Self::sealed(format!(
            "{KEY_PREFIX}{}{}",
            base62(id.0.as_u128(), WORD),
            random_part(random)
        ))
    }

    /// A new token.
    pub fn for_token(random: [u8; 32]) -> Self {
        Self::sealed(format!("{TOKEN_PREFIX}{}", random_part(random)))
    }

    fn sealed(mut text: String) -> Self {
        let checksum = base62(u128::from(crc32fast::hash(text.as_bytes())), CHECKSUM);
        text.push_str(&checksum);
        Self(text)
    }

    /// What kind of credential this is; `None` when it is none of ours, or mistyped.
    pub fn kind(&self) -> Option<Kind> {
        let (body, checksum) = self
            .0
            .split_at_checked(self.0.len().checked_sub(CHECKSUM)?)?;
        if base62(u128::from(crc32fast::hash(body.as_bytes())), CHECKSUM) != checksum {
            return None;
        }
        if let Some(rest) = body.strip_prefix(KEY_PREFIX) {
            let id = unbase62(rest.get(..WORD)?)?;
            return (rest.len() == 3 * WORD).then_some(Kind::Key(KeyId(Uuid::from_u128(id))));
        }
        let rest = body.strip_prefix(TOKEN_PREFIX)?;
        (rest.len() == 2 * WORD).then(|| Kind::Token(self.digest()))
    }

    /// The SHA-256 under which a token is kept.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a well-formed credential names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The secret of this key.
    Key(KeyId),
    /// A token with this digest.
    Token(Digest),
}

fn random_part(random: [u8; 32]) -> String {
    let (high, low) = random.split_at(16);
    let word = |half: &[u8]| {
        half.iter()
            .fold(0_u128, |word, byte| word << 8 | u128::from(*byte))
    };
    base62(word(high), WORD) + &base62(word(low), WORD)
}

fn base62(mut number: u128, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
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
        assert_eq!(secret.kind(), Some(Kind::Key(id)));
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
        assert_eq!(token.kind(), Some(Kind::Token(token.digest())));
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
        assert_eq!(
            format!("{:?}", Secret::new("hunter2".to_owned())),
            "Secret(…)"
        );
    }
}
