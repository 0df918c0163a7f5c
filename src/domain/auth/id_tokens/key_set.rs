//! An issuer's public keys (a JWK set), and whether one of them signed a token.
//!
//! A key is used for the one algorithm of its kind and for no other. What a set has beside that is
//! left alone: keys of other kinds, keys to encrypt with, shared secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::domain::auth::id_tokens::parts::{SigningAlgorithm, UnverifiedToken};
use crate::model::unique_json::unique_object;

/// The largest key set, in bytes.
pub(in crate::domain) const MAX_KEY_SET: usize = 256 * 1024;
/// The most keys in a set.
const MAX_KEYS: usize = 100;
/// The bytes of an RSA modulus: 2,048 to 8,192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// The bytes of an RSA exponent.
const MAX_RSA_EXPONENT: usize = 5;
/// The bytes of a coordinate on P-256, and of an Ed25519 key.
const POINT: usize = 32;

/// An issuer's keys.
#[derive(Debug)]
pub(in crate::domain) struct KeySet(Vec<IssuerKey>);

#[derive(Debug)]
struct IssuerKey {
    id: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a set; none if it is no JWK set, too large, or has no key that can be used.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        if json.len() > MAX_KEY_SET {
            return None;
        }
        let set = unique_object(json).ok()?;
        let keys = set.get("keys")?.as_array()?;
        if keys.len() > MAX_KEYS {
            return None;
        }
        let usable: Vec<IssuerKey> = keys.iter().filter_map(IssuerKey::read).collect();
        (!usable.is_empty()).then_some(Self(usable))
    }

    /// Whether a key of the set signed a token.
    pub(super) fn verify(&self, token: &UnverifiedToken<'_>) -> Result<(), IdTokenFault> {
        let of_kind = |key: &&IssuerKey| key.public.algorithm() == token.algorithm;
        let of_kind = self.0.iter().filter(of_kind);
        let named: Vec<&IssuerKey> = match &token.key_id {
            Some(id) => of_kind.filter(|key| key.id.as_ref() == Some(id)).collect(),
            None => of_kind.collect(),
        };
        // Without a name there has to be no choice, and one name means one key.
        let [key] = named[..] else {
            return Err(IdTokenFault::UnknownKey);
        };
        if key.public.signed(token) {
            Ok(())
        } else {
            Err(IdTokenFault::Signature)
        }
    }
}

impl IssuerKey {
    fn read(key: &Value) -> Option<Self> {
        let key = key.as_object()?;
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let is_for_signatures = key.get("use").is_none_or(|usage| usage == "sig");
        let verifies = key.get("key_ops").is_none_or(|operations| {
            let operations = operations.as_array();
            operations.is_some_and(|all| all.iter().any(|operation| operation == "verify"))
        });
        let public = PublicKey::read(key)?;
        let is_its_algorithm = key.get("alg").is_none_or(|name| {
            let name = name.as_str().and_then(SigningAlgorithm::named);
            name == Some(public.algorithm())
        });
        let id = text("kid").map(str::to_owned);
        (is_for_signatures && verifies && is_its_algorithm).then_some(Self { id, public })
    }
}

impl PublicKey {
    fn read(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let number = |name: &str| Some(without_leading_zeros(bytes(name)?));
        let point = |name: &str| bytes(name).filter(|bytes| bytes.len() == POINT);
        match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (number("n")?, number("e")?);
                let fits = RSA_MODULUS.contains(&n.len()) && e.len() <= MAX_RSA_EXPONENT;
                fits.then_some(Self::Rsa { n, e })
            }
            ("EC", Some("P-256")) => {
                // The uncompressed form of a point.
                let coordinates = [vec![4], point("x")?, point("y")?];
                Some(Self::P256(coordinates.concat()))
            }
            ("OKP", Some("Ed25519")) => point("x").map(Self::Ed25519),
            (_, _) => None,
        }
    }

    const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Rsa { .. } => SigningAlgorithm::Rs256,
            Self::P256(_) => SigningAlgorithm::Es256,
            Self::Ed25519(_) => SigningAlgorithm::EdDsa,
        }
    }

    fn signed(&self, token: &UnverifiedToken<'_>) -> bool {
        let (message, signature) = (token.signed.as_bytes(), token.signature.as_slice());
        let verified = match self {
            Self::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

fn without_leading_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}
