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

/// What is tried, the token, and the reason without its `id_token_`.
type Attack = (&'static str, String, &'static str);

#[rustfmt::skip]
fn on_algorithms(issuer: &Issuer) -> Vec<Attack> {
    let claims = Issuer::claims(&json!({})).to_string();
    let rsa = |header: &str| issuer.signed(Signer::Rsa, header, &claims);
    let none = |alg: &str| {
        let header = json!({"alg": alg, "kid": "rsa-1"}).to_string();
        format!("{}.{}.", encoded(header), encoded(&claims))
    };
    let confused = |secret: &[u8]| hmac(r#"{"alg":"HS256","kid":"rsa-1"}"#, &claims, secret);
    let shared = r#"{"alg":"HS256","kid":"shared"}"#;
    let set = issuer.key_set().to_string();
    vec![
        ("none", none("none"), "algorithm"),
        ("None", none("None"), "algorithm"),
        ("nOnE", none("nOnE"), "algorithm"),
        ("no signature", none("RS256"), "signature"),
        ("no algorithm", rsa(r#"{"kid":"rsa-1"}"#), "algorithm"),
        ("several algorithms", rsa(r#"{"alg":["RS256"],"kid":"rsa-1"}"#), "algorithm"),
        ("HMAC with the modulus", confused(&issuer.modulus()), "algorithm"),
        ("HMAC with the key set", confused(set.as_bytes()), "algorithm"),
        ("HMAC with nothing", confused(b""), "algorithm"),
        ("HMAC with a key of the set", hmac(shared, &claims, b"a shared secret"), "algorithm"),
        ("RS384", rsa(r#"{"alg":"RS384","kid":"rsa-1"}"#), "algorithm"),
        ("PS256", rsa(r#"{"alg":"PS256","kid":"rsa-1"}"#), "algorithm"),
        ("RSA as P-256", rsa(r#"{"alg":"ES256","kid":"rsa-1"}"#), "unknown_key"),
        ("RSA as Ed25519", rsa(r#"{"alg":"EdDSA","kid":"ed-1"}"#), "signature"),
        ("P-256 as RSA", rsa(r#"{"alg":"RS256","kid":"ec-1"}"#), "unknown_key"),
    ]
}

#[rustfmt::skip]
fn on_headers(issuer: &Issuer) -> Vec<Attack> {
    let claims = Issuer::claims(&json!({})).to_string();
    let rsa = |header: &str| issuer.signed(Signer::Rsa, header, &claims);
    let with = |members: &str| rsa(&format!(r#"{{"alg":"RS256","kid":"rsa-1",{members}}}"#));
    let named = |kid: &str| rsa(&json!({"alg": "RS256", "kid": kid}).to_string());
    let own_key = json!({"alg": "RS256", "kid": "mine", "jwk": issuer.key_set()["keys"][0]});
    let far = json!({"alg": "RS256", "kid": "mine", "jku": "https://evil.example", "x5u": "x"});
    vec![
        ("another name", named("rsa-2"), "unknown_key"),
        ("a path", named("../../dev/null"), "unknown_key"),
        ("SQL", named("' OR 1=1 --"), "unknown_key"),
        ("a NUL", named("rsa-1\0"), "unknown_key"),
        ("no name's name", named(""), "unknown_key"),
        ("a number", rsa(r#"{"alg":"RS256","kid":1}"#), "malformed"),
        ("a key in the header", rsa(&own_key.to_string()), "unknown_key"),
        ("the address of a key", rsa(&far.to_string()), "unknown_key"),
        ("crit", with(r#""crit":["x"],"x":1"#), "header"),
        ("b64", with(r#""b64":false"#), "header"),
        ("zip", with(r#""zip":"DEF""#), "header"),
        ("an access token", with(r#""typ":"at+jwt""#), "header"),
        ("a doubled alg", rsa(r#"{"alg":"none","alg":"RS256","kid":"rsa-1"}"#), "doubled_member"),
        ("a doubled kid", with(r#""kid":"rsa-1""#), "doubled_member"),
    ]
}

#[rustfmt::skip]
fn on_signatures(issuer: &Issuer) -> Vec<Attack> {
    let claims = Issuer::claims(&json!({})).to_string();
    let good = issuer.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let ends = |signature: &str| format!("{signed}.{signature}");
    let raw = |claims: &str| issuer.signed(Signer::Rsa, RSA, claims);
    let zeros = {
        let header = r#"{"alg":"ES256","kid":"ec-1"}"#;
        format!("{}.{}.{}", encoded(header), encoded(&claims), encoded([0; 64]))
    };
    let deep = format!("{{\"a\":{}", "[".repeat(3_000));
    vec![
        ("none", ends(""), "signature"),
        ("half", ends(&signature[..100]), "signature"),
        ("another's", ends(&encoded([7; 256])), "signature"),
        ("zeros on P-256", zeros, "signature"),
        ("other claims", with_claims(&good, &Issuer::claims(&json!({"x": 1}))), "signature"),
        ("padding", format!("{good}="), "malformed"),
        ("standard base64", ends(&STANDARD.encode([255; 256])), "malformed"),
        ("no JSON", raw("claims"), "malformed"),
        ("a list", raw("[]"), "malformed"),
        ("too long", issuer.token(&json!({"x": "x".repeat(6_000)})), "malformed"),
        ("too deep", raw(&deep), "malformed"),
    ]
}

#[rustfmt::skip]
fn on_meaning(issuer: &Issuer) -> Vec<Attack> {
    let with = |name: &str, value: Value| issuer.token(&json!({name: value}));
    let now = now();
    vec![
        ("another issuer", with("iss", json!("https://evil.example")), "issuer"),
        ("a slash more", with("iss", json!(format!("{ISSUER}/"))), "issuer"),
        ("upper case", with("iss", json!(ISSUER.to_uppercase())), "issuer"),
        ("a list of issuers", with("iss", json!([ISSUER])), "issuer"),
        ("no issuer", with("iss", Value::Null), "issuer"),
        ("another audience", with("aud", json!("https://other.example.com")), "audience"),
        ("a longer audience", with("aud", json!(format!("{AUDIENCE}.evil"))), "audience"),
        ("others' audiences", with("aud", json!(["a", "b"])), "audience"),
        ("no audience", with("aud", Value::Null), "audience"),
        ("expired", with("exp", json!(now - 1)), "expired"),
        ("long expired", with("exp", json!(1)), "expired"),
        ("no end", with("exp", Value::Null), "no_end"),
        ("an end as text", with("exp", json!("9999999999")), "malformed"),
        ("an end beyond all time", with("exp", json!(1e300)), "malformed"),
        ("not yet", with("nbf", json!(now + 3_600)), "not_yet"),
        ("made in the future", with("iat", json!(now + 3_600)), "not_yet"),
    ]
}

#[rustfmt::skip]
fn on_claims(issuer: &Issuer) -> Vec<Attack> {
    let with = |name: &str, value: Value| issuer.token(&json!({name: value}));
    let doubled = |member: &str| {
        let claims = Issuer::claims(&json!({})).to_string();
        let claims = claims.replacen('{', &format!("{{{member},"), 1);
        issuer.signed(Signer::Rsa, RSA, &claims)
    };
    let path = |text: &str| with("project_path", json!(text));
    let name = |value: Value| with("namespace_path", value);
    vec![
        ("another project", path("evil/web"), "claims"),
        ("a project below", path("infra/web/evil"), "claims"),
        ("a project that ends so", path("evil/infra/web"), "claims"),
        ("an open branch", with("ref_protected", json!("false")), "claims"),
        ("no such claim", with("ref_protected", Value::Null), "claims"),
        ("a name with a slash", name(json!("infra/sub")), "scope"),
        ("a name with dots", name(json!("../x")), "scope"),
        ("an empty name", name(json!("")), "scope"),
        ("a list as a name", name(json!(["infra"])), "scope"),
        ("no name", name(Value::Null), "scope"),
        ("a doubled claim", doubled(r#""ref_protected":"false""#), "doubled_member"),
        ("a doubled issuer", doubled(r#""iss":"https://evil.example""#), "doubled_member"),
        ("a doubled member within", doubled(r#""x":{"a":1,"a":2}"#), "doubled_member"),
    ]
}

fn each_is_refused(server: &Server, attacks: &[Attack]) {
    // Each from its own address, so that none is refused for those before it.
    let address = |number: usize| format!("127.0.1.{}", number + 1);
    for (number, (what, token, _)) in attacks.iter().enumerate() {
        let stranger = server.anonymous().calling_from(&address(number));
        let answer = exchange(&stranger, token, &json!({}));
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        let direct = server.with(token).calling_from(&address(number));
        let answer = direct.get("/api/whoami");
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    for (number, (what, _, reason)) in attacks.iter().enumerate() {
        let from = address(number);
        let event = refusal(server, |event| event["address"] == from.as_str());
        let expected = format!("id_token_{reason}");
        assert_eq!(event["detail"]["reason"], expected, "{what}: {event}");
    }
}

#[test]
fn forged_headers_and_signatures_are_refused_with_their_reasons() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let attacks = [
        on_algorithms(&issuer),
        on_headers(&issuer),
        on_signatures(&issuer),
    ];
    each_is_refused(&server, &attacks.concat());
    exchange(&server.anonymous(), &issuer.token(&json!({})), &json!({})).expect_status(200);
    assert_eq!(server.admin().events("kind=login").len(), 1);
}

#[test]
fn signed_tokens_that_are_not_meant_are_refused_with_their_reasons() {
    let server = Server::start();
    let issuer = Issuer::new();
    let trust = make(&server, &issuer.trust("gitlab"));
    each_is_refused(&server, &[on_meaning(&issuer), on_claims(&issuer)].concat());
    exchange(&server.anonymous(), &issuer.token(&json!({})), &json!({})).expect_status(200);
    let event = refused(&server, "id_token_claims");
    let named = &event["actor"]["id"];
    assert_eq!(named, &trust["id"], "behind a good signature it is named");
    let event = refused(&server, "id_token_issuer");
    assert_eq!(event["actor"], Value::Null);
}

#[test]
fn a_token_without_a_key_name_needs_a_set_without_a_choice() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let unnamed = |issuer: &Issuer| {
        let claims = Issuer::claims(&json!({})).to_string();
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
    let good = issuer.token(&json!({}));
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    let forged = format!("{signed}.{}", encoded([7; 256]));
    let stranger = server.anonymous();
    let flood = || {
        for _ in 0..20 {
            let status = exchange(&stranger, &forged, &json!({})).status.as_u16();
            assert!([401, 429].contains(&status), "{status}");
        }
    };
    // An answer with 429 is a while in coming.
    std::thread::scope(|scope| (0..10).for_each(|_| drop(scope.spawn(flood))));
    refused(&server, "id_token_signature");
    let events = server.admin().events("kind=credentials.refused");
    assert!(events.len() <= 4, "they are gathered: {}", events.len());
    let good = issuer.token(&json!({}));
    server.with(&good).get("/api/whoami").expect_status(200);
}
