//! Shared by all calls: who asks, bodies within their bounds, queries, answers and errors as the
//! documents have them.

pub(super) mod headers;
pub(super) mod problem;
pub(super) mod status;

pub(super) mod error;
pub(super) mod roles;
pub(super) mod route;
pub(super) mod sent_file;

pub(super) mod body;
pub(super) mod browser;
pub(super) mod caller;
pub(super) mod credentials;
pub(super) mod fields;
pub(super) mod login_body;
pub(super) mod origin;
pub(super) mod pace;
pub(super) mod paced;
pub(super) mod path;
pub(super) mod per_network;
pub(super) mod query;
pub(super) mod redirected;
pub(super) mod reply;
pub(super) mod unknown;
