//! The way of a verification through the database: one bounded step after the other, each at one
//! moment, with a rest in between where it is slow.
//!
//! Nothing stops it but what keeps anybody from reading at all. What cannot be read is a finding,
//! and it goes on behind that.

use std::time::{Duration, Instant};

use super::findings::{
    Code, Finding, Lookup, StateOutcome, Tally, faults_of_blob, faults_of_state,
};
use crate::config::MIB;
use crate::domain::Domain;
use crate::domain::error::Error;
use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;
use crate::model::scrub::PassUnderWay;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{ADDRESS_LISTS, KeyFacts, StateFacts, StoreError, VersionFacts, View};

/// A database of up to so many bytes (256 MiB) is checked by SQLite in one step, list of free pages
/// included; a larger one table by table.
const WHOLE_UP_TO: u64 = 256 * MIB;
/// How many rows one step reads.
const ROWS_PER_STEP: u32 = 200;
/// How many versions one step reads.
const VERSIONS_PER_STEP: u32 = 50;
/// How long a verification waits for memory that others have, before it looks again.
const WAIT_FOR_MEMORY: Duration = Duration::from_millis(250);
/// How often it looks, before it gives up: it waits for 2 minutes.
const MAX_WAITS_FOR_MEMORY: u32 = 480;
/// A slow verification rests so many times as long as each step took: it takes at most 5 % of a
/// core.
const RESTS: u32 = 19;
/// How often a slow verification writes down how far it is.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// How fast it goes.
pub(super) enum Pace {
    /// As fast as it can.
    AtOnce,
    /// As the background does.
    Slowly {
        /// When the pass began.
        started_at: Timestamp,
        /// The least rest after each version.
        least: Duration,
        /// When it was last written down how far it is.
        saved: Instant,
    },
}

/// A verification under way.
pub(super) struct Walk<'a> {
    domain: &'a Domain,
    quick: bool,
    most: usize,
    pace: Pace,
    pub(super) tally: Tally,
}

impl<'a> Walk<'a> {
    /// One that tells at most so many findings.
    pub(super) fn new(domain: &'a Domain, quick: bool, most: usize, pace: Pace) -> Self {
        Self {
            domain,
            quick,
            most,
            pace,
            tally: Tally::default(),
        }
    }

    /// All that there is.
    pub(super) async fn whole(&mut self) -> Result<(), Error> {
        self.structure().await?;
        self.states(StateId::FIRST, 0, (None, None)).await?;
        self.others().await
    }

    /// What is left of a pass that came to a version of a state.
    pub(super) async fn rest_of_it(
        &mut self,
        state: StateId,
        number: u64,
        so_far: Tally,
    ) -> Result<(), Error> {
        self.tally = so_far;
        self.states(state, number, (None, None)).await?;
        self.others().await
    }

    /// The states of one workspace, or one state.
    pub(super) async fn only(
        &mut self,
        workspace: String,
        block: Option<String>,
    ) -> Result<(), Error> {
        self.states(StateId::FIRST, 0, (Some(workspace), block))
            .await
    }

    async fn others(&mut self) -> Result<(), Error> {
        self.blobs().await?;
        self.addresses().await?;
        self.keys().await?;
        self.references().await
    }

    fn find(&mut self, code: Code, detail: &str) {
        self.find_in(code, None, None, detail);
    }

    fn find_in(&mut self, code: Code, lookup: Option<&Lookup>, version: Option<u64>, detail: &str) {
        tracing::error!(
            ?code,
            state = lookup.map(|lookup| format!("{}/{}", lookup.workspace, lookup.block)),
            version,
            detail,
            "a verification has found something"
        );
        self.tally
            .find(self.most, Finding::new(code, lookup, version, detail));
    }

    /// Reads one step. What cannot be read is a finding about `what`, and then there is nothing to
    /// go on with.
    async fn step<T: Send + 'static>(
        &mut self,
        what: &str,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let began = clock::monotonic();
        let read = self.domain.store.read(job).await;
        self.rest(began.elapsed(), false).await;
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error @ (StoreError::Damaged(_) | StoreError::BadRow(_))) => {
                self.find(
                    Code::Structure,
                    &format!(
                        "{what} cannot be read to their end, and what is left of them was not \
                        looked at: {error}"
                    ),
                );
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn rest(&self, took: Duration, after_a_version: bool) {
        if let Pace::Slowly { least, .. } = self.pace {
            tokio::time::sleep(rest_after(
                took,
                if after_a_version {
                    least
                } else {
                    Duration::ZERO
                },
            ))
            .await;
        }
    }

    async fn structure(&mut self) -> Result<(), Error> {
        let Some(parts) = self
            .step("the names of the tables", |view| view.parts(WHOLE_UP_TO))
            .await?
        else {
            return Ok(());
        };
        let quick = self.quick;
        for part in parts {
            let name = part.to_string();
            let lines = self
                .step(&name, move |view| view.structure(&part, quick))
                .await?
                .unwrap_or_default();
            for line in lines {
                self.find(Code::Structure, &format!("SQLite says of {name}: {line}"));
            }
        }
        Ok(())
    }

    async fn states(
        &mut self,
        from: StateId,
        number: u64,
        only: (Option<String>, Option<String>),
    ) -> Result<(), Error> {
        let after_which = |state: &StateFacts| if state.id == from { number } else { 0 };
        let mut from = Some(from);
        while let Some(first) = from {
            let (workspace, block) = only.clone();
            let read = move |view: &View<'_>| {
                view.states_as_they_stand(
                    first,
                    workspace.as_deref(),
                    block.as_deref(),
                    ROWS_PER_STEP,
                )
            };
            let rows = self.step("the states", read).await?.unwrap_or_default();
            for state in &rows {
                self.state(state, after_which(state)).await?;
            }
            from = rows.last().and_then(|state| state.id.next());
        }
        Ok(())
    }

    async fn state(&mut self, state: &StateFacts, after: u64) -> Result<(), Error> {
        let lookup = Lookup {
            workspace: state.workspace.clone(),
            block: state.block.clone(),
        };
        self.tally.checked.states += 1;
        let name = StateName::parse(&lookup.workspace, &lookup.block).ok();
        if name.as_ref().is_none_or(|name| {
            name.workspace.as_str() != lookup.workspace || name.block.as_str() != lookup.block
        }) {
            self.find_in(
                Code::BadRow,
                Some(&lookup),
                None,
                "its name is none, so that no address leads to it; its versions were not decoded",
            );
        }
        for (code, detail) in faults_of_state(state) {
            self.find_in(code, Some(&lookup), None, &detail);
        }
        let mut whose = Whose {
            id: state.id,
            lookup,
            name,
            outcome: StateOutcome::default(),
        };
        let mut after = after;
        while let Some(last) = self
            .versions(&mut whose, after, state.last_number.unsigned_abs())
            .await?
        {
            after = last;
        }
        self.tally
            .end_state(self.most, &whose.lookup, whose.outcome);
        Ok(())
    }

    /// Looks at the next versions of a state, and says at which number it has come; none at the
    /// end.
    async fn versions(
        &mut self,
        whose: &mut Whose,
        after: u64,
        last: u64,
    ) -> Result<Option<u64>, Error> {
        let (state, began) = (whose.id, clock::monotonic());
        let read = self
            .domain
            .store
            .read(move |view| view.versions_as_they_stand(state, after, VERSIONS_PER_STEP))
            .await;
        self.rest(began.elapsed(), false).await;
        match read {
            Ok(rows) => {
                let last = rows.last().map(|row| row.number);
                for row in rows {
                    self.version(whose, row).await?;
                }
                Ok(last)
            }
            Err(StoreError::Damaged(_) | StoreError::BadRow(_)) => {
                self.versions_one_by_one(whose, after, last).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where a page is damaged, those of its versions that can be found are looked at all the same.
    async fn versions_one_by_one(
        &mut self,
        whose: &mut Whose,
        after: u64,
        last: u64,
    ) -> Result<Option<u64>, Error> {
        let end = last.min(after.saturating_add(u64::from(VERSIONS_PER_STEP)));
        for number in after.saturating_add(1)..=end {
            let (state, began) = (whose.id, clock::monotonic());
            let read = self
                .domain
                .store
                .read(move |view| view.version_as_it_stands(state, number))
                .await;
            self.rest(began.elapsed(), false).await;
            match read {
                Ok(Some(row)) => self.version(whose, row).await?,
                Ok(None) => {}
                Err(error @ (StoreError::Damaged(_) | StoreError::BadRow(_))) => {
                    self.tally.checked.versions += 1;
                    self.lost(whose, number, &format!("its row cannot be read: {error}"))
                        .await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((end > after).then_some(end))
    }

    async fn version(&mut self, whose: &mut Whose, facts: VersionFacts) -> Result<(), Error> {
        let number = facts.number;
        self.tally.checked.versions += 1;
        let faults = facts.blob.as_ref().map(faults_of_blob).unwrap_or_default();
        let version = match facts.row {
            Ok(version) => version,
            Err(error) => {
                self.lost(whose, number, &format!("its row cannot be read: {error}"))
                    .await;
                return Ok(());
            }
        };
        if version.from_version.is_some_and(|from| from >= number) {
            self.find_in(
                Code::BadRow,
                Some(&whose.lookup),
                Some(number),
                "it says that it was made from a version which is not before it",
            );
        }
        let began = clock::monotonic();
        let proven = match &whose.name {
            Some(name) if !self.quick && !version.purged => {
                Some(self.prove(name, whose.id, &version).await)
            }
            Some(_) | None => None,
        };
        let is_readable = match proven {
            None | Some(Err(Error::Purged(..))) => None,
            Some(Ok(())) => Some(true),
            Some(Err(Error::Damaged(_))) => Some(false),
            Some(Err(error)) => return Err(error),
        };
        self.judge(whose, &version, is_readable, &faults);
        self.came_to(whose.id, number).await;
        self.rest(began.elapsed(), true).await;
        Ok(())
    }

    fn judge(
        &mut self,
        whose: &mut Whose,
        version: &Version,
        is_readable: Option<bool>,
        faults: &[(Code, String)],
    ) {
        let number = version.number;
        if let Some(is_readable) = is_readable {
            whose.outcome.add(number, is_readable);
        }
        self.domain
            .metrics
            .verified_versions
            .inc_by(u64::from(is_readable.is_some()));
        if is_readable == Some(false) {
            let why: Vec<&str> = faults.iter().map(|(_, detail)| detail.as_str()).collect();
            let why = if why.is_empty() {
                "its bytes cannot be decoded, or are not those that were written".to_owned()
            } else {
                why.join("; ")
            };
            self.tally.damaged_versions += 1;
            self.find_in(Code::Damaged, Some(&whose.lookup), Some(number), &why);
            return;
        }
        if is_readable == Some(true) {
            self.tally.checked.decoded += 1;
            self.tally.checked.bytes += version.size;
        }
        for (code, detail) in faults {
            self.find_in(*code, Some(&whose.lookup), Some(number), detail);
        }
    }

    /// A version whose row is lost.
    async fn lost(&mut self, whose: &mut Whose, number: u64, why: &str) {
        whose.outcome.add(number, false);
        self.tally.damaged_versions += 1;
        self.find_in(Code::Damaged, Some(&whose.lookup), Some(number), why);
        if let Some(name) = &whose.name {
            self.domain.note_damaged(name, whose.id, number).await;
        }
    }

    /// Waits for memory as long as others need it, and never ahead of them.
    async fn prove(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
    ) -> Result<(), Error> {
        for _ in 0..MAX_WAITS_FOR_MEMORY {
            match self.domain.prove(name, state, version).await {
                Err(Error::OverBudget) => tokio::time::sleep(WAIT_FOR_MEMORY).await,
                proven => return proven,
            }
        }
        Err(Error::OverBudget)
    }

    /// Says how far it is; a slow one writes it down now and then.
    async fn came_to(&mut self, state: StateId, number: u64) {
        let Pace::Slowly {
            started_at, saved, ..
        } = &mut self.pace
        else {
            self.domain.integrity.progress(&self.tally.checked);
            return;
        };
        self.domain.integrity.scrub_progress(&self.tally.checked);
        if saved.elapsed() < SAVE_EVERY {
            return;
        }
        *saved = clock::monotonic();
        let so_far = serde_json::to_string(&self.tally).unwrap_or_default();
        let pass = PassUnderWay {
            started_at: *started_at,
            at: Some((state, number)),
            so_far,
        };
        self.domain.save_pass(pass).await;
    }

    async fn blobs(&mut self) -> Result<(), Error> {
        let mut after = i64::MIN;
        loop {
            let read = self
                .step("the rows of bytes", move |view| {
                    view.blobs_as_they_stand(after, ROWS_PER_STEP)
                })
                .await?;
            let Some((rows, Some(last), unused)) = read else {
                return Ok(());
            };
            self.tally.checked.blobs += rows;
            for id in unused {
                self.find(
                    Code::Orphan,
                    &format!(
                        "no version refers to the bytes with the id {id}; they only take room"
                    ),
                );
            }
            after = last;
        }
    }

    async fn addresses(&mut self) -> Result<(), Error> {
        for list in ADDRESS_LISTS {
            let mut after = Some((String::new(), String::new()));
            while let Some(from) = after {
                after = self.addresses_of(list, from).await?;
            }
        }
        Ok(())
    }

    /// Looks at the next addresses of a list, and says at which it has come; none at the end.
    async fn addresses_of(
        &mut self,
        list: &'static str,
        from: (String, String),
    ) -> Result<Option<(String, String)>, Error> {
        let read = move |view: &View<'_>| view.addresses_as_they_stand(list, &from, ROWS_PER_STEP);
        let rows = self.step(list, read).await?.unwrap_or_default();
        let end = rows
            .last()
            .map(|(workspace, block, _)| (workspace.clone(), block.clone()));
        for (workspace, block, is_taken) in rows {
            self.address(list, Lookup { workspace, block }, is_taken)
                .await?;
        }
        Ok(end)
    }

    async fn address(
        &mut self,
        list: &'static str,
        lookup: Lookup,
        is_taken: bool,
    ) -> Result<(), Error> {
        self.tally.checked.addresses += 1;
        let Ok(name) = StateName::parse(&lookup.workspace, &lookup.block) else {
            self.find_in(
                Code::BadRow,
                Some(&lookup),
                None,
                &format!("a row of {list} has an address that is none"),
            );
            return Ok(());
        };
        if list == "moves" && is_taken {
            self.find_in(
                Code::BadRow,
                Some(&lookup),
                None,
                "the address is said to be left, and a state lives there",
            );
        }
        if list == "locks" {
            let lock = self
                .step("the locks", move |view| view.lock_as_it_stands(&name))
                .await?;
            if let Some(Err(error)) = lock {
                self.find_in(
                    Code::BadRow,
                    Some(&lookup),
                    None,
                    &format!("its lock cannot be read: {error}"),
                );
            }
        }
        Ok(())
    }

    async fn keys(&mut self) -> Result<(), Error> {
        let mut after = Some(String::new());
        while let Some(from) = after {
            let rows = self
                .step("the keys", move |view| {
                    view.keys_as_they_stand(&from, ROWS_PER_STEP)
                })
                .await?
                .unwrap_or_default();
            after = rows.last().map(|(id, _)| id.clone());
            for key in rows {
                self.key(key);
            }
        }
        Ok(())
    }

    fn key(&mut self, (id, read): KeyFacts) {
        self.tally.checked.keys += 1;
        if let Err(error) = read {
            self.find(
                Code::BadRow,
                &format!("the key {id} cannot be read: {error}"),
            );
        }
    }

    async fn references(&mut self) -> Result<(), Error> {
        let rows = self
            .step("the references between tables", |view| {
                view.dangling(ROWS_PER_STEP)
            })
            .await?
            .unwrap_or_default();
        for (table, other, count) in rows {
            self.find(
                Code::Dangling,
                &format!("{count} rows of {table} refer to rows of {other} that are not there"),
            );
        }
        let lost = self
            .step("the owners of versions", |view| {
                view.versions_without_a_state(ROWS_PER_STEP)
            })
            .await?
            .unwrap_or_default();
        for versions in lost {
            self.find(
                Code::Dangling,
                &format!("{versions} versions belong to a state that is not there"),
            );
        }
        Ok(())
    }
}

/// How long a slow verification rests after a step that took so long.
fn rest_after(took: Duration, least: Duration) -> Duration {
    took.saturating_mul(RESTS).max(least)
}

/// The state whose versions are being looked at.
struct Whose {
    id: StateId,
    lookup: Lookup,
    name: Option<StateName>,
    outcome: StateOutcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_verification_takes_at_most_a_twentieth_of_a_core() {
        for millis in [0, 1, 7, 1_000, 100_000] {
            let took = Duration::from_millis(millis);
            for least in [Duration::ZERO, Duration::from_secs(3)] {
                let rest = rest_after(took, least);
                assert!(
                    took * 20 <= took + rest && rest >= least,
                    "{took:?} {rest:?}"
                );
            }
        }
    }
}
