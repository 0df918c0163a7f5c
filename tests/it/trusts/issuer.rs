//! An issuer of ID tokens for tests: its keys, its key set in a file, and tokens that it signs,
//! good ones and any others.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::Server;

/// An RSA key that is for these tests alone: it signs nothing that anybody trusts. The other keys
/// are made anew, but `ring` makes none of RSA.
const RSA_KEY_OF_TESTS: &str = "\
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDLIPuxabpnCNMLZSceGlGeGqEvWoUu6X0uIpEZ\
udfnsmeoHybIWh+NNUNfiX4tpkW8rJDJvFlMEVTNWivQ3sjfXKKxjY1OI+MYQoGuuFZ3MvEfmrX1fQpYdZnJvrWG\
syX/jeNFh3Ci1kKVeC/lxWUhsKsQhnJ72U75WtLnWenbo+eLIO2TA2L5YPHNlCg1xmib1PYUtqFDAnx97yL6EKQH\
s5i5Mz6a5CG3N5+y49R2vR3Pg3kjXTQrXQs6C99/nULNTrnVtN/9t2TbBxIFZJpEQa2fzphs7rtcoQuVlqx3UcHn\
QU4n5bnNVmuFZup7tGy2sxXeE+FHd/cWqyKkGYAjAgMBAAECggEAEsoWGMGaa/h4KSLYsk37RGrbLmRVqH1m8RMN\
JU+NsKbN3tJ5hb6MZ5qd2k2qEx1BGyRCml6RS1ouZCEV/NKhdcPTCtB4ry8zolADQJRYRIYSTCWan5QgQQbTzG0X\
IS1wyN7+Pwq5uQj6YhVwJ3VnFu2Jd/8FF6lbcZux9ujYGyhia2SpLQTYVKvF3dY8ThqMtuBWU1eAOBE9pci+OiAw\
oZKy+Qx+XG4tM9K2b6C1fjW5uX67vQ3G2ImdnnJCjDV3Luu1LkpP7Zto+lLeC4WhZM0RmiNP9ly2ScgGrZ4NLnl/\
h3y/OVnolXFEa6+5F5RNIPJkepE3jTXJPva27SQzfQKBgQDvPQEA0LSUHGT8R2MUiqLNWPJB/wRYrlmHJ/iJzXZ3\
5c/fuBU/pO5nMroZqy+50L/Smp8R2LDT1gUEahWAOYrlDvAUU0ZKL+j5aLt20eU03J4+eazD1QtujnK2cxU0tKEB\
Zo85cAUWdCKZ0dr1siRxoHQ2Fd/F0/H1TSAgJIsJfwKBgQDZXFE9DqEKo0t7YskKFQ5Ncz/zb1lhsKjblsvwfQ1e\
oJdUB/WvXLHYwOx9ohuzfG8MODdL4w52+A+z3ym3S2uSnopkQGLLRPg8rpHjWrMxlebp0qfjvTmjXku0YjEO11U4\
XRlQr7/0moQcCmfsSVot3S3YSb9ISZ/8niPiQy1zXQKBgQDikGJP1Fb/YTid1jlV7ckqMY8Twx/poAv3PHpafrMv\
7vsDQsEUyexg3SBzSLRlA/V1zKrSauVjaG7N9G0yRsxsCs6AYTDS9zZqZK4MY9DuU/Sk8/QSbcNqywqGEMzHYjyM\
KAWBfr3Cuu89vwje3/s1hKApzGNkZUjiZ00CQ7lMnwKBgQCPsSzvfUVPIAadaf/Xj3XmE6OaTek74KqwiC8IK9Nz\
1BxWa/CqXlAgJ+HvaASCEmfjHyLHIzKDyZev5H7ScqSJyA9bGQl2sYCdtRYyw9oklKGTwDRHJOf+rS7E8AjYc9gd\
q8Y5hgYTMTbWxrZPCWr5WPeevZobsrh2KyEzyg847QKBgFMD28h/5SViHk+OQnrrq0w8G0inupPVUJGAfyzhNB9j\
Ff804JNlMdEl6rzkB081CCMrLLV4fbfuhkarKOI4n95ekxlcH2+Lqzy0GSGNMH9QvYzw0W0rLdHmNWJhKrRVAwcz\
TPUdlY+KFNhZkcJ2e0rA249qkAjffNVrjF2d8xBL\
";

/// Who a trust of the tests trusts.
pub(crate) const ISSUER: &str = "https://gitlab.example.com";
/// For whom its tokens are.
pub(crate) const AUDIENCE: &str = "https://statekeep.example.com";

/// With which of its keys an issuer signs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signer {
    Rsa,
    P256,
    Ed25519,
}

impl Signer {
    pub(crate) const ALL: [Self; 3] = [Self::Rsa, Self::P256, Self::Ed25519];

    /// The algorithm and the name of the key.
    pub(crate) const fn header(self) -> (&'static str, &'static str) {
        match self {
            Self::Rsa => ("RS256", "rsa-1"),
            Self::P256 => ("ES256", "ec-1"),
            Self::Ed25519 => ("EdDSA", "ed-1"),
        }
    }
}

/// An issuer of ID tokens.
pub(crate) struct Issuer {
    dir: TempDir,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A trust for the workspace `team` whose key set lies beside a server's data, for tests of calls.
/// Nobody has the key that signs for it.
pub(crate) fn any_trust(server: &Server, name: &str) -> Value {
    let file = server.data().join("issuer.jwks");
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": encoded([7; 32])});
    std::fs::write(&file, json!({"keys": [key]}).to_string()).expect("the key set");
    json!({
        "name": name, "issuer": ISSUER, "audience": AUDIENCE, "jwks_file": file,
        "claims": {"sub": "x"}, "workspace": "team", "role": "reader",
    })
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

impl Issuer {
    /// An issuer whose key set is in its file.
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let (ec, ed) = (&ECDSA_P256_SHA256_FIXED_SIGNING, "a new key");
        let p256 = EcdsaKeyPair::generate_pkcs8(ec, &random).expect(ed);
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).expect(ed);
        let rsa = STANDARD.decode(RSA_KEY_OF_TESTS).expect("base64");
        let issuer = Self {
            dir: TempDir::new().expect("a temporary directory"),
            rsa: RsaKeyPair::from_pkcs8(&rsa).expect("the key"),
            p256: EcdsaKeyPair::from_pkcs8(ec, p256.as_ref(), &random).expect("the key"),
            ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).expect("the key"),
        };
        issuer.publish(&issuer.key_set());
        issuer
    }

    /// The file with the key set.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("issuer.jwks")
    }

    /// Puts another key set into the file's place.
    pub(crate) fn publish(&self, set: &Value) {
        let next = self.dir.path().join("next");
        std::fs::write(&next, set.to_string()).expect("the key set");
        std::fs::rename(next, self.file()).expect("the key set");
    }

    /// The RSA key's modulus, as a JWK has it.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        PublicKeyComponents::<Vec<u8>>::from(self.rsa.public()).n
    }

    pub(crate) fn key_set(&self) -> Value {
        let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = self.p256.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa-1", "use": "sig", "alg": "RS256",
             "n": encoded(rsa.n), "e": encoded(rsa.e)},
            {"kty": "EC", "crv": "P-256", "kid": "ec-1", "use": "sig",
             "x": encoded(&point[1..33]), "y": encoded(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed-1",
             "x": encoded(self.ed25519.public_key().as_ref())},
            {"kty": "oct", "kid": "shared", "k": encoded("a shared secret")},
        ]})
    }

    /// The claims of a good token, and these.
    pub(crate) fn claims(more: &Value) -> Value {
        let now = now();
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now - 5, "exp": now + 300,
            "jti": "j-1", "sub": "project_path:infra/web:ref_type:branch:ref:main",
            "project_path": "infra/web", "namespace_path": "infra", "ref_protected": "true",
        });
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            }
        }
        claims
    }

    /// A good token with these claims beside the usual ones.
    pub(crate) fn token(&self, more: &Value) -> String {
        self.token_by(Signer::Rsa, more)
    }

    /// The same, signed with one of the keys.
    pub(crate) fn token_by(&self, signer: Signer, more: &Value) -> String {
        let (algorithm, key) = signer.header();
        let header = json!({"alg": algorithm, "kid": key, "typ": "JWT"});
        self.signed(signer, &header.to_string(), &Self::claims(more).to_string())
    }

    /// A token of any header and any claims, with a good signature of a key.
    pub(crate) fn signed(&self, signer: Signer, header: &str, claims: &str) -> String {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let signature = encoded(self.signature(signer, text.as_bytes()));
        format!("{text}.{signature}")
    }

    fn signature(&self, signer: Signer, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match signer {
            Signer::Rsa => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let done = self
                    .rsa
                    .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                done.expect("a signature");
                signature
            }
            Signer::P256 => {
                let signature = self.p256.sign(&random, message).expect("a signature");
                signature.as_ref().to_vec()
            }
            Signer::Ed25519 => self.ed25519.sign(message).as_ref().to_vec(),
        }
    }

    /// What makes a trust in this issuer: claims of a protected branch of `infra`, for the
    /// workspace of the namespace.
    pub(crate) fn trust(&self, name: &str) -> Value {
        json!({
            "name": name, "issuer": ISSUER, "audience": AUDIENCE, "jwks_file": self.file(),
            "claims": {"project_path": "infra/*", "ref_protected": "true"},
            "workspace": "{namespace_path}", "role": "writer",
        })
    }
}
