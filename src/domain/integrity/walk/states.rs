//! The states and their versions, each version decoded.

use std::time::Duration;

use crate::domain::error::Error;
use crate::domain::integrity::findings::{
    Code, RowAddress, StateOutcome, faults_of_blob, faults_of_state,
};
use crate::domain::integrity::walk::step::{Pace, Walk};
use crate::model::clock;
use crate::model::name::StateName;
use crate::model::scrub::PassUnderWay;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{StateFacts, StoreError, VersionFacts, View};

/// How many rows one step reads.
const ROWS_PER_STEP: u32 = 200;
/// How many versions one step reads.
const VERSIONS_PER_STEP: u32 = 50;
/// How long a verification waits for memory that others have, before it looks again.
const WAIT_FOR_MEMORY: Duration = Duration::from_millis(250);
/// How often it looks, before it gives up: it waits for 2 minutes.
const MAX_WAITS_FOR_MEMORY: u32 = 480;
/// How often a slow verification writes down how far it is.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// The state whose versions are being looked at.
struct Whose {
    id: StateId,
    address: RowAddress,
    name: Option<StateName>,
    outcome: StateOutcome,
}

impl Walk<'_> {
    /// Looks at the states from one on, and at its versions from a number on; only at those of a
    /// workspace, or at one, if these are named.
    pub(super) async fn states(
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
        let address = RowAddress {
            workspace: state.workspace.clone(),
            block: state.block.clone(),
        };
        self.tally.checked.states += 1;
        let name = StateName::parse(&address.workspace, &address.block).ok();
        if name.as_ref().is_none_or(|name| {
            name.workspace.as_str() != address.workspace || name.block.as_str() != address.block
        }) {
            self.find_in(
                Code::BadRow,
                Some(&address),
                None,
                "its name is none, so that no address leads to it; its versions were not decoded",
            );
        }
        for (code, detail) in faults_of_state(state) {
            self.find_in(code, Some(&address), None, &detail);
        }
        let mut whose = Whose {
            id: state.id,
            address,
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
            .end_state(self.most, &whose.address, whose.outcome);
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
            .on
            .engine
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
                .on
                .engine
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
                Some(&whose.address),
                Some(number),
                "it says that it was made from a version which is not before it",
            );
        }
        let began = clock::monotonic();
        let is_readable = self.is_readable(whose, &version).await?;
        self.judge(whose, &version, is_readable, &faults);
        self.came_to(whose.id, number).await;
        self.rest(began.elapsed(), true).await;
        Ok(())
    }

    /// Whether a version's content can be read; none if that is not looked at.
    async fn is_readable(&self, whose: &Whose, version: &Version) -> Result<Option<bool>, Error> {
        let Some(name) = &whose.name else {
            return Ok(None);
        };
        if self.quick || version.purged {
            return Ok(None);
        }
        match self.prove(name, whose.id, version).await {
            Ok(()) => Ok(Some(true)),
            Err(Error::Purged(..)) => Ok(None),
            Err(Error::Damaged(_)) => Ok(Some(false)),
            Err(error) => Err(error),
        }
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
        self.on
            .engine
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
            self.find_in(Code::Damaged, Some(&whose.address), Some(number), &why);
            return;
        }
        if is_readable == Some(true) {
            self.tally.checked.decoded += 1;
            self.tally.checked.bytes += version.size;
        }
        for (code, detail) in faults {
            self.find_in(*code, Some(&whose.address), Some(number), detail);
        }
    }

    /// A version whose row is lost.
    async fn lost(&mut self, whose: &mut Whose, number: u64, why: &str) {
        whose.outcome.add(number, false);
        self.tally.damaged_versions += 1;
        self.find_in(Code::Damaged, Some(&whose.address), Some(number), why);
        if let Some(name) = &whose.name {
            self.on
                .content
                .damaged
                .note_damaged(name, whose.id, number)
                .await;
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
            match self.on.content.prove(name, state, version).await {
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
            self.on.verifications.progress(&self.tally.checked);
            return;
        };
        self.on.verifications.scrub_progress(&self.tally.checked);
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
        self.on.save_pass(pass).await;
    }
}
