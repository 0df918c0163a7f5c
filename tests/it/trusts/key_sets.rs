//! The key set of an issuer in a file: read again when it changes, and no keys once it cannot be
//! read.

use serde_json::{Value, json};

use super::issuer::{Issuer, Signer, encoded};
use super::{make, refused};
use crate::harness::{Server, eventually};

#[test]
fn a_key_set_that_changes_is_read_again() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let by = |signer| server.with(&issuer.token_by(signer, &json!({})));
    by(Signer::Rsa).get("/api/whoami").expect_status(200);
    let status = |signer| by(signer).get("/api/whoami").status;

    let mut without = issuer.key_set();
    without["keys"].as_array_mut().expect("a list").remove(0);
    issuer.publish(&without);
    eventually("a key that was taken out is not taken", || {
        status(Signer::Rsa) == 401
    });
    by(Signer::P256).get("/api/whoami").expect_status(200);
    refused(&server, "id_token_unknown_key");

    std::fs::remove_file(issuer.file()).expect("the file");
    eventually("without its file an issuer has no keys", || {
        status(Signer::P256) == 401
    });
    refused(&server, "id_token_no_keys");

    issuer.publish(&issuer.key_set());
    eventually("a key that is back is taken", || status(Signer::Rsa) == 200);
}

#[test]
fn what_a_key_says_of_its_use_holds() {
    let issuer = Issuer::new();
    for (change, expected) in [
        (json!({}), 200),
        (json!({"use": "enc"}), 401),
        (json!({"key_ops": ["verify"]}), 200),
        (json!({"key_ops": ["encrypt"]}), 401),
        (json!({"alg": "RS512"}), 401),
        (json!({"alg": "ES256"}), 401),
        (json!({"kty": "oct"}), 401),
        (json!({"n": encoded([255; 128])}), 401),
        (json!({"e": "AAEAAQ"}), 200),
    ] {
        let mut set = issuer.key_set();
        for (name, value) in change.as_object().expect("an object") {
            set["keys"][0][name] = value.clone();
        }
        issuer.publish(&set);
        let server = Server::start();
        make(&server, &issuer.trust("gitlab"));
        let caller = server.with(&issuer.token(&json!({})));
        assert_eq!(caller.get("/api/whoami").status, expected, "{change}");
    }
}

#[test]
fn a_file_that_is_no_key_set_makes_no_trust_and_is_not_told() {
    let server = Server::start();
    let issuer = Issuer::new();
    let admin = server.admin();
    let refusal = |path: &str| -> Value {
        let mut trust = issuer.trust("gitlab");
        trust["jwks_file"] = json!(path);
        let answer = admin.post_json("/api/trusts", &trust);
        answer.expect_problem(400, "bad_request").json()
    };
    let file = issuer.file();
    let path = file.to_str().expect("UTF-8");
    let many = json!({"keys": vec![issuer.key_set()["keys"][0].clone(); 101]});
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(256 * 1024));
    let doubled = format!("{{\"keys\":[],\"keys\":{}}}", issuer.key_set()["keys"]);
    let private = "-----BEGIN SECRET-----";
    for text in [
        private,
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":{}}",
        &many.to_string(),
        &large,
        &doubled,
    ] {
        std::fs::write(&file, text).expect("the file");
        let answer = refusal(path).to_string();
        assert!(answer.contains("no JWK set"), "{answer}");
        assert!(!answer.contains("SECRET"), "{answer}");
    }
    for path in [
        "",
        "issuer.jwks",
        "./issuer.jwks",
        "/dev/zero",
        "/",
        "/nowhere/at/all",
        "/a\nb",
    ] {
        refusal(path);
    }
}
