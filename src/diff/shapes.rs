//! Texts that are secret by their shape, under any name: tokens by their prefix, private keys,
//! addresses with a password, and settings inside a text.
//!
//! A text of another format is looked into: JSON, and base64 of a text. It is better to hide one
//! value too many.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;

use super::json::{JsonKind, Tree, Value};
use super::names::{give_away, is_naming, mentions, plain};
use super::settings::has_secret_setting;
use super::text::unquoted;

/// A text in a text in a text is looked into, and no further.
const MAX_WITHIN: usize = 3;
/// Text of base64 that is shorter is a word like any other.
const LEAST_BASE64: usize = 16;

/// Private keys, as they are and in base64 with one of three beginnings, and hashes of passwords.
const ANYWHERE: &[&str] = &[
    "PRIVATE KEY",
    "UFJJVkFURSBL",
    "BSSVZBVEUgS0VZ",
    "QUklWQVRFIEtF",
    "PuTTY-User-Key-File",
    "UHVUVFktVXNlci1L",
    "B1VFRZLVVzZXItS2V5",
    "QdVRUWS1Vc2VyLUtl",
    "AGE-SECRET-KEY-",
    "AGE-PLUGIN-",
    "QUdFLVNFQ1JFVC1LRVkt",
    "FHRS1TRUNSRVQtS0VZ",
    "BR0UtU0VDUkVULUtF",
    "$2a$",
    "$2b$",
    "$2y$",
    "$5$",
    "$6$",
    "$y$",
    "$apr1$",
    "$argon2",
    ".atlasv1.",
];
/// Addresses that let everybody in who knows them, in lower case; and what only an address with a
/// password has before it.
const ADDRESSES: &[&str] = &[
    "hooks.slack.com/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    ".webhook.office.com/",
    "outlook.office.com/webhook",
    "outlook.office365.com/webhook",
    ".logic.azure.com",
    ".powerplatform.com",
    "chat.googleapis.com/v1/spaces/",
    "hooks.zapier.com/hooks/",
    "maker.ifttt.com/",
    "events.pagerduty.com/integration/",
    "alert.victorops.com/integrations/",
    "hooks.chime.aws/incomingwebhooks/",
    "api.telegram.org/bot",
    "oapi.dingtalk.com/robot/",
    "open.feishu.cn/open-apis/bot/",
    "@tcp(",
    "@unix(",
];
/// How tokens of known kinds begin, and how many letters, digits, `_` and `-` follow at least.
const TOKENS: &[(&str, usize)] = &[
    ("skp_", 20),
    ("skt_", 20),
    ("skh_", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 16),
    ("gldt-", 16),
    ("glrt-", 16),
    ("glptt-", 16),
    ("glcbt-", 16),
    ("glsoat-", 16),
    ("glft-", 16),
    ("glagent-", 16),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxe-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-1-", 8),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("rk_live_", 8),
    ("whsec_", 8),
    ("sk-ant-", 8),
    ("sk-proj-", 8),
    ("hvs.", 16),
    ("hvb.", 16),
    ("hvr.", 16),
    ("npm_", 36),
    ("pypi-", 16),
    ("dop_v1_", 16),
    ("doo_v1_", 16),
    ("AIza", 30),
    ("ya29.", 16),
    ("GOCSPX-", 16),
    ("SG.", 16),
    ("dckr_pat_", 16),
    ("glsa_", 16),
    ("shpat_", 16),
    ("dapi", 32),
    ("lin_api_", 16),
];
/// The name and the password of an address stand within so many bytes.
const MAX_ADDRESS: usize = 1024;
/// The least length of each of the three parts of a JSON web token.
const LEAST_JWT_PART: usize = 8;
/// How an object of JSON begins in base64.
const JWT_BEGIN: &str = "eyJ";

/// Whether a text is a secret, or has one in it.
pub(super) fn is_secret(text: &str) -> bool {
    is_secret_within(text, MAX_WITHIN)
}

fn is_secret_within(text: &str, within: usize) -> bool {
    let text = plain(text);
    let text = text.as_ref();
    ANYWHERE.iter().any(|known| text.contains(known))
        || has_token(text)
        || has_password_address(text)
        || has_secret_setting(text)
        || within > 0 && (is_secret_json(text, within - 1) || is_secret_base64(text, within - 1))
}

fn is_token_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

/// Whether a token of a known kind begins at a word's beginning.
fn has_token(text: &str) -> bool {
    let mut before = ' ';
    text.char_indices().any(|(at, letter)| {
        let before = std::mem::replace(&mut before, letter);
        let is_begin = letter.is_ascii_alphabetic() && !before.is_ascii_alphanumeric();
        is_begin
            && (is_known_token(&text[at..])
                || !is_token_letter(before) && before != '.' && is_jwt(&text[at..]))
    })
}

fn is_known_token(rest: &str) -> bool {
    TOKENS.iter().any(|(begin, least)| {
        let has_enough = |rest: &str| {
            let letters = rest
                .chars()
                .take(*least)
                .filter(|letter| is_token_letter(*letter));
            letters.count() == *least
        };
        rest.strip_prefix(begin).is_some_and(has_enough)
    })
}

/// Three parts of base64, of which the first is an object of JSON.
fn is_jwt(rest: &str) -> bool {
    let mut rest = rest;
    for _ in 0..2 {
        let length = rest
            .find(|letter| !is_token_letter(letter))
            .unwrap_or(rest.len());
        let is_part = length >= LEAST_JWT_PART && rest[length..].starts_with('.');
        if !is_part || !rest.starts_with(JWT_BEGIN) {
            return false;
        }
        rest = &rest[length + 1..];
    }
    rest.starts_with(is_token_letter)
}

/// Whether there is an address that has a password in it, or is one.
fn has_password_address(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        rest = &rest[at + 3..];
        if has_userinfo(rest) {
            return true;
        }
    }
    let text = text.to_ascii_lowercase();
    ADDRESSES.iter().any(|known| text.contains(known))
}

/// Whether an address goes on with a name and a password, which may have any character in it.
fn has_userinfo(rest: &str) -> bool {
    let is_end = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '<' | '>');
    let rest = &rest[..rest.floor_char_boundary(MAX_ADDRESS)];
    let address = rest.split(is_end).next().unwrap_or_default();
    let Some((user, after)) = address.split_once(':') else {
        return false;
    };
    let is_host = user.starts_with('[') || user.contains(['/', '@', '?', '#']);
    let port = after.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    after
        .find('@')
        .is_some_and(|at| at > 0 && !is_host && !(is_port && at > port.len()))
}

/// Whether a text is JSON with a secret in it. A mark of the order of bytes may come before it.
fn is_secret_json(text: &str, within: usize) -> bool {
    let text =
        text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    if !text.starts_with(['{', '[', '"']) {
        return false;
    }
    if !text.starts_with('"') && mentions(text) {
        return true;
    }
    let Ok(json) = serde_json::from_str::<&RawValue>(text.trim_end()) else {
        // What only looks like JSON may be read by others: each escape of it counts.
        return !text.starts_with('"')
            && mentions(&unquoted(&format!("\"{}\"", text.replace('"', " "))));
    };
    // What is too crowded to take apart is not shown.
    Tree::of(json.get()).is_none_or(|tree| has_secret(tree.root(), within))
}

/// Whether something in a value is secret by its name or its shape.
fn has_secret(root: Value<'_>, within: usize) -> bool {
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        match value.kind() {
            JsonKind::Text if is_secret_within(&unquoted(value.text()), within) => return true,
            JsonKind::Object if names_secret(value) => return true,
            JsonKind::List if flags(value).next().is_some() => return true,
            JsonKind::Object => open.extend(value.children().skip(1).step_by(2)),
            JsonKind::List => open.extend(value.children()),
            JsonKind::Text | JsonKind::Number | JsonKind::Word => {}
        }
    }
    false
}

/// Whether a member's name gives it away, or names a secret among its siblings.
fn names_secret(object: Value<'_>) -> bool {
    let mut names = object.children().step_by(2);
    names.any(|name| give_away(&unquoted(name.text()))) || has_naming(object)
}

/// Whether an object is one of a list of names and values, and its name gives its value away:
/// `{"name": "DB_PASSWORD", "value": …}`.
pub(super) fn has_naming(object: Value<'_>) -> bool {
    let mut children = object.children();
    while let (Some(name), Some(value)) = (children.next(), children.next()) {
        if value.kind() == JsonKind::Text
            && is_naming(&unquoted(name.text()))
            && give_away(&unquoted(value.text()))
        {
            return true;
        }
    }
    false
}

/// The places in a list of arguments that come after a flag which gives them away:
/// `["--password", …]`.
pub(super) fn flags(list: Value<'_>) -> impl Iterator<Item = usize> + use<'_> {
    let mut before = false;
    list.children().enumerate().filter_map(move |(at, value)| {
        let is_named = std::mem::replace(&mut before, is_flag(value));
        is_named.then_some(at)
    })
}

fn is_flag(value: Value<'_>) -> bool {
    let text = unquoted(value.text());
    value.kind() == JsonKind::Text && text.starts_with('-') && give_away(&text)
}

/// Whether a text is base64 of a secret.
fn is_secret_base64(text: &str, within: usize) -> bool {
    let is_letter = |letter: &char| letter.is_ascii_alphanumeric() || "+/-_=".contains(*letter);
    let joined: String = text
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .collect();
    if joined.len() < LEAST_BASE64 || !joined.chars().all(|letter| is_letter(&letter)) {
        return false;
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let known = [&alphabet::STANDARD, &alphabet::URL_SAFE];
    let mut decoded = known
        .into_iter()
        .filter_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(&joined).ok())
        .filter_map(|bytes| String::from_utf8(bytes).ok());
    decoded.any(|text| is_secret_within(&text, within))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    /// Letters and digits as tokens have them. No token stands here, so that no scanner finds one.
    fn letters(length: usize) -> String {
        "aB3".chars().cycle().take(length).collect()
    }

    fn jwt() -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let head = part(r#"{"alg":"HS256","typ":"JWT"}"#);
        format!("{head}.{}.{}", part(r#"{"sub":"1234"}"#), letters(43))
    }

    fn pem(kind: &str) -> String {
        format!(
            "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
            letters(64)
        )
    }

    fn secrets() -> Vec<String> {
        let mut secrets: Vec<String> = [
            "skp_",
            "skt_",
            "skh_",
            "ghp_",
            "gho_",
            "github_pat_",
            "glpat-",
            "xoxb-",
            "xoxa-",
            "xoxp-",
            "sk_live_",
            "hvs.",
            "npm_",
            "AIza",
            "ya29.",
            "dop_v1_",
        ]
        .iter()
        .map(|begin| format!("{begin}{}", letters(40)))
        .collect();
        let upper = letters(16).to_ascii_uppercase();
        secrets.extend([format!("AKIA{upper}"), format!("ASIA{upper}"), jwt()]);
        let longer = [
            format!("token is ghp_{} here", letters(36)),
            format!("(AKIA{upper})"),
            format!("x={}", jwt()),
            "postgres://user:pw@host:5432/db".to_owned(),
            "https://user:p/w@host/".to_owned(),
            "see amqp://u:p@h and more".to_owned(),
            "user:pw@tcp(host:3306)/db".to_owned(),
            format!("https://hooks.slack.com/services/T0/B0/{}", letters(24)),
            "https://discord.com/api/webhooks/1/x".to_owned(),
            "https://example.webhook.office.com/webhookb2/x".to_owned(),
            "https://chat.googleapis.com/v1/spaces/A/messages?key=x".to_owned(),
            pem("RSA PRIVATE KEY"),
            pem("PGP PRIVATE KEY BLOCK"),
            pem("OPENSSH PRIVATE KEY"),
            format!("AGE-SECRET-KEY-1{}", letters(50)),
            "PuTTY-User-Key-File-3: ssh-ed25519\n".to_owned(),
            STANDARD.encode(pem("PRIVATE KEY")),
            STANDARD.encode(format!("x{}", pem("EC PRIVATE KEY"))),
            STANDARD.encode(format!("xy{}", pem("EC PRIVATE KEY"))),
            format!("client-data: {}", STANDARD.encode(pem("PRIVATE KEY"))),
            STANDARD.encode("export DB_PASSWORD=hunter2\n"),
            STANDARD.encode(r#"{"password":"hunter2"}"#),
            STANDARD.encode(STANDARD.encode("password: hunter2")),
            format!("Authorization: Bearer {}", letters(20)),
            format!("bearer {}", letters(20)),
            format!("Basic {}", STANDARD.encode("user:password")),
        ];
        secrets.extend(longer);
        secrets.extend(settings().map(str::to_owned));
        secrets
    }

    fn settings() -> impl Iterator<Item = &'static str> {
        [
            "password: x",
            "db:\n  password: x\n",
            "db:\n  password: |\n    x\n",
            "\"password\":\"x\"",
            "- name: DB_PASSWORD\n  value: x\n",
            "name: 'api-token'\nvalue: x",
            "export DB_PASSWORD=x",
            "DB_PASS=x\nPORT=1",
            "password = \"x\"",
            "Server=h;Password=x;",
            "AccountKey=abc==;EndpointSuffix=x",
            "https://h/blob?sv=1&sig=abc",
            "mysql --user u --password x",
            "--password x",
            "run --db-pass=x",
            "machine h login u password x",
            "ｐａｓｓｗｏｒｄ: x",
            "p\u{200b}assword: x",
            "Authorization: x",
            "$2b$10$abcdefghijklmnopqrstuv",
            r#"{"password":"x"}"#,
            r#" {"db": {"password": "x"}}"#,
            "{\"p\\u0061ssword\":\"x\"}",
            "{\"p\\u0061ssword\":\"x\", broken",
            "\u{feff}{\"a\":{\"pass\":1}}",
            r#"[{"name":"API_TOKEN","value":"x"}]"#,
            r#"{"name":"DB_PASSWORD","default":"x"}"#,
            r#"{"args":["--db-pw","x"]}"#,
            r#"{"a":"{\"b\":\"{\\\"pin\\\":1}\"}"}"#,
            r#"{"a":"postgres://u:p@h"}"#,
        ]
        .into_iter()
    }

    #[test]
    fn texts_that_are_secret_by_their_shape() {
        for text in secrets() {
            assert!(is_secret(&text), "{text}");
        }
    }

    #[test]
    fn texts_that_are_not() {
        for text in [
            "",
            "x",
            "set a password",
            "the token of this key",
            "a password has 12 letters",
            "-----BEGIN PUBLIC KEY-----",
            r#"{"a":1}"#,
            r#"{"name":"web","image":"nginx:1.2","port":80}"#,
            "{broken",
            "arn:aws:iam::123456789012:role/deploy",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-password-AbCdEf",
            "https://example.com:8443/path@x?y=z",
            "https://example.com/a:b",
            "ssh://git@example.com/repo.git",
            "git@example.com:repo.git",
            "http://[::1]:8080/x@y",
            "AKIA",
            "ghp_short",
            "eyJ",
            "2026-11-27T03:59:49.568214Z",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "i-0123456789abcdef0",
            "some_long_attribute_name_that_is_no_base64",
            "key: value",
            "sort_key: id",
            "name: web\nport: 80",
            "if token == other",
            "Basic setup",
            "bearer of good news",
            "a b c: d = e",
            "héllo wörld",
        ] {
            assert!(!is_secret(text), "{text}");
        }
        let certificate = STANDARD.encode(pem("CERTIFICATE"));
        assert!(!is_secret(&certificate), "a certificate is public");
    }
}
