//! A head of the chain of events, signed with a key of the instance (Ed25519), so that who has the
//! public key can tell without the server whose head it is.
//!
//! Signed is a text of five lines, so that any other tool can check it too.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::digest::Digest;
use super::event_head::EventHead;

/// How many bytes the secret part of a key has.
pub const SEED_BYTES: usize = 32;
/// The first line of what is signed.
const FORM: &str = "statekeep-event-head 1";

/// A signed head. All texts are as they are signed, so a changed one does not fit any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// Which data it is.
    pub instance: String,
    /// The number of the event.
    pub number: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// When it was signed.
    pub at: String,
    /// The public key, in hexadecimal.
    pub key: String,
    /// The signature, in hexadecimal.
    pub signature: String,
}

impl SignedHead {
    fn text(&self) -> String {
        let Self {
            instance,
            number,
            hash,
            at,
            ..
        } = self;
        format!("{FORM}\ninstance {instance}\nnumber {number}\nhash {hash}\nat {at}\n")
    }

    /// Whether it says what a head has to say, and its key has signed it.
    pub fn is_genuine(&self) -> bool {
        let says = Digest::parse(&self.hash).is_some() && Timestamp::parse(&self.at).is_some();
        if !says || self.instance.parse::<Uuid>().is_err() {
            return false;
        }
        let (Some(key), Some(signature)) = (bytes(&self.key), bytes(&self.signature)) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(self.text().as_bytes(), &signature).is_ok()
    }
}

/// Signs heads. It does not print its secret part.
#[derive(Debug)]
pub struct HeadSigner {
    pair: Ed25519KeyPair,
    instance: Uuid,
}

impl HeadSigner {
    /// A signer for an instance; none if the seed is no key.
    pub fn new(seed: &[u8; SEED_BYTES], instance: Uuid) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(Self { pair, instance })
    }

    /// Signs a head.
    pub fn sign(&self, head: EventHead, at: Timestamp) -> SignedHead {
        let mut signed = SignedHead {
            instance: self.instance.to_string(),
            number: head.number,
            hash: head.chain.to_string(),
            at: at.to_string(),
            key: hex(self.pair.public_key().as_ref()),
            signature: String::new(),
        };
        signed.signature = hex(self.pair.sign(signed.text().as_bytes()).as_ref());
        signed
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a text in hexadecimal; none if it is none.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |[high, low]: &[u8; 2]| {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
    };
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_key_has_signed_is_genuine() {
        let signer = HeadSigner::new(&[7; SEED_BYTES], Uuid::from_u128(1)).unwrap();
        let head = EventHead {
            number: 812,
            chain: Digest::of(b"x"),
        };
        let good = signer.sign(head, Timestamp::from_millis(1_767_323_045_678));
        assert!(good.is_genuine());
        let other = HeadSigner::new(&[8; SEED_BYTES], Uuid::from_u128(1)).unwrap();
        let other = other.sign(head, Timestamp::from_millis(0));
        let change = |change: fn(&mut SignedHead, &SignedHead)| {
            let mut changed = good.clone();
            change(&mut changed, &other);
            changed
        };
        for bad in [
            change(|head, _| head.number = 811),
            change(|head, _| head.hash = Digest::of(b"y").to_string()),
            change(|head, _| head.instance = Uuid::from_u128(2).to_string()),
            change(|head, other| head.at.clone_from(&other.at)),
            change(|head, other| head.key.clone_from(&other.key)),
            change(|head, other| head.signature.clone_from(&other.signature)),
            change(|head, _| head.signature.clear()),
            change(|head, _| head.key = "x".to_owned()),
        ] {
            assert!(!bad.is_genuine(), "{bad:?}");
        }
    }
}
