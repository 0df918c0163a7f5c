//! A matrix of attacks on ID tokens: each is refused with 401, exchanged and as it is, and each has
//! its reason in the event. The token that each of them is made from is let in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::issuer::{AUDIENCE, ISSUER, Issuer, Signer, encoded, now};
use super::{exchange, make, refusal, refused};
use crate::harness::Server;

const RSA: &str = r#"{"alg":"RS256","kid":"rsa-1"}"#;

/// A token under an HMAC with a secret.
fn hmac(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encoded(mac.finalize().into_bytes()))
}

/// The same token with other claims under its old signature.
fn with_claims(token: &str, claims: &Value) -> String {
    let mut parts = token.split('.');
    let (header, signature) = (
        parts.next().expect("a header"),
        parts.nth(1).expect("three"),
    );
    format!("{header}.{}.{signature}", encoded(claims.to_string()))
}

/// Attacks on the form, the header and the signature: what, the token, and the reason.
fn on_signatures(issuer: &Issuer) -> Vec<(&'static str, String, &'static str)> {
    let claims = issuer.claims(&json!({})).to_string();
    let good = issuer.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let rsa = |header: &str| issuer.signed(Signer::Rsa, header, &claims);
    let none = |alg: &str| {
        format!(
            "{}.{}.",
            encoded(json!({"alg": alg}).to_string()),
            encoded(&claims)
        )
    };
    let shared = r#"{"alg":"HS256","kid":"shared"}"#;
    let confused = r#"{"alg":"HS256","kid":"rsa-1"}"#;
    let set = issuer.key_set().to_string();
    let own_key = json!({"alg": "RS256", "kid": "mine", "jwk": issuer.key_set()["keys"][0]});
    let far =
        json!({"alg": "RS256", "kid": "mine", "jku": "https://evil.example/keys", "x5u": "x"});
    vec![
        ("none", none("none"), "id_token_algorithm"),
        ("None", none("None"), "id_token_algorithm"),
        (
            "no algorithm",
            rsa(r#"{"kid":"rsa-1"}"#),
            "id_token_algorithm",
        ),
        (
            "a list of algorithms",
            rsa(r#"{"alg":["RS256"],"kid":"rsa-1"}"#),
            "id_token_algorithm",
        ),
        (
            "HMAC with the modulus",
            hmac(confused, &claims, &issuer.modulus()),
            "id_token_algorithm",
        ),
        (
            "HMAC with the set",
            hmac(confused, &claims, set.as_bytes()),
            "id_token_algorithm",
        ),
        (
            "HMAC with a key of the set",
            hmac(shared, &claims, b"a shared secret"),
            "id_token_algorithm",
        ),
        (
            "RS384",
            rsa(r#"{"alg":"RS384","kid":"rsa-1"}"#),
            "id_token_algorithm",
        ),
        (
            "PS256",
            rsa(r#"{"alg":"PS256","kid":"rsa-1"}"#),
            "id_token_algorithm",
        ),
        (
            "an RSA key as one of P-256",
            rsa(r#"{"alg":"ES256","kid":"rsa-1"}"#),
            "id_token_unknown_key",
        ),
        (
            "a key of P-256 as RSA",
            rsa(r#"{"alg":"RS256","kid":"ec-1"}"#),
            "id_token_unknown_key",
        ),
        (
            "another RSA key's name",
            rsa(r#"{"alg":"RS256","kid":"rsa-2"}"#),
            "id_token_unknown_key",
        ),
        (
            "a path as kid",
            rsa(r#"{"alg":"RS256","kid":"../../dev/null"}"#),
            "id_token_unknown_key",
        ),
        (
            "SQL as kid",
            rsa(r#"{"alg":"RS256","kid":"' OR 1=1 --"}"#),
            "id_token_unknown_key",
        ),
        (
            "an empty kid",
            rsa(r#"{"alg":"RS256","kid":""}"#),
            "id_token_unknown_key",
        ),
        (
            "a number as kid",
            rsa(r#"{"alg":"RS256","kid":1}"#),
            "id_token_malformed",
        ),
        (
            "a key in the header",
            rsa(&own_key.to_string()),
            "id_token_unknown_key",
        ),
        (
            "the address of a key",
            rsa(&far.to_string()),
            "id_token_unknown_key",
        ),
        (
            "crit",
            rsa(r#"{"alg":"RS256","kid":"rsa-1","crit":["x"],"x":1}"#),
            "id_token_header",
        ),
        (
            "b64",
            rsa(r#"{"alg":"RS256","kid":"rsa-1","b64":false}"#),
            "id_token_header",
        ),
        (
            "an access token",
            rsa(r#"{"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}"#),
            "id_token_header",
        ),
        (
            "a doubled alg",
            rsa(r#"{"alg":"none","alg":"RS256","kid":"rsa-1"}"#),
            "id_token_doubled_member",
        ),
        (
            "an empty signature",
            format!("{signed}."),
            "id_token_signature",
        ),
        (
            "half a signature",
            format!("{signed}.{}", &signature[..100]),
            "id_token_signature",
        ),
        (
            "another's signature",
            format!("{signed}.{}", encoded([7; 256])),
            "id_token_signature",
        ),
        (
            "zeros on P-256",
            {
                let header = r#"{"alg":"ES256","kid":"ec-1"}"#;
                format!(
                    "{}.{}.{}",
                    encoded(header),
                    encoded(&claims),
                    encoded([0; 64])
                )
            },
            "id_token_signature",
        ),
        (
            "other claims",
            with_claims(&good, &issuer.claims(&json!({"jti": "x"}))),
            "id_token_signature",
        ),
        ("padding", format!("{good}="), "id_token_malformed"),
        (
            "standard base64",
            {
                let part = STANDARD.encode([255; 256]);
                format!("{signed}.{part}")
            },
            "id_token_malformed",
        ),
        (
            "no JSON",
            issuer.signed(Signer::Rsa, RSA, "claims"),
            "id_token_malformed",
        ),
        (
            "a list",
            issuer.signed(Signer::Rsa, RSA, "[]"),
            "id_token_malformed",
        ),
        (
            "too long",
            issuer.token(&json!({"x": "x".repeat(6_000)})),
            "id_token_malformed",
        ),
        (
            "deep",
            issuer.signed(Signer::Rsa, RSA, &format!("{{\"a\":{}", "[".repeat(3_000))),
            "id_token_malformed",
        ),
    ]
}

/// Attacks on what a token says, under a good signature.
fn on_claims(issuer: &Issuer) -> Vec<(&'static str, String, &'static str)> {
    let with = |more: Value| issuer.token(&more);
    let raw = |claims: String| issuer.signed(Signer::Rsa, RSA, &claims);
    let doubled = |member: &str| {
        let claims = issuer.claims(&json!({})).to_string();
        raw(claims.replacen('{', &format!("{{{member},"), 1))
    };
    let now = now();
    vec![
        (
            "another issuer",
            with(json!({"iss": "https://evil.example"})),
            "id_token_issuer",
        ),
        (
            "a slash more",
            with(json!({"iss": format!("{ISSUER}/")})),
            "id_token_issuer",
        ),
        (
            "upper case",
            with(json!({"iss": ISSUER.to_uppercase()})),
            "id_token_issuer",
        ),
        (
            "a list of issuers",
            with(json!({"iss": [ISSUER]})),
            "id_token_issuer",
        ),
        ("no issuer", with(json!({"iss": null})), "id_token_issuer"),
        (
            "another audience",
            with(json!({"aud": "https://other.example.com"})),
            "id_token_audience",
        ),
        (
            "an audience that begins so",
            with(json!({"aud": format!("{AUDIENCE}.evil.example")})),
            "id_token_audience",
        ),
        (
            "several audiences, not ours",
            with(json!({"aud": ["a", "b"]})),
            "id_token_audience",
        ),
        (
            "no audience",
            with(json!({"aud": null})),
            "id_token_audience",
        ),
        ("expired", with(json!({"exp": now - 1})), "id_token_expired"),
        ("long expired", with(json!({"exp": 1})), "id_token_expired"),
        ("no end", with(json!({"exp": null})), "id_token_no_end"),
        (
            "an end as text",
            with(json!({"exp": "9999999999"})),
            "id_token_malformed",
        ),
        (
            "an end beyond all time",
            with(json!({"exp": 1e300})),
            "id_token_malformed",
        ),
        (
            "not yet",
            with(json!({"nbf": now + 3_600})),
            "id_token_not_yet",
        ),
        (
            "made in the future",
            with(json!({"iat": now + 3_600})),
            "id_token_not_yet",
        ),
        (
            "another project",
            with(json!({"project_path": "evil/web"})),
            "id_token_claims",
        ),
        (
            "a project below",
            with(json!({"project_path": "infra/web/evil"})),
            "id_token_claims",
        ),
        (
            "a project that ends so",
            with(json!({"project_path": "evil/infra/web"})),
            "id_token_claims",
        ),
        (
            "an open branch",
            with(json!({"ref_protected": "false"})),
            "id_token_claims",
        ),
        (
            "no such claim",
            with(json!({"ref_protected": null})),
            "id_token_claims",
        ),
        (
            "a name with a slash",
            with(json!({"namespace_path": "infra/sub"})),
            "id_token_scope",
        ),
        (
            "a name with dots",
            with(json!({"namespace_path": "../x"})),
            "id_token_scope",
        ),
        (
            "an empty name",
            with(json!({"namespace_path": ""})),
            "id_token_scope",
        ),
        (
            "a list as a name",
            with(json!({"namespace_path": ["infra"]})),
            "id_token_scope",
        ),
        (
            "a doubled claim",
            doubled(r#""ref_protected":"false""#),
            "id_token_doubled_member",
        ),
        (
            "a doubled issuer",
            doubled(r#""iss":"https://evil.example""#),
            "id_token_doubled_member",
        ),
        (
            "a doubled member within",
            doubled(r#""x":{"a":1,"a":2}"#),
            "id_token_doubled_member",
        ),
    ]
}

fn each_is_refused(attacks: Vec<(&'static str, String, &'static str)>, server: &Server) {
    // Each from its own address, so that none is refused for those before it.
    let address = |number: usize| format!("127.0.1.{}", number + 1);
    for (number, (what, token, _)) in attacks.iter().enumerate() {
        let stranger = server.anonymous().calling_from(&address(number));
        let answer = exchange(&stranger, token, &json!({}));
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        let direct = server.with(token).calling_from(&address(number));
        direct
            .get("/api/whoami")
            .expect_problem(401, "unauthorized");
    }
    for (number, (what, _, reason)) in attacks.iter().enumerate() {
        let from = address(number);
        let counted = |event: &Value| event["address"] == from.as_str();
        let event = refusal(server, counted);
        assert_eq!(event["detail"]["reason"], *reason, "{what}: {event}");
    }
}

#[test]
fn forged_headers_and_signatures_are_refused_with_their_reasons() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    each_is_refused(on_signatures(&issuer), &server);
    exchange(&server.anonymous(), &issuer.token(&json!({})), &json!({})).expect_status(200);
    assert_eq!(server.admin().events("kind=login").len(), 1);
}

#[test]
fn signed_tokens_that_are_not_meant_are_refused_with_their_reasons() {
    let server = Server::start();
    let issuer = Issuer::new();
    let trust = make(&server, &issuer.trust("gitlab"));
    each_is_refused(on_claims(&issuer), &server);
    exchange(&server.anonymous(), &issuer.token(&json!({})), &json!({})).expect_status(200);
    let event = refused(&server, "id_token_claims");
    assert_eq!(
        event["actor"]["id"], trust["id"],
        "the signature is good, so it is named"
    );
    let event = refused(&server, "id_token_issuer");
    assert_eq!(event["actor"], Value::Null);
}

#[test]
fn a_token_without_a_key_name_needs_a_set_without_a_choice() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let unnamed = |issuer: &Issuer| {
        let claims = issuer.claims(&json!({})).to_string();
        issuer.signed(Signer::Rsa, r#"{"alg":"RS256"}"#, &claims)
    };
    // One key of each kind: the algorithm leaves no choice.
    server
        .with(&unnamed(&issuer))
        .get("/api/whoami")
        .expect_status(200);
    let mut set = issuer.key_set();
    let mut second = set["keys"][0].clone();
    second["kid"] = json!("rsa-2");
    set["keys"].as_array_mut().expect("a list").push(second);
    let server = Server::start();
    issuer.publish(&set);
    make(&server, &issuer.trust("gitlab"));
    server
        .with(&unnamed(&issuer))
        .get("/api/whoami")
        .expect_problem(401, "unauthorized");
    refused(&server, "id_token_unknown_key");
    server
        .with(&issuer.token(&json!({})))
        .get("/api/whoami")
        .expect_status(200);
}

#[test]
fn a_flood_of_forged_tokens_brings_a_bounded_number_of_events() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let forged = format!(
        "{}x",
        issuer
            .token(&json!({}))
            .trim_end_matches(char::is_alphanumeric)
    );
    let stranger = server.anonymous();
    for _ in 0..200 {
        let answer = exchange(&stranger, &forged, &json!({}));
        assert!(
            [401, 429].contains(&answer.status.as_u16()),
            "{}",
            answer.status
        );
    }
    refused(&server, "id_token_signature");
    let events = server.admin().events("kind=credentials.refused");
    assert!(events.len() <= 4, "they are gathered: {}", events.len());
    let good = issuer.token(&json!({}));
    server.with(&good).get("/api/whoami").expect_status(200);
}
