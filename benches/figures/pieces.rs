//! The parts of a request that can be timed in this process, through the library's own functions,
//! one after the other on a machine that does nothing else: what each part costs when nobody waits
//! for anybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use statekeep::blob::{self, Frame};
use statekeep::config::{DEFAULT_MAX_NESTING, DEFAULT_MAX_QUEUE};
use statekeep::domain::Domain;
use statekeep::domain::auth::keys::WantedKey;
use statekeep::domain::content::encode::check_md5;
use statekeep::domain::engine::budget::Reservation;
use statekeep::domain::engine::data_dir::DirLock;
use statekeep::domain::engine::shares::Holder;
use statekeep::domain::error::Error;
use statekeep::domain::states::job::WriteRequest;
use statekeep::model::caller::Caller;
use statekeep::model::clock;
use statekeep::model::digest::{Digest, Hasher};
use statekeep::model::event::{EventKind, NewEvent};
use statekeep::model::frame::{Bytes, StoredBlob};
use statekeep::model::lock::Lock;
use statekeep::model::name::StateName;
use statekeep::model::state::{Lookup, StateId};
use statekeep::model::terraform::tfstate::read_head;
use statekeep::model::version::NewVersion;
use statekeep::model::version::VersionKind;
use statekeep::store::{Store, StoreError, Touches, Tx};

use crate::Res;
use crate::chain::link;
use crate::inside::{Inside, LOCK, LOCK_ID, block_on, origin, time, time_after, time_batches};
use crate::load::Times;
use crate::states::Series;

/// How often something is timed: what is done in memory, what takes a commit each, and argon2.
const OFTEN: usize = 2_000;
const COMMITS: usize = 500;
const SELDOM: usize = 15;
/// What takes less than the clock can tell is timed so many at once.
const BATCH: u32 = 1_000;
/// How many bytes two digests take in turns, as in `domain::content::encode`, which is not public.
const SIDE_BY_SIDE: usize = 128;
const SEED: u64 = 60_000;

/// One row: the part, where it is needed, its times, and how it was timed.
pub(crate) struct Piece {
    pub(crate) name: &'static str,
    pub(crate) needed: &'static str,
    pub(crate) times: Times,
    pub(crate) how: &'static str,
}

/// The rows of the table so far.
pub(crate) struct Pieces(pub(crate) Vec<Piece>);

impl Pieces {
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        needed: &'static str,
        times: Times,
        how: &'static str,
    ) {
        eprintln!("parts: {name}");
        self.0.push(Piece {
            name,
            needed,
            times,
            how,
        });
    }
}

fn state_name() -> Res<StateName> {
    Ok(StateName::parse("bench", "parts")?)
}

/// What needs neither a disk nor a database.
pub(crate) fn pure(pieces: &mut Pieces) -> Res<()> {
    let mut series = Series::new(SEED)?;
    let state = series.next().to_vec();
    let (sha256, md5) = (Digest::of(&state), STANDARD.encode(Md5::digest(&state)));
    let frame = blob::encode(&state)?;
    let size = u64::try_from(state.len())?;
    let fresh = |series: &mut Series| series.next().to_vec();
    let sha = time(OFTEN, || Ok(Digest::of(&state)))?;
    pieces.add("SHA-256", "write, first read", sha, "`Digest::of`");
    pieces.add(
        "MD5",
        "write",
        time(OFTEN, || Ok(check_md5(&state, Some(&md5))?))?,
        "`check_md5`",
    );
    pieces.add(
        "SHA-256 and MD5 in turns",
        "write",
        time(OFTEN, || Ok(side_by_side(&state)))?,
        "as `domain::content::encode` does it, copied",
    );
    pieces.add(
        "head parse",
        "write",
        time(OFTEN, || Ok(read_head(&state, DEFAULT_MAX_NESTING)?))?,
        "`tfstate::read_head`",
    );
    let mut seconds = Vec::with_capacity(OFTEN);
    for _ in 0..OFTEN {
        let state = fresh(&mut series);
        let began = Instant::now();
        let frame = std::hint::black_box(blob::encode(&state)?);
        seconds.push(began.elapsed().as_secs_f64());
        drop(frame);
    }
    pieces.add("compress", "write", Times::new(seconds), "`blob::encode`");
    let decoded = time(OFTEN, || {
        Ok(blob::decode(
            [Frame {
                format: blob::FULL,
                size,
                bytes: &frame,
            }],
            sha256,
        )?)
    })?;
    pieces.add(
        "decode and prove",
        "first read",
        decoded,
        "`blob::decode`, with its SHA-256",
    );
    let linked = time_batches(20, BATCH, || link(&sha256))?;
    pieces.add(
        "link in the chain of events",
        "write",
        linked,
        "as `store::tables::event_chain` makes it, copied",
    );
    Ok(())
}

fn side_by_side(bytes: &[u8]) -> (Digest, Md5) {
    let (mut sha256, mut md5) = (Hasher::default(), Md5::new());
    for piece in bytes.chunks(SIDE_BY_SIDE) {
        sha256.update(piece);
        md5.update(piece);
    }
    (sha256.finish(), md5)
}

/// What the domain and its store do, each asked by one caller at a time.
pub(crate) fn domain_and_store(pieces: &mut Pieces) -> Res<()> {
    block_on(async {
        let inside = Inside::open().await?;
        credentials(&inside, pieces).await?;
        whole(&inside, pieces).await?;
        let Inside { domain, dir, .. } = inside;
        domain.close().await;
        // The directory's lock goes with the domain.
        drop(domain);
        let data = dir.path().join("data");
        let lock = DirLock::take(&data)?;
        let space = time_batches(20, BATCH, || lock.free_space())?;
        pieces.add(
            "free space on the disk",
            "write",
            space,
            "`DirLock::free_space`",
        );
        let store = Store::open(&data, DEFAULT_MAX_QUEUE, &Arc::default())?;
        rows(&store, pieces).await?;
        store.close().await;
        Ok(())
    })
}

async fn credentials(inside: &Inside, pieces: &mut Pieces) -> Res<()> {
    let (domain, operator) = (&inside.domain, Caller::operator(origin()));
    let wanted = |number| WantedKey {
        name: format!("bench-{number}"),
        roles: vec!["reader".to_owned()],
        ..WantedKey::default()
    };
    let new_key = async |number| {
        let made = domain.keys().create(&operator, wanted(number)).await?;
        Ok(made.secret)
    };
    let cold = time_after(SELDOM, new_key, async |secret| {
        Ok(domain
            .logins()
            .authenticate(Some(&secret), origin())
            .await?)
    })
    .await?;
    pieces.add(
        "credential, never seen (argon2)",
        "once in 5 min a secret",
        cold,
        "`logins().authenticate`",
    );
    let authenticate = async |origin| {
        Ok(domain
            .logins()
            .authenticate(Some(&inside.admin), origin)
            .await?)
    };
    let fresh = time_after(
        COMMITS,
        async |_| inside.log_in().await.map(|()| origin()),
        authenticate,
    )
    .await?;
    pieces.add(
        "credential, warm, after a commit of credentials",
        "seldom",
        fresh,
        "the same: its key is read from the database",
    );
    let warm = time_after(OFTEN, async |_| Ok(origin()), authenticate).await?;
    pieces.add(
        "credential, warm",
        "each",
        warm,
        "the same, nothing committed since",
    );
    let (states, name) = (domain.states(), state_name()?);
    let rights = time_batches(20, BATCH, || states.may_write(&operator, &name))?;
    pieces.add("rights check", "each", rights, "`states().may_write`");
    let requests = &domain.engine().metrics().requests;
    let counted = time_batches(20, BATCH, || {
        requests
            .with_label_values(&["/bench", "GET", "200"])
            .observe(0.000_1);
    })?;
    pieces.add(
        "metrics of the request",
        "each",
        counted,
        "`requests.observe`",
    );
    Ok(())
}

/// Memory for a body.
fn reserved(domain: &Domain, size: usize) -> Res<Reservation> {
    let engine = domain.engine();
    let reserved = engine.reserve_if_free_for_body(&Holder::default(), u64::try_from(size)?);
    Ok(reserved.ok_or(Error::OverBudget)?)
}

/// Whole reads and writes without HTTP.
async fn whole(inside: &Inside, pieces: &mut Pieces) -> Res<()> {
    let (domain, name) = (&inside.domain, state_name()?);
    let caller = domain
        .logins()
        .authenticate(Some(&inside.admin), origin())
        .await?;
    domain
        .locks()
        .lock(&caller, &name, Lock::parse(LOCK.as_bytes())?)
        .await?;
    let mut series = Series::new(SEED)?;
    let mut next = || -> Res<(WriteRequest, Vec<u8>)> {
        let bytes = series.next().to_vec();
        let request = WriteRequest {
            reservation: reserved(domain, bytes.len())?,
            content_md5: Some(STANDARD.encode(Md5::digest(&bytes))),
            permit: domain.states().may_write(&caller, &name)?,
            lock_id: Some(LOCK_ID.to_owned()),
            force: false,
        };
        Ok((request, bytes))
    };
    let write = async |(request, bytes)| Ok(domain.states().write(request, bytes).await?);
    let writes = time_after(COMMITS, async |_| next(), write).await?;
    pieces.add(
        "whole write without HTTP",
        "write",
        writes,
        "`states().write`, one at a time",
    );
    let first = time_after(
        COMMITS,
        async |_| write(next()?).await,
        async |_| Ok(domain.states().read(&caller, &name).await?),
    )
    .await?;
    pieces.add(
        "whole first read without HTTP",
        "first read",
        first,
        "`states().read` of a version that nobody has read",
    );
    let fresh = time_after(
        COMMITS,
        async |number| inside.commit(number).await,
        async |()| Ok(domain.states().read(&caller, &name).await?),
    );
    pieces.add(
        "whole read without HTTP, after a commit",
        "read",
        fresh.await?,
        "the same, of one that has been read",
    );
    let warm = time_after(
        OFTEN,
        async |_| Ok(()),
        async |()| Ok(domain.states().read(&caller, &name).await?),
    )
    .await?;
    pieces.add(
        "whole read without HTTP",
        "read",
        warm,
        "the same, nothing committed since",
    );
    Ok(())
}

/// What is asked of the database and written into it, by the store's verbs.
async fn rows(store: &Store, pieces: &mut Pieces) -> Res<()> {
    let name = state_name()?;
    let Lookup::State { id, .. } = store.address_info(&name).await?.lookup else {
        return Err("the state is not there".into());
    };
    let warm = time_after(
        OFTEN,
        async |_| Ok(()),
        async |()| Ok(store.address_info(&name).await?),
    )
    .await?;
    pieces.add(
        "pointer, warm",
        "each read",
        warm,
        "`store.address_info`, nothing committed since",
    );
    let mut series = Series::new(SEED + 1)?;
    let mut next = || -> Res<(NewVersion, StoredBlob)> { version(series.next()) };
    let append =
        async |(version, blob)| write_as_the_domain_does(store, &name, id, version, blob).await;
    let pointer = time_after(
        COMMITS,
        async |_| append(next()?).await,
        async |_| Ok(store.address_info(&name).await?),
    )
    .await?;
    pieces.add(
        "pointer, after a commit",
        "each read",
        pointer,
        "the same: it is read from the database",
    );
    let number = store
        .address_info(&name)
        .await?
        .lookup
        .live()
        .map(|version| version.number)
        .ok_or("no current version")?;
    let frame = time_after(
        COMMITS,
        async |_| append(next()?).await,
        async |_| {
            Ok(store
                .read(move |view| view.chain(Bytes::Of(id, number)))
                .await?)
        },
    )
    .await?;
    pieces.add(
        "frame from the database",
        "first read",
        frame,
        "`store.read`, on a thread that may wait",
    );
    jobs(store, pieces, next, append).await
}

/// What a write waits for: the way to the writer, the job, the commit and its sync.
async fn jobs(
    store: &Store,
    pieces: &mut Pieces,
    mut next: impl FnMut() -> Res<(NewVersion, StoredBlob)>,
    append: impl AsyncFn((NewVersion, StoredBlob)) -> Res<Duration>,
) -> Res<()> {
    let empty = time_after(
        COMMITS,
        async |_| Ok(()),
        async |()| Ok(store.write(Touches::NoState, 0, |_| Ok(())).await?),
    )
    .await?;
    pieces.add(
        "to the writer and back",
        "write",
        empty,
        "`store.write` of a job that does nothing: no sync",
    );
    let mut within = Vec::with_capacity(COMMITS);
    let whole = time_after(
        COMMITS,
        async |_| next(),
        async |new| {
            append(new)
                .await
                .map(|took| within.push(took.as_secs_f64()))
        },
    )
    .await?;
    pieces.add(
        "job in its transaction",
        "write",
        Times::new(within),
        "the verbs of `domain::states::job`, copied",
    );
    pieces.add(
        "job, commit and sync, to the writer and back",
        "write",
        whole,
        "`store.write` of that job, one at a time",
    );
    Ok(())
}

fn version(state: &[u8]) -> Res<(NewVersion, StoredBlob)> {
    let version = NewVersion {
        sha256: Digest::of(state),
        size: u64::try_from(state.len())?,
        head: read_head(state, DEFAULT_MAX_NESTING)?,
        kind: VersionKind::Write,
        from_version: None,
        created_at: clock::now(),
        created_by: Caller::operator(origin()).actor,
        address: origin().address,
        lock: None,
    };
    Ok((
        version,
        StoredBlob {
            format: blob::FULL,
            size: u64::try_from(state.len())?,
            frame: blob::encode(state)?,
        },
    ))
}

/// Appends a version under a lock with the verbs that the domain uses, and says how long they took
/// within the transaction.
async fn write_as_the_domain_does(
    store: &Store,
    name: &StateName,
    id: StateId,
    new: NewVersion,
    blob: StoredBlob,
) -> Res<Duration> {
    let (name, bytes) = (name.clone(), blob.frame.len());
    let touches = Touches::Address(name.clone());
    let job = move |tx: &Tx<'_>| -> Result<Duration, StoreError> {
        let began = Instant::now();
        let (caller, at) = (Caller::operator(origin()), new.created_at);
        let (lookup, held) = (tx.lookup(&name)?, tx.lock(&name)?);
        let lock = held.as_ref().map(statekeep::model::lock::HeldLock::note);
        let version = tx.append(
            id,
            &NewVersion {
                lock,
                ..new.clone()
            },
            &blob,
        )?;
        if let Some(before) = lookup.live() {
            tx.mark_intermediate(id, before.number)?;
        }
        tx.clear_stale_writer(&name, &caller.actor.id, &caller.origin.address)?;
        let Ok(by) = tx.live(&caller, at)? else {
            return Err(StoreError::Closed);
        };
        let event = NewEvent::new(EventKind::StateWrite, by, at)
            .on(&name)
            .version(version.number);
        tx.record(&event.detail(serde_json::json!({
            "serial": new.head.serial, "resources": new.head.resources, "locked": true,
            "forced": false
        })))?;
        Ok(began.elapsed())
    };
    Ok(store.write(touches, bytes, job).await?)
}
