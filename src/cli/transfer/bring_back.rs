//! The way back: the sources configure no backend any more, while the old one is recorded in the
//! data directory or has left a file in the module.
//!
//! The client reads the state from there and stores it here, so that serial, lineage and its own
//! encryption stay. The copy there is put aside only when the state was read back from here. A
//! state that is here is replaced only if the other one is known to have come from it.

use std::path::{Path, PathBuf};

use crate::cli::client::wire::Wire;
use crate::cli::module::identity::Whose;
use crate::cli::output::{self, CliError};
use crate::cli::terraform::calls::Push;
use crate::cli::terraform::invocation::DEFAULT_WORKSPACE;
use crate::cli::terraform::record::Record;
use crate::cli::transfer::already_here::Here;
use crate::cli::transfer::equality;
use crate::cli::transfer::file::Quiet;
use crate::cli::transfer::not_moved::NotMoved;
use crate::cli::transfer::old_server::OldServer;
use crate::cli::transfer::server_side::{OpenTransfer, ServerSide, StateStatus, tell};
use crate::cli::transfer::state_move::Move;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum BroughtBack {
    /// Nothing is recorded or found elsewhere.
    Nothing,
    /// The state is here; it has come, or was here already.
    Here,
}

/// How often a state is read again that is written meanwhile.
const MAX_TRIES: u32 = 3;
/// What is put behind the name of a state's file when its state has moved.
const MOVED: &str = ".moved-to-statekeep";

/// Where a state comes from.
struct Source {
    record: Record,
    place: String,
    /// Its file, if it is one.
    file: Option<PathBuf>,
    /// Whether the client may encrypt it, and has to store it.
    may_encrypt: bool,
}

impl Move<'_> {
    /// Moves the state here from the backend that is recorded, or from the file that the program
    /// finds if none is.
    pub(in crate::cli) async fn bring_back(
        &self,
        may_encrypt: bool,
    ) -> Result<BroughtBack, CliError> {
        let Some(source) = self.source(may_encrypt).await? else {
            return Ok(BroughtBack::Nothing);
        };
        let old = OldServer::at(&source.record, &source.place, self.address).await?;
        if let Some(old) = &old
            && self.has_come(old.wire(), &source.place).await?
        {
            return Ok(BroughtBack::Here);
        }
        let Some(theirs) = self.read_what_counts(&source).await? else {
            return Ok(BroughtBack::Nothing);
        };
        let _quiet = source.file.as_deref().map(Quiet::hold).transpose()?;
        if let Some(old) = old {
            self.take_from_server(&source, old.wire(), theirs).await?;
        } else {
            let taken = self.take_in(&source, theirs).await;
            taken.map_err(|not_moved| not_moved.failure)?;
            put_aside(&source);
        }
        Ok(BroughtBack::Here)
    }

    /// Where a state is that would move here, if there is one. Nothing moves. Fails if the state
    /// could not move.
    pub(in crate::cli) async fn would_bring_back(
        &self,
        may_encrypt: bool,
    ) -> Result<Option<String>, CliError> {
        let Some(source) = self.source(may_encrypt).await? else {
            return Ok(None);
        };
        if let Some(old) = OldServer::at(&source.record, &source.place, self.address).await?
            && self.has_come(old.wire(), &source.place).await?
        {
            return Ok(None);
        }
        let Some(theirs) = self.read_what_counts(&source).await? else {
            return Ok(None);
        };
        let server = self.server_side();
        let here = self.here(&server, &source.place, &theirs).await?;
        Ok((here != Here::TheSame).then_some(source.place))
    }

    /// Moves the state from another statekeep, on which it is locked meanwhile.
    async fn take_from_server(
        &self,
        source: &Source,
        wire: &Wire,
        theirs: Vec<u8>,
    ) -> Result<(), CliError> {
        let transfer = self.lock_there(wire, &source.place).await?;
        let there = ServerSide::new(wire, String::new());
        let here = self.server_side().begun().await?;
        if here.is_some_and(|begun| begun.lock == transfer.lock) {
            // It is this server, by another address.
            return there.abandon().await.map(drop);
        }
        let came = self.take_in(source, theirs).await;
        self.let_go(source, &there, &transfer, came).await
    }

    /// The state there; none if it is empty. An empty one counts if the state here has left: it is
    /// what became of it.
    async fn read_what_counts(&self, source: &Source) -> Result<Option<Vec<u8>>, CliError> {
        let Some(theirs) = self.read(source)? else {
            return Ok(None);
        };
        let counts = !equality::is_empty(&theirs)?
            || self.server_side().status().await? == StateStatus::Transferred;
        Ok(counts.then_some(theirs))
    }

    /// Ends what was begun on the old server: the state has left it, or is unlocked there, or stays
    /// locked as long as it may be in both places.
    async fn let_go(
        &self,
        source: &Source,
        old: &ServerSide<'_>,
        transfer: &OpenTransfer,
        came: Result<(), NotMoved>,
    ) -> Result<(), CliError> {
        let NotMoved {
            failure,
            may_be_there,
        } = match came {
            Err(not_moved) => not_moved,
            // Names may lead elsewhere than a moment ago.
            Ok(()) => match self.whose(&source.record).await {
                Whose::Others => return old.done(transfer).await,
                Whose::This(_) => NotMoved::certain(CliError::Failed(format!(
                    "{} is this very server now, by another address; nothing was moved",
                    source.place
                ))),
                Whose::Unknown(why) => NotMoved::unsure(CliError::Failed(why)),
            },
        };
        if may_be_there {
            return Err(failure.and(
                "The old one stays locked, because the state may be here as well. Run this again \
                    to continue.",
            ));
        }
        Err(match old.abandon().await {
            Ok(_) => failure,
            Err(why) => failure.and(&format!("The old one stays locked: {}", why.into_message())),
        })
    }

    /// Where a state may come from; nothing on this server counts.
    async fn source(&self, may_encrypt: bool) -> Result<Option<Source>, CliError> {
        let root = self.invocation.root();
        let record = match Record::read(self.invocation)? {
            Some(record) if matches!(self.whose(&record).await, Whose::This(_)) => return Ok(None),
            // What does not answer us may still answer the client.
            Some(record) => record,
            None if root.join(Record::LOCAL_FILE).is_file() => Record::local(),
            None => return Ok(None),
        };
        let place = self.place(&record)?;
        let file = record.local_path().map(|path| root.join(path));
        Ok(Some(Source {
            record,
            place,
            file,
            may_encrypt,
        }))
    }

    /// The state there, as its client reads it.
    fn read(&self, source: &Source) -> Result<Option<Vec<u8>>, CliError> {
        if source.record.kind == Record::CLOUD {
            return Err(CliError::Failed(format!(
                "{} was the backend before, which only the block that was there can reach; put it \
                    back and move the state by `{} state pull` and `statekeep import`, or give \
                    --transfer=never to continue without it",
                source.place,
                self.invocation.shown()
            )));
        }
        let read = self.with_backend(&source.record, None, |using| self.invocation.pull(using));
        read.map_err(|failure| {
            failure.and(&format!(
                "{} was the backend before, and may hold the state. Make it readable again, or \
                    give --transfer=never to continue without it.",
                source.place
            ))
        })
    }

    /// Stores the state here until it equals the one there, also if that is written meanwhile.
    async fn take_in(&self, source: &Source, mut theirs: Vec<u8>) -> Result<(), NotMoved> {
        let (server, place) = (self.server_side(), &source.place);
        let here = self.here(&server, place, &theirs).await;
        let here = here.map_err(NotMoved::certain)?;
        let mut has_come = false;
        if here != Here::TheSame {
            tell(&format!(
                "{} is at {place}, which was the backend before, and moves along",
                self.address.name
            ));
            let stored = self.store(&server, source, &theirs, here == Here::Older);
            stored.await.map_err(NotMoved::unsure)?;
            has_come = true;
        }
        for _ in 0..MAX_TRIES {
            let again = self.read_again(source, &theirs);
            let Some(again) = again.map_err(NotMoved::unsure)? else {
                self.tell_arrival(place, has_come);
                return Ok(());
            };
            theirs = again;
            let stored = self.store(&server, source, &theirs, has_come);
            stored.await.map_err(NotMoved::unsure)?;
            has_come = true;
        }
        Err(NotMoved::unsure(CliError::Failed(format!(
            "writes to {place} do not stop; stop them, and run this again"
        ))))
    }

    fn tell_arrival(&self, place: &str, has_come: bool) {
        if has_come {
            let (name, server) = (&self.address.name, self.address.server());
            tell(&format!("{name} has moved from {place} to {server}"));
        }
    }

    /// The state there, if it is not what it was.
    fn read_again(&self, source: &Source, before: &[u8]) -> Result<Option<Vec<u8>>, CliError> {
        let Some(again) = self.read(source)? else {
            return Ok(None);
        };
        Ok((!equality::differences(before, &again)?.is_empty()).then_some(again))
    }

    /// Stores the state here, or what became of one that has come a moment ago, and reads it back.
    async fn store(
        &self,
        server: &ServerSide<'_>,
        source: &Source,
        theirs: &[u8],
        has_come: bool,
    ) -> Result<(), CliError> {
        if source.may_encrypt {
            self.push_here(server, theirs).await?;
        } else {
            // The client would give it another lineage in a backend of this kind.
            server.arrive(theirs.to_vec(), has_come).await?;
        }
        let differences = equality::differences_in_values(&self.read_here()?, theirs)?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(CliError::Failed(format!(
            "what was read back is not what {} holds, which is as it was: {}; run this again",
            source.place,
            differences.join(", ")
        )))
    }

    /// Has the client store the state, which encrypts it if the sources say so.
    async fn push_here(&self, server: &ServerSide<'_>, theirs: &[u8]) -> Result<(), CliError> {
        let comes_back = server.status().await? == StateStatus::Transferred;
        if comes_back {
            server.restore().await?;
        }
        // The state that was restored a moment ago may be replaced by its newer self, also with
        // another lineage.
        let how = if comes_back { Push::Over } else { Push::Onto };
        self.with_backend(
            &Record::http(&self.address.text()),
            Some(self.credentials),
            |using| self.invocation.push(theirs, how, using),
        )
    }

    /// Locks the state there. If that fails, nothing moves: the state may be in use.
    async fn lock_there(&self, wire: &Wire, place: &str) -> Result<OpenTransfer, CliError> {
        let to =
            Record::http(&self.address.text()).place(self.invocation.root(), DEFAULT_WORKSPACE);
        ServerSide::new(wire, String::new())
            .begin(&to)
            .await
            .map_err(|refusal| {
                refusal.into_failure().and(&format!(
                "{place} was the backend before, and the state could not be locked there. Nothing \
                    was moved. Run this again, or give --transfer=never to continue with the \
                    state here."
            ))
            })
    }
}

/// A file whose state has moved is not found by the programs any more; any other backend keeps its
/// copy.
fn put_aside(source: &Source) {
    let Some(file) = &source.file else {
        tell(&format!(
            "{} still has its copy, which nothing configures any more",
            source.place
        ));
        return;
    };
    let to = free_name(file);
    let (from, shown) = (
        output::harmless(&file.display().to_string()),
        output::harmless(&to.display().to_string()),
    );
    match std::fs::rename(file, &to) {
        Ok(()) => tell(&format!("{from} is {shown} now")),
        Err(error) => tell(&format!(
            "{from} still holds the old state and should not be used any more; it cannot be \
                renamed: {error}"
        )),
    }
}

/// A name behind which nothing is lost.
fn free_name(file: &Path) -> PathBuf {
    let named = |number: u64| {
        let mut name = file.as_os_str().to_owned();
        name.push(if number == 1 {
            MOVED.to_owned()
        } else {
            format!("{MOVED}.{number}")
        });
        PathBuf::from(name)
    };
    let mut number = 1;
    while named(number).symlink_metadata().is_ok() {
        number += 1;
    }
    named(number)
}
