//! What a server answers, read whole, with the checks that tests make of it.

use reqwest::StatusCode;
use reqwest::blocking::Response;
use serde_json::Value;

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            bytes: response.bytes().expect("a whole body").to_vec(),
        }
    }

    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// Checks that this is a problem with a status and a code, in the right content type and with
    /// something to read in it.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect_status(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{problem}"
        );
        answer
    }

    /// A header's value, or nothing at all.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a text header"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Status and body for a snapshot. Times, ids, hashes and secrets differ from run to run, so
    /// their kind stands there instead.
    #[track_caller]
    pub fn shown(&self) -> String {
        let mut body = self.json();
        mask(&mut body);
        format!("{}\n{body:#}", self.status)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        Value::String(text) => {
            if let Some(kind) = kind(text) {
                kind.clone_into(text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The kind of a text that differs from run to run.
fn kind(text: &str) -> Option<&'static str> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        Some("[sha256]")
    } else if text.starts_with("skp_") {
        Some("[secret]")
    } else if uuid::Uuid::parse_str(text).is_ok() {
        Some("[id]")
    } else if humantime::parse_rfc3339(text).is_ok() {
        Some("[time]")
    } else {
        None
    }
}
