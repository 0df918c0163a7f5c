//! A rollback before it is done: it tells what would happen, and writes nothing.

use crate::diff::{Diff, ResourceAddress};
use crate::domain::access::authorize;
use crate::domain::content::missing::explained;
use crate::domain::content::pair::BothBytes;
use crate::domain::engine::aside::AsideTurn;
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::domain::error::refusals::{NoRollback, NotCompared};
use crate::domain::history::History;
use crate::domain::history::compare::{compare_aside, hindrance};
use crate::domain::history::rollback::{Rollback, RollbackTarget, find};
use crate::domain::quotas;
use crate::domain::states::deaths::dead_lock;
use crate::model::caller::Caller;
use crate::model::clock;
use crate::model::error_code::ErrorCode;
use crate::model::freeze::Freeze;
use crate::model::lock::HeldLock;
use crate::model::lock_death::LockDeath;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::printable::Printable;
use crate::model::state::Visibility;
use crate::model::version::Version;
use crate::store::{StoreError, View};

pub use crate::diff::DiffReport;

/// How many bytes the addresses of forgotten or of recreated resources may take in an answer; those
/// beyond are only counted.
const MAX_ADDRESSES: usize = 1024 * 1024;

/// What a rollback would do.
pub struct RollbackPreview {
    /// The version whose content would come back.
    pub version: Version,
    /// The version that is current, or was when the state was hidden; none where every write was
    /// rejected.
    pub current: Option<Version>,
    /// Whether the state is hidden, and would be brought back.
    pub is_hidden: bool,
    /// The storage elsewhere that it has left for, if it is hidden because of that.
    pub transferred_to: Option<String>,
    /// Where the state is, if it would be brought back from another address.
    pub away: Option<StateName>,
    /// Whether the version is current already, so that nothing would be written.
    pub is_unchanged: bool,
    /// The serial that it would get; none where there is none left.
    pub serial: Option<u64>,
    /// The lock on the state.
    pub lock: Option<HeldLock>,
    /// Since when its holder can write no more, if that is so.
    pub died: Option<LockDeath>,
    /// Why it would be refused, if it would.
    pub refusals: Vec<RollbackRefusal>,
    /// What the next plan would find, or why that cannot be told.
    pub comparison: Result<Comparison, NotCompared>,
}

/// What Terraform would find after a rollback.
pub struct Comparison {
    /// What differs from the current version to the one that would come back, without secrets.
    pub diff: DiffReport,
    /// Managed resources that are in the current version only: they keep running, and no state
    /// knows them any more.
    pub forgotten: Vec<String>,
    /// Managed resources that are in the version that would come back only: the client looks for
    /// them, and makes anew what is gone.
    pub recreated: Vec<String>,
    /// Whether some of either were left out because the answer would be too long; the diff counts
    /// them all.
    pub is_cut: bool,
}

/// One reason why a rollback would be refused.
pub struct RollbackRefusal {
    /// The code that the answer would have.
    pub code: ErrorCode,
    /// In words.
    pub detail: String,
}

impl From<NoRollback> for RollbackRefusal {
    fn from(why: NoRollback) -> Self {
        Self {
            code: why.code(),
            detail: why.to_string(),
        }
    }
}

impl History<'_> {
    /// Says what a rollback would do.
    pub async fn preview(
        &self,
        caller: &Caller,
        name: &StateName,
        ask: &Rollback,
    ) -> Result<RollbackPreview, Error> {
        self.may_preview(caller, name)?;
        let turn = self.engine.place_aside(caller)?.turn().await?;
        let found = find(self.engine, name, ask.number).await?;
        found.authorize(caller, &[Permission::List])?;
        let wanted = match found.wanted(name, ask.number) {
            Ok(wanted) => wanted.clone(),
            Err(error) => return Err(explained(&self.engine.store, error).await),
        };
        let now = self.engine.time_for_ends();
        let lock_and_freezes = |view: &View<'_>| {
            let away = found.away.as_ref();
            let lock = view.lock(away.unwrap_or(name))?;
            let of = |name: &StateName| Ok(view.freeze(name)?.map(|freeze| (name.clone(), freeze)));
            let both = away.into_iter().chain([name]).map(of);
            let freezes = both.collect::<Result<Vec<_>, StoreError>>()?;
            let died = dead_lock(view, lock.as_ref(), now)?;
            Ok(((lock, died), freezes.into_iter().flatten().collect()))
        };
        let read = self.engine.store.read_inline(lock_and_freezes).await?;
        let ((lock, died), freezes): (_, Vec<(StateName, Freeze)>) = read;
        let serial = if wanted.head.encrypted {
            Some(wanted.head.serial)
        } else {
            found.highest.checked_add(1)
        };
        let is_unchanged = found.is_unchanged(ask.number);
        let asked = Asked { caller, name, ask };
        let mut refusals = refusals(&asked, &found, &wanted, (lock.as_ref(), &freezes));
        let by_quota = |view: &View<'_>| by_quota(view, name, &found);
        let by_quota = self.engine.store.read_inline(by_quota).await?;
        refusals.extend(by_quota.filter(|_| !is_unchanged));
        let transferred_to = match &found.visibility {
            Visibility::Transferred(to) => Some(to.clone()),
            Visibility::Live | Visibility::Deleted => None,
        };
        let both = (&found, &wanted);
        let comparison = self.compare_with_current(name, both, turn).await?;
        self.events.count_read(
            caller,
            found.away.as_ref().unwrap_or(name),
            Some(ask.number),
        );
        Ok(RollbackPreview {
            version: wanted,
            is_hidden: found.visibility != Visibility::Live,
            transferred_to,
            is_unchanged,
            serial,
            lock,
            died,
            refusals,
            comparison,
            current: found.last,
            away: found.away,
        })
    }

    /// Compares what is current with what would come back. What cannot come back is an error; a
    /// current version that is damaged is what a rollback is good for.
    async fn compare_with_current(
        &self,
        name: &StateName,
        (found, wanted): (&RollbackTarget, &Version),
        turn: AsideTurn,
    ) -> Result<Result<Comparison, NotCompared>, Error> {
        let after = self
            .content
            .bytes_of(name, found.state, wanted, WhenFull::Wait)
            .await?;
        let Some(current) = &found.last else {
            return Ok(Err(NotCompared::new(
                "nothing_current",
                "no version was ever current".to_owned(),
            )));
        };
        if let Some(why) = hindrance(&self.engine.limits, Some(current), wanted) {
            return Ok(Err(why));
        }
        let before = match self
            .content
            .bytes_of(name, found.state, current, WhenFull::Wait)
            .await
        {
            Ok(before) => before,
            Err(Error::Damaged(why)) => return Ok(Err(NotCompared::new("damaged", why))),
            Err(why) => return Err(why),
        };
        let both = BothBytes::of(before, after);
        let tell = |diff: Result<Diff<'_>, NotCompared>, _reservation| diff.map(|diff| told(&diff));
        compare_aside(self.engine, turn, both, tell).await
    }
}

fn told(diff: &Diff<'_>) -> Comparison {
    let (forgotten, first_is_cut) = managed(diff.lost());
    let (recreated, second_is_cut) = managed(diff.gained());
    Comparison {
        diff: diff.report(false),
        forgotten,
        recreated,
        is_cut: first_is_cut || second_is_cut,
    }
}

/// The addresses of managed resources that one of the states lacks, and whether there are more than
/// are told.
fn managed(objects: Vec<(&ResourceAddress<'_>, Option<&str>)>) -> (Vec<String>, bool) {
    let mut bytes = 0;
    let managed = objects
        .into_iter()
        .filter(|(address, _)| address.mode == "managed");
    let mut addresses = managed.map(|(address, deposed)| match deposed {
        None => address.to_string(),
        Some(key) => format!("{address} (deposed object {})", Printable(key)),
    });
    let told = addresses.by_ref().take_while(|address| {
        bytes += address.len();
        bytes <= MAX_ADDRESSES
    });
    let told: Vec<String> = told.collect();
    (told, bytes > MAX_ADDRESSES)
}

/// Who asks what, of which state.
struct Asked<'a> {
    caller: &'a Caller,
    name: &'a StateName,
    ask: &'a Rollback,
}

/// Why a rollback would be refused, in the order in which that is seen.
fn refusals(
    asked: &Asked<'_>,
    found: &RollbackTarget,
    wanted: &Version,
    (lock, freezes): (Option<&HeldLock>, &[(StateName, Freeze)]),
) -> Vec<RollbackRefusal> {
    let Asked { caller, name, ask } = *asked;
    let may_save = authorize(caller, Permission::Save, name);
    let may_move = found.authorize(caller, &[Permission::Delete, Permission::Save]);
    let denied = [may_save, may_move]
        .into_iter()
        .filter_map(Result::err)
        .take(1);
    let mut refusals: Vec<RollbackRefusal> = denied
        .map(|error| RollbackRefusal {
            code: ErrorCode::Forbidden,
            detail: error.to_string(),
        })
        .collect();
    refusals.extend(found.check_current(ask).err().map(RollbackRefusal::from));
    if found.is_unchanged(ask.number) {
        return refusals;
    }
    refusals.extend(
        RollbackTarget::check_encrypted(wanted, ask)
            .err()
            .map(RollbackRefusal::from),
    );
    refusals.extend(found.next_serial(wanted).err().map(RollbackRefusal::from));
    let own = lock.filter(|held| is_own(caller, ask, found, held));
    let frozen = freezes.iter().filter_map(|frozen| by_freeze(frozen, own));
    let locked = by_lock(ask, lock, own.is_some());
    refusals.extend(locked.into_iter().chain(frozen));
    refusals
}

/// Whether the caller has said that a lock is theirs, and it is.
fn is_own(caller: &Caller, ask: &Rollback, found: &RollbackTarget, held: &HeldLock) -> bool {
    // A lock belongs to an address, so none of one's own lets a state leave the one where it is.
    let id = ask.lock_id.as_deref().filter(|_| found.away.is_none());
    id.is_some_and(|id| held.is_held_by(&caller.actor, id))
}

fn by_freeze(
    (name, freeze): &(StateName, Freeze),
    own: Option<&HeldLock>,
) -> Option<RollbackRefusal> {
    let keeps_out = freeze.keeps_out(own, clock::now());
    keeps_out.then(|| RollbackRefusal {
        code: ErrorCode::Locked,
        detail: format!(
            "{name} is {}; `statekeep state unfreeze {name}` lifts it",
            freeze.as_lock(name).id
        ),
    })
}

/// The quota that keeps a rollback out. How many bytes the new version takes is not known before it
/// is made; it takes some.
fn by_quota(
    view: &View<'_>,
    name: &StateName,
    found: &RollbackTarget,
) -> Result<Option<RollbackRefusal>, StoreError> {
    let adds = found.adds(view, name, 1)?;
    let Err(why) = quotas::judged(view, name, adds, clock::now())? else {
        return Ok(None);
    };
    let code = if matches!(why, Error::RateExceeded { .. }) {
        ErrorCode::RateExceeded
    } else {
        ErrorCode::QuotaExceeded
    };
    let detail = why.to_string();
    Ok(Some(RollbackRefusal { code, detail }))
}

fn by_lock(ask: &Rollback, lock: Option<&HeldLock>, is_own: bool) -> Option<RollbackRefusal> {
    let Some(held) = lock else {
        return ask.lock_id.as_ref().map(|_| NoRollback::StaleLockId.into());
    };
    let detail = format!(
        "the state is locked by the key {:?}, with the lock ID {}",
        held.holder.name, held.lock.id
    );
    (!is_own).then_some(RollbackRefusal {
        code: ErrorCode::Locked,
        detail,
    })
}
