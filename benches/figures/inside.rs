//! The library in this process, to time what cannot be seen through the front door.

use std::sync::Arc;
use std::time::Instant;

use statekeep::config::Limits;
use statekeep::domain::Domain;
use statekeep::domain::auth::logins::WantedToken;
use statekeep::domain::engine::data_dir::{self, DirLock};
use statekeep::domain::states::locks::Unlock;
use statekeep::model::actor::Origin;
use statekeep::model::caller::Caller;
use statekeep::model::lock::Lock;
use statekeep::model::name::StateName;
use statekeep::model::secret::Secret;
use tempfile::TempDir;

use crate::Res;
use crate::load::Times;
use crate::process::directory;

/// A lock as a client sends it.
pub(crate) const LOCK: &str = concat!(
    r#"{"ID":"lock-inside","Operation":"OperationTypeApply","Info":"","Who":"bench@figures","#,
    r#""Version":"1.11.4","Created":"2026-01-01T00:00:00Z","Path":""}"#
);
/// Its ID.
pub(crate) const LOCK_ID: &str = "lock-inside";

/// An open data directory of its own, with an admin key.
pub(crate) struct Inside {
    pub(crate) domain: Arc<Domain>,
    pub(crate) admin: Secret,
    id: String,
    pub(crate) dir: TempDir,
}

impl Inside {
    pub(crate) async fn open() -> Res<Self> {
        let dir = directory()?;
        let data = dir.path().join("data");
        data_dir::make(&data)?;
        let domain = Domain::open(DirLock::take(&data)?, Limits::default())?;
        let admin = domain
            .keys()
            .first_admin(false)
            .await?
            .ok_or("a new data directory has no admin yet")?;
        Ok(Self {
            domain,
            admin: admin.secret,
            id: admin.key.id.to_string(),
            dir,
        })
    }

    /// A commit of somebody's token: what was read of any credentials before has to be read again.
    pub(crate) async fn log_in(&self) -> Res<()> {
        self.domain
            .logins()
            .login(&self.id, &self.admin, WantedToken::default(), origin())
            .await?;
        Ok(())
    }

    /// A commit by somebody else: what was read of states before has to be read again.
    pub(crate) async fn commit(&self, number: usize) -> Res<()> {
        let (locks, operator, name) = (
            self.domain.locks(),
            Caller::operator(origin()),
            StateName::parse("elsewhere", "locked")?,
        );
        if number.is_multiple_of(2) {
            locks
                .lock(&operator, &name, Lock::parse(LOCK.as_bytes())?)
                .await?;
        } else {
            locks
                .unlock(
                    &operator,
                    &name,
                    Unlock::Id {
                        id: LOCK_ID.to_owned(),
                        forced: false,
                    },
                )
                .await?;
        }
        Ok(())
    }
}

/// Runs a future on a runtime as small as one of the server's threads has.
pub(crate) fn block_on<T>(work: impl Future<Output = Res<T>>) -> Res<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Where requests of this process come from.
pub(crate) fn origin() -> Origin {
    Origin {
        request_id: "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned(),
        ..Origin::within("127.0.0.1")
    }
}

/// Times some work so many times.
pub(crate) fn time<T>(times: usize, mut work: impl FnMut() -> Res<T>) -> Res<Times> {
    let mut seconds = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        let done = std::hint::black_box(work()?);
        seconds.push(began.elapsed().as_secs_f64());
        drop(done);
    }
    Ok(Times::new(seconds))
}

/// Times work that takes too little for the clock: each time is the mean of so many.
pub(crate) fn time_batches<T>(times: usize, batch: u32, mut work: impl FnMut() -> T) -> Res<Times> {
    let seconds = time(times, || {
        (0..batch).for_each(|_| drop(std::hint::black_box(work())));
        Ok(())
    })?;
    Ok(seconds.divided_by(f64::from(batch)))
}

/// Times asynchronous work so many times, each after some preparation that is not timed.
pub(crate) async fn time_after<P, T>(
    times: usize,
    mut prepare: impl AsyncFnMut(usize) -> Res<P>,
    mut work: impl AsyncFnMut(P) -> Res<T>,
) -> Res<Times> {
    let mut seconds = Vec::with_capacity(times);
    for number in 0..times {
        let prepared = prepare(number).await?;
        let began = Instant::now();
        let done = std::hint::black_box(work(prepared).await?);
        seconds.push(began.elapsed().as_secs_f64());
        drop(done);
    }
    Ok(Times::new(seconds))
}
