//! Versions that are not there: whether they were pruned, when and by whom.

use crate::domain::error::Error;
use crate::model::name::StateName;
use crate::store::{Store, StoreError, View};

/// When a version was pruned and by whom, as far as that is known.
type Pruned = Option<(crate::model::clock::Timestamp, crate::model::actor::Actor)>;

/// Adds to an error that a version is not there what became of that version.
pub(in crate::domain) async fn explained(store: &Store, error: Error) -> Error {
    if let Error::NoVersion(name, number) = &error {
        no_version(store, name, *number).await
    } else {
        error
    }
}

/// The error for a version that is not there: it was never there, or was pruned.
pub(in crate::domain) async fn no_version(store: &Store, name: &StateName, number: u64) -> Error {
    let found = store.read_inline(|view| pruned(view, name, number)).await;
    // A caller who cannot be told the reason is told that the version is not there.
    let found = found.inspect_err(|error| {
        tracing::warn!(state = %name, version = number, %error, "what became of a version cannot \
            be read");
    });
    let Ok(Some(pruned)) = found else {
        return Error::NoVersion(name.clone(), number);
    };
    let what = pruned.map_or_else(
        || "it is not there any more, or did not come along when the state was imported".to_owned(),
        |(at, by)| format!("it was pruned at {at} by {}", by.name),
    );
    Error::VersionGone(name.clone(), number, what)
}

/// What became of a number that was given to a version; none if it never was.
fn pruned(view: &View<'_>, name: &StateName, number: u64) -> Result<Option<Pruned>, StoreError> {
    let last = view
        .lookup(name)?
        .id()
        .map_or(Ok(0), |state| view.last_number(state))?;
    if (1..=last).contains(&number) {
        view.pruned(name, number).map(Some)
    } else {
        Ok(None)
    }
}
