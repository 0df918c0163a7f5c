//! What changed from one version of a state to another. Both are decoded and proven, taken apart on
//! a core, and answered without secrets. A caller who asks for secrets in clear gets them only once
//! that is written down.

use std::sync::Arc;

use serde::Serialize;

use crate::config::Limits;
use crate::diff::{Apart, Diff, DiffReport, MAX_REPORT, NotComparable};
use crate::domain::access::authorize;
use crate::domain::content::missing::no_version;
use crate::domain::content::pair::BothBytes;
use crate::domain::content::read::SIZE_TAKEN_APART;
use crate::domain::engine::Engine;
use crate::domain::engine::aside::AsideTurn;
use crate::domain::engine::budget::Reservation;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotCompared;
use crate::domain::history::History;
use crate::domain::history::versions::on_state;
use crate::model::caller::Caller;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::StateId;
use crate::model::version::{Replaced, Version};
use crate::store::{StoreError, View};

/// Two states that are compared need so many times their size: their own bytes, and as many while
/// one of them is decoded or while is seen where they differ. What differs comes to that.
const SIZE_COMPARED: u64 = 2;
/// A report, and the answer that is made of it, need so many times the report's limit.
const COPIES_OF_A_REPORT: u64 = 3;
/// What is reserved for two versions beyond their sizes at most, since memory is reserved in whole
/// KiB.
const BEYOND_SIZES: u64 = 2 * 1024;

/// Which versions are to be compared, and how.
#[derive(Clone, Copy)]
pub struct Comparing {
    /// The version that is looked at.
    pub to: u64,
    /// The version that it is compared with; the one that was current before it where none is
    /// given.
    pub from: Option<u64>,
    /// Whether secrets are shown in clear.
    pub reveal: bool,
}

/// The answer.
#[derive(Serialize)]
struct Answer<'a> {
    from: Option<&'a Version>,
    from_reason: Option<&'static str>,
    to: &'a Version,
    encrypted: bool,
    not_compared: Option<NotCompared>,
    diff: Option<DiffReport>,
}

/// What a version is compared with.
pub(super) enum Against {
    Version(Box<Version>),
    /// Nothing was current before it, for this reason.
    Nothing(&'static str),
    /// What was current before it is not there any more.
    Gone,
}

impl Against {
    /// What was current before.
    pub(super) fn of(replaced: Replaced) -> Self {
        match replaced {
            Replaced::Version(version) => Self::Version(version),
            Replaced::Nothing => Self::Nothing("first"),
            Replaced::Deleted => Self::Nothing("deleted"),
            Replaced::Gone => Self::Gone,
        }
    }

    /// The version, if there is one.
    pub(super) fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Nothing(_) | Self::Gone => None,
        }
    }

    /// Why there is no version, if there is none.
    pub(super) const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Version(_) => None,
            Self::Nothing(reason) => Some(reason),
            Self::Gone => Some("pruned"),
        }
    }
}

impl History<'_> {
    /// What changed from one version to another, as JSON.
    pub async fn compare(
        &self,
        caller: &Caller,
        name: &StateName,
        comparing: Comparing,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let needed = if comparing.reveal {
            Permission::List
        } else {
            Permission::Inspect
        };
        authorize(caller, needed, name)?;
        let turn = self.engine.place_aside(caller)?.turn().await?;
        let (state, from, to) = self.find(name, comparing).await?;
        let compared_with = from.version().map(|from| from.number);
        let reveal = comparing.reveal;
        let both = (from, to);
        let answer = self.compared(name, state, both, (reveal, turn)).await?;
        if reveal {
            let detail = serde_json::json!({ "what": "diff", "from": compared_with });
            self.events
                .record_reveal(caller, name, comparing.to, detail)
                .await?;
        }
        self.events.count_read(caller, name, Some(comparing.to));
        Ok(answer)
    }

    /// The two versions, which both still have their content, and their state.
    async fn find(
        &self,
        name: &StateName,
        comparing: Comparing,
    ) -> Result<(StateId, Against, Version), Error> {
        let store = &self.engine.store;
        let read = |view: &View<'_>| {
            on_state(view, name, |state| {
                Ok((state, pair(view, state, comparing)?))
            })
        };
        let (state, (from, to)) = store.read_inline(read).await??;
        let (from, to) = match (from, to) {
            (Ok(from), Some(to)) => (from, to),
            (_, None) => return Err(no_version(store, name, comparing.to).await),
            (Err(number), _) => return Err(no_version(store, name, number).await),
        };
        let purged = [from.version(), Some(&to)]
            .into_iter()
            .flatten()
            .find(|version| version.purged)
            .map(|version| version.number);
        match purged {
            Some(number) => Err(Error::Purged(name.clone(), number)),
            None => Ok((state, from, to)),
        }
    }
}

/// The version that another is compared with, or the number of the one that is asked for and not
/// there; and that other one, if it is there.
type Pair = (Result<Against, u64>, Option<Version>);

fn pair(view: &View<'_>, state: StateId, comparing: Comparing) -> Result<Pair, StoreError> {
    let to = view.version(state, comparing.to)?;
    let from = match comparing.from {
        Some(number) => view
            .version(state, number)?
            .map(|version| Against::Version(Box::new(version)))
            .ok_or(number),
        None => Ok(Against::of(view.before(state, comparing.to)?)),
    };
    Ok((from, to))
}

impl History<'_> {
    async fn compared(
        &self,
        name: &StateName,
        state: StateId,
        (from, to): (Against, Version),
        (reveal, turn): (bool, AsideTurn),
    ) -> Result<Arc<LeasedBytes>, Error> {
        let not_compared = match &from {
            Against::Gone => Some(NotCompared::pruned(&to)),
            Against::Version(_) | Against::Nothing(_) => {
                hindrance(&self.engine.limits, from.version(), &to)
            }
        };
        let made = if let Some(why) = not_compared {
            let tell = move |reservation| leased(answer((&from, &to), Err(why)), reservation);
            self.engine.aside(turn, 0, tell).await?
        } else {
            let versions = (from.version(), &to);
            let both = self.content.bytes_of_both(name, state, versions).await?;
            let report = move |diff: Result<Diff<'_>, NotCompared>, reservation| {
                let report = diff.map(|diff| diff.report(reveal));
                leased(answer((&from, &to), report), reservation)
            };
            compare_aside(self.engine, turn, both, report).await?
        };
        made.map_err(|error| Error::Internal(error.to_string()))
    }
}

fn leased(
    made: serde_json::Result<Vec<u8>>,
    reservation: Reservation,
) -> serde_json::Result<Arc<LeasedBytes>> {
    made.map(|made| LeasedBytes::new(made, reservation))
}

/// The answer in JSON: the report, or why the two are not compared.
fn answer(
    (from, to): (&Against, &Version),
    report: Result<DiffReport, NotCompared>,
) -> serde_json::Result<Vec<u8>> {
    let (diff, not_compared) = match report {
        Ok(diff) => (Some(diff), None),
        Err(why) => (None, Some(why)),
    };
    serde_json::to_vec(&Answer {
        from: from.version(),
        from_reason: from.reason(),
        to,
        encrypted: is_encrypted(from.version(), to),
        not_compared,
        diff,
    })
}

/// Compares two versions, aside, in two parts: what of them has to be taken apart is seen first,
/// and memory is reserved for that. What is made of the differences may keep the memory that comes
/// with them.
pub(super) async fn compare_aside<T: Send + 'static>(
    engine: &Engine,
    turn: AsideTurn,
    both: BothBytes,
    make: impl FnOnce(Result<Diff<'_>, NotCompared>, Reservation) -> T + Send + 'static,
) -> Result<T, Error> {
    let sizes = both.size();
    let all = engine.limits.max_in_flight;
    let most = all.saturating_sub(sizes + BEYOND_SIZES);
    let for_report = MAX_REPORT as u64 * COPIES_OF_A_REPORT;
    let first = most.min(sizes + for_report);
    let measure = move || {
        let apart = Apart::of(both.before(), both.after());
        let apart = apart.map_err(NotCompared::from).and_then(|apart| {
            let needed = apart.size().saturating_mul(SIZE_TAKEN_APART);
            let is_too_much = sizes.saturating_add(needed) > all;
            let too_different = || NotCompared::too_different(all);
            (!is_too_much)
                .then_some((apart, needed))
                .ok_or_else(too_different)
        });
        let needed = apart.as_ref().map_or(0, |(_, needed)| needed + for_report);
        (most.min(needed).saturating_sub(first), (both, apart))
    };
    let compare = move |(both, apart): (BothBytes, Result<(Apart, u64), _>), reservation| {
        let diff = apart.and_then(|(apart, _)| {
            let diff = apart.compare(both.before(), both.after());
            diff.map_err(NotCompared::from)
        });
        make(diff, reservation)
    };
    engine.aside_measured(turn, first, measure, compare).await
}

/// Why two versions cannot be compared, as far as that is known without their bytes.
pub(super) fn hindrance(
    limits: &Limits,
    from: Option<&Version>,
    to: &Version,
) -> Option<NotCompared> {
    if is_encrypted(from, to) {
        return Some(NotComparable::Encrypted.into());
    }
    let most = limits.max_in_flight / SIZE_COMPARED;
    (both(from, to) > most).then(|| NotCompared::too_large(most))
}

/// How many bytes two versions have together.
fn both(from: Option<&Version>, to: &Version) -> u64 {
    to.size.saturating_add(from.map_or(0, |from| from.size))
}

fn is_encrypted(from: Option<&Version>, to: &Version) -> bool {
    from.into_iter()
        .chain([to])
        .any(|version| version.head.encrypted)
}
