//! A caller of a test, with verbs to speak with.

use reqwest::Method;
use reqwest::blocking::{Body, RequestBuilder};
use serde_json::Value;

use super::waiting::PATIENCE;
use crate::answer::Answer;
use crate::openapi;
use crate::samples::{lock_body, lock_body_to, md5};

/// The path of a state named `workspace/block`.
pub fn state_path(name: &str) -> String {
    let (workspace, block) = name.split_once('/').expect("workspace/block");
    format!("/api/terraform/state/workspace/{workspace}/buildingblock/{block}")
}

/// Someone who talks to a server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::blocking::Client,
    url: String,
    secret: Option<String>,
    pub key_id: String,
}

impl Client {
    pub(super) fn new(url: &str, secret: Option<String>) -> Self {
        Self::over(http_client(None), url, secret)
    }

    /// A caller whose requests go over this client, which knows whom to trust.
    pub(super) fn over(http: reqwest::blocking::Client, url: &str, secret: Option<String>) -> Self {
        Self {
            http,
            url: url.to_owned(),
            secret,
            key_id: String::new(),
        }
    }

    /// The same caller from another address of this machine, such as `127.0.0.2`.
    pub fn calling_from(&self, address: &str) -> Self {
        Self {
            http: http_client(Some(address.parse().expect("an address"))),
            ..self.clone()
        }
    }

    /// The same caller over another client.
    pub fn calling_over(&self, http: reqwest::blocking::Client) -> Self {
        Self {
            http,
            ..self.clone()
        }
    }

    /// The same caller at another address of a server.
    pub fn at_url(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    /// Someone else with these credentials at the same server.
    pub fn with_secret(&self, secret: &str) -> Self {
        Self::new(&self.url, Some(secret.to_owned()))
    }

    /// The same caller, who knows the id of its key.
    pub fn of_key(self, id: &str) -> Self {
        Self {
            key_id: id.to_owned(),
            ..self
        }
    }

    pub fn secret(&self) -> &str {
        self.secret.as_deref().expect("a caller with credentials")
    }

    /// A request to a path, with this caller's credentials, not sent yet.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.secret {
            Some(secret) => request.basic_auth("x", Some(secret)),
            None => request,
        }
    }

    /// The same with other credentials, over this caller's connections.
    pub fn request_as(&self, secret: &str, method: &str, path: &str) -> RequestBuilder {
        let other = Self {
            secret: Some(secret.to_owned()),
            ..self.clone()
        };
        other.request(method, path)
    }

    pub fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        Self::ask(self.request(method, path).body(body))
    }

    pub fn get(&self, path: &str) -> Answer {
        Self::ask(self.request("GET", path))
    }

    /// Sends a request that was made with [`Client::request`]. Its answer has to be one that
    /// `docs/openapi.json` tells of.
    #[track_caller]
    pub fn ask(request: RequestBuilder) -> Answer {
        let (http, request) = request.build_split();
        let request = request.expect("a request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::of(http.execute(request).expect("an answer"));
        openapi::check(method.as_str(), &path, &answer);
        answer
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        Self::ask(self.request("POST", path).json(body))
    }

    /// The state's bytes, or whatever else the server answers.
    pub fn read(&self, name: &str) -> Answer {
        self.get(&state_path(name))
    }

    /// Writes a state as the clients do, with its MD5; `lock` is the `ID` they add.
    pub fn write(&self, name: &str, body: impl AsRef<[u8]>, lock: Option<&str>) -> Answer {
        let query = lock.map(|id| format!("?ID={id}")).unwrap_or_default();
        let path = format!("{}{query}", state_path(name));
        let request = self
            .request("POST", &path)
            .header("Content-Type", "application/json")
            .header("Content-MD5", md5(body.as_ref()));
        Self::ask(request.body(body.as_ref().to_vec()))
    }

    /// The same over the stale-write guard.
    pub fn write_by_force(&self, name: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(
            "POST",
            &format!("{}?force=true", state_path(name)),
            body.as_ref().to_vec(),
        )
    }

    pub fn lock(&self, name: &str, id: &str) -> Answer {
        self.send("LOCK", &state_path(name), lock_body(id))
    }

    /// The same for a plan, which keys that may not write can do as well.
    pub fn lock_to_plan(&self, name: &str, id: &str) -> Answer {
        self.send(
            "LOCK",
            &state_path(name),
            lock_body_to("OperationTypePlan", id),
        )
    }

    pub fn unlock(&self, name: &str, id: &str) -> Answer {
        self.send("UNLOCK", &state_path(name), lock_body(id))
    }

    pub fn delete(&self, name: &str) -> Answer {
        self.send("DELETE", &state_path(name), "")
    }

    /// The versions of a state, newest first.
    pub fn versions(&self, name: &str) -> Vec<Value> {
        let answer = self
            .get(&format!("{}/versions?limit=1000", state_path(name)))
            .expect_status(200)
            .json();
        answer["versions"].as_array().expect("a list").clone()
    }

    /// How many versions a state has, which may be none.
    pub fn count_versions(&self, name: &str) -> u64 {
        let answer = self.get(&format!("{}/versions?limit=1000", state_path(name)));
        let list = answer.json();
        list["versions"]
            .as_array()
            .map_or(0, |list| list.len() as u64)
    }

    /// The versions of a state without their counts: those are filled in later, in the background,
    /// and so are no part of what was written.
    pub fn written(&self, name: &str) -> Vec<Value> {
        let mut rows = self.versions(name);
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            for count in ["added", "changed", "removed"] {
                assert!(row.remove(count).is_some(), "a version has `{count}`");
            }
        }
        rows
    }

    /// The events that fit a query such as `kind=state.write`, newest first.
    pub fn events(&self, query: &str) -> Vec<Value> {
        let first = format!("/api/events?limit=1000&{query}");
        let mut page = self.get(&first).expect_status(200).json();
        let mut events = page["events"].as_array().expect("a list").clone();
        // A page of a long log may have few that fit.
        while events.len() < 1_000 && !page["next"].is_null() {
            let next = format!("{first}&before={}", page["next"]);
            page = self.get(&next).expect_status(200).json();
            events.extend(page["events"].as_array().expect("a list").iter().cloned());
        }
        events
    }
}

/// A client that speaks no TLS, from an address of this machine.
pub fn http_client(from: Option<std::net::IpAddr>) -> reqwest::blocking::Client {
    // The program's own reqwest wants its provider of cryptography named, and so does this one; a
    // second time is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // It speaks no TLS. Reading the machine's authorities would be a tenth of all that tests do.
    let builder = reqwest::blocking::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    builder
        .timeout(5 * PATIENCE)
        .local_address(from)
        .build()
        .expect("an HTTP client")
}
