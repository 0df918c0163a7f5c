//! Bundles of permissions in a body: the name of one, or a list of names.

use serde::Deserialize;

/// One role or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::http) enum Roles {
    One(String),
    Many(Vec<String>),
}

impl Roles {
    /// All that were named.
    pub(in crate::http) fn all(named: Option<Self>) -> Vec<String> {
        match named {
            Some(Self::One(role)) => vec![role],
            Some(Self::Many(roles)) => roles,
            None => Vec::new(),
        }
    }
}
