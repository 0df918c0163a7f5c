//! The three parts of an ID token, read strictly: base64url without padding, JSON without doubled
//! members, one of three algorithms, and nothing in the header that would have to be understood.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::model::claims::Claims;
use crate::model::unique_json::{NotUnique, unique_object};

/// The longest ID token, in bytes.
pub(in crate::domain) const MAX_ID_TOKEN: usize = 8 * 1024;

/// The algorithms that are taken. Each is of one kind of key, and none takes a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) enum SigningAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256, keys of 2,048 to 8,192 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// By its name in a header or a key.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// An ID token whose signature nobody has looked at yet.
pub(in crate::domain) struct UnverifiedToken<'t> {
    pub(super) algorithm: SigningAlgorithm,
    /// Which of the issuer's keys it names.
    pub(super) key_id: Option<String>,
    pub(super) claims: Claims,
    /// What was signed.
    pub(super) signed: &'t str,
    pub(super) signature: Vec<u8>,
}

impl<'t> UnverifiedToken<'t> {
    /// Reads a token.
    pub(super) fn read(text: &'t str) -> Result<Self, IdTokenFault> {
        if text.len() > MAX_ID_TOKEN {
            return Err(IdTokenFault::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(IdTokenFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(IdTokenFault::Malformed)?;
        let header = object(header)?;
        let claims = object(claims)?;
        let algorithm = algorithm(&header)?;
        Ok(Self {
            algorithm,
            key_id: key_id(&header)?,
            claims,
            signed,
            signature: decoded(signature)?,
        })
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<SigningAlgorithm, IdTokenFault> {
    let name = header.get("alg").and_then(Value::as_str);
    let algorithm = name.and_then(SigningAlgorithm::named);
    let algorithm = algorithm.ok_or(IdTokenFault::Algorithm)?;
    // What would have to be understood, or changes what was signed. Keys that a header brings along
    // (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
    let asks = ["crit", "b64", "zip", "enc"]
        .iter()
        .any(|name| header.contains_key(*name));
    let is_other = match header.get("typ") {
        None => false,
        Some(Value::String(kind)) => !kind.eq_ignore_ascii_case("JWT"),
        Some(_) => true,
    };
    if asks || is_other {
        return Err(IdTokenFault::Header);
    }
    Ok(algorithm)
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, IdTokenFault> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err(IdTokenFault::Malformed),
    }
}

fn object(part: &str) -> Result<Map<String, Value>, IdTokenFault> {
    unique_object(&decoded(part)?).map_err(|why| match why {
        NotUnique::Malformed => IdTokenFault::Malformed,
        NotUnique::Doubled => IdTokenFault::Doubled,
    })
}

fn decoded(part: &str) -> Result<Vec<u8>, IdTokenFault> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| IdTokenFault::Malformed)
}
