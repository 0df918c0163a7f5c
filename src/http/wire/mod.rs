//! What all calls share: who asks, bodies within their bounds, queries, answers and errors as the
//! documents have them.

pub(super) mod answer;
pub(super) mod body;
pub(super) mod caller;
pub(super) mod error;
pub(super) mod guard;
pub(super) mod pace;
pub(super) mod query;
pub(super) mod redirected;
pub(super) mod reply;
