//! The backend that the program has recorded in its data directory, which is where the state went
//! at its last `init`.
//!
//! Its settings may be secret: only those that say where a state is are ever told.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::terraform::credentials::{HARMLESS, SETTINGS};
use crate::cli::terraform::invocation::{DEFAULT_WORKSPACE, Invocation};
use crate::cli::terraform::reading::{read_at_most, variable};
use crate::hcl::BackendFile;

/// The file in the data directory.
const FILE: &str = "terraform.tfstate";
/// A larger record is none, in bytes.
const MAX_RECORD: u64 = 1024 * 1024;
/// The longest description of a place, in characters.
const MAX_PLACE: usize = 1_000;
/// The settings that say where a state is; all others may be secret.
const PLACE: [&str; 21] = [
    "address",
    "bucket",
    "container_name",
    "conn_str_schema",
    "hostname",
    "instance_name",
    "key",
    "name",
    "namespace",
    "organization",
    "path",
    "prefix",
    "region",
    "resource_group_name",
    "schema_name",
    "secret_suffix",
    "storage_account_name",
    "table_name",
    "workspace_dir",
    "workspace_key_prefix",
    "workspaces",
];

/// A recorded backend.
#[derive(Clone, PartialEq)]
pub(in crate::cli) struct Record {
    /// Its type, as `s3`; `cloud` for Terraform's own service.
    pub(in crate::cli) kind: String,
    config: Map<String, Value>,
}

impl Record {
    /// The recorded backend; none if nothing is recorded.
    pub(in crate::cli) fn read(invocation: &Invocation) -> Result<Option<Self>, CliError> {
        let path = invocation.data_dir().join(FILE);
        let wrong = |why: &str| {
            CliError::Failed(format!(
                "{}: {why}",
                output::harmless(&path.display().to_string())
            ))
        };
        let Some(bytes) =
            read_at_most(&path, MAX_RECORD).map_err(|error| wrong(&error.to_string()))?
        else {
            return Ok(None);
        };
        let Ok(Value::Object(record)) = serde_json::from_slice(&bytes) else {
            return Err(wrong(
                "what is recorded there is no JSON object; if another command is at work here, \
                    wait for its end, else run `init` again",
            ));
        };
        if record.get("state_store").is_some_and(Value::is_object) {
            return Err(wrong("it records a state_store, which cannot be read yet"));
        }
        let Some(backend) = record.get("backend") else {
            return Ok(None);
        };
        let Some(kind) = backend
            .get("type")
            .and_then(Value::as_str)
            .filter(|kind| !kind.is_empty())
        else {
            return Ok(None);
        };
        let config = backend
            .get("config")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        Ok(Some(Self {
            kind: kind.to_owned(),
            config,
        }))
    }

    /// The `http` backend at an address, as our own block says it.
    pub(in crate::cli) fn http(address: &str) -> Self {
        let config =
            BackendFile::settings(address).map(|(name, value)| (name.to_owned(), json!(value)));
        Self {
            kind: "http".to_owned(),
            config: Map::from_iter(config),
        }
    }

    /// Whether this is what the program records of our own block for an address. With anything else
    /// it wants another `init`.
    pub(in crate::cli) fn is_of_our_block(&self, address: &str) -> bool {
        let ours = Self::http(address);
        let is_set = |(name, value): &(&String, &Value)| {
            !value.is_null() && !HARMLESS.contains(&name.as_str())
        };
        self.kind == ours.kind
            && self.config.iter().filter(is_set).count() == ours.config.len()
            && {
                ours.config
                    .iter()
                    .all(|(name, value)| self.config.get(name) == Some(value))
            }
    }

    /// Whether it says more than our own block may, of how the server is reached: `init` was told
    /// so, or a block said so that is gone.
    pub(in crate::cli) fn says_more_than_our_block(&self) -> bool {
        HARMLESS
            .iter()
            .any(|name| self.config.get(*name).is_some_and(|value| !value.is_null()))
    }

    /// The file that the program finds if nothing says otherwise.
    pub(in crate::cli) const LOCAL_FILE: &str = FILE;

    /// The type that stands for a `cloud` block.
    pub(in crate::cli) const CLOUD: &str = "cloud";

    /// The backend if nothing is recorded: a file in the module.
    pub(in crate::cli) fn local() -> Self {
        Self {
            kind: "local".to_owned(),
            config: Map::new(),
        }
    }

    /// The address of an `http` backend. It may hold a password.
    pub(in crate::cli) fn address(&self) -> Option<&str> {
        self.config
            .get("address")
            .and_then(Value::as_str)
            .filter(|_| self.kind == "http")
    }

    /// Where an `http` backend is reached: at its recorded address, or, if it has none, at the
    /// one that the environment says. It may hold a password.
    pub(in crate::cli) fn reached_at(&self) -> Option<String> {
        let environment = || variable(SETTINGS[0]).filter(|_| self.kind == "http");
        self.address().map(str::to_owned).or_else(environment)
    }

    /// The file of a `local` backend, from the root module.
    pub(in crate::cli) fn local_path(&self) -> Option<&str> {
        let path = self
            .config
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or(FILE);
        (self.kind == "local").then_some(path)
    }

    /// Its settings, for a block that says the same.
    pub(in crate::cli) const fn config(&self) -> &Map<String, Value> {
        &self.config
    }

    /// The record as the program writes it. Without the hash of the block that it came from the
    /// program compares the settings themselves.
    pub(in crate::cli) fn text(&self) -> String {
        json!({ "version": 3, "backend": { "type": self.kind, "config": self.config, "hash": 0 } })
            .to_string()
    }

    /// Where the state is, for people and to be compared: the type, and those settings that say a
    /// place. Nothing secret.
    pub(in crate::cli) fn place(&self, root: &Path, workspace: &str) -> String {
        let mut text = self.kind.clone();
        let default = self
            .local_path()
            .map(|path| json!(path))
            .unwrap_or_default();
        for name in PLACE {
            let given = self.config.get(name).filter(|value| !value.is_null());
            let Some(value) = given.or((name == "path" && !default.is_null()).then_some(&default))
            else {
                continue;
            };
            let _ = write!(text, " {name}={}", shown(name, value, root));
        }
        if workspace != DEFAULT_WORKSPACE {
            let _ = write!(text, " workspace={workspace}");
        }
        output::harmless(&text).chars().take(MAX_PLACE).collect()
    }
}

/// A setting of a backend as people read it; `root` is where relative paths begin.
fn shown(name: &str, value: &Value, root: &Path) -> String {
    match (name, value) {
        ("address", Value::String(address)) => without_secrets(address),
        ("path" | "workspace_dir", Value::String(path)) => {
            let root = root.canonicalize().unwrap_or(root.to_owned());
            root.join(path).display().to_string()
        }
        (_, Value::String(value)) => value.clone(),
        (_, value) => value.to_string(),
    }
}

/// An address without user, password, query and fragment.
fn without_secrets(address: &str) -> String {
    let Ok(mut url) = reqwest::Url::parse(address) else {
        return "?".to_owned();
    };
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, config: &Value) -> Record {
        Record {
            kind: kind.to_owned(),
            config: config.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn what_is_recorded_of_our_own_block_is_known() {
        let of = |more: &Value| {
            let mut record = Record::http("http://a/");
            record
                .config
                .extend(more.as_object().cloned().unwrap_or_default());
            record.is_of_our_block("http://a/")
        };
        assert!(of(&json!({})) && of(&json!({ "password": null, "retry_max": 3 })));
        for other in [
            json!({ "address": "http://b/" }),
            json!({ "lock_address": null }),
            json!({ "lock_method": null }),
            json!({ "lock_method": "PUT" }),
            json!({ "username": "me" }),
        ] {
            assert!(!of(&other), "{other}");
        }
    }

    #[test]
    fn a_place_says_where_and_nothing_secret() {
        let root = Path::new("/");
        let s3 = record(
            "s3",
            &json!({ "bucket": "b", "key": "k", "secret_key": "hush", "region": null }),
        );
        assert_eq!(s3.place(root, "default"), "s3 bucket=b key=k");
        assert_eq!(s3.place(root, "blue"), "s3 bucket=b key=k workspace=blue");
        let http = record(
            "http",
            &json!({
                "address": "https://me:hush@a.example/x?token=hush#hush", "password": "hush"
            }),
        );
        assert_eq!(
            http.place(root, "default"),
            "http address=https://a.example/x"
        );
        assert_eq!(
            record("local", &json!({ "path": "sub/x" })).place(root, "default"),
            "local path=/sub/x"
        );
        assert_eq!(
            Record::local().place(root, "default"),
            "local path=/terraform.tfstate"
        );
        assert_eq!(
            record("pg", &json!({ "conn_str": "hush" })).place(root, "default"),
            "pg"
        );
    }
}
